"""Whether an ONNX file from anywhere is a model that maps pictures to pictures. Runs in `foreign_worker` alone.

Reading a file that was made to harm may take any amount of memory, so the dashboard's own process never does it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

OPSETS = range(7, 27)
DOMAINS = ("", "ai.onnx")  # of the standard operators
MOST_NODES = 20_000
SIDES = ((32, 32), (64, 96))  # of the pictures that a model of open size is tried on
_CHANNELS = (1, 3)
_SHORTEST, _LONGEST = 4, 1024  # of a side that is fixed
_SENTENCE = 160  # characters of an error of ONNX's

Array = NDArray[np.float32]


class UnfitError(Exception):
    """A file is no model of pictures; the one sentence says why."""


@dataclass(frozen=True)
class Fit:
    """What a model takes: None for a size that is open, and for a number of pictures that is."""

    batch: int | None
    channels: int
    height: int | None
    width: int | None


def check(content: bytes) -> None:
    """Raise `UnfitError` where a file is not ONNX, or uses what no model needs and many attacks do."""
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's own error, of whichever implementation is installed
        raise UnfitError("It is not an ONNX file, or it is cut short.") from None
    if not model.HasField("graph") or not model.graph.node:
        raise UnfitError("It is not an ONNX file with a model in it.")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    version = next((opsets[domain] for domain in DOMAINS if domain in opsets), None)
    if version not in OPSETS:
        stated = "It names no opset" if version is None else f"Its opset is {version}"
        raise UnfitError(f"{stated}: {OPSETS[0]} to {OPSETS[-1]} can be run here.")
    _check_parts(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:
        raise UnfitError(f"ONNX finds a fault in it: {in_short(error)}") from None


def _check_parts(model: ModelProto) -> None:
    if model.functions:
        raise UnfitError(
            f"It defines an operator of its own, {_name(model.functions[0])!r}: only standard ones can be run."
        )
    for count, part in enumerate(_parts(model.graph)):
        if isinstance(part, TensorProto):
            if part.data_location == TensorProto.EXTERNAL or part.external_data:
                raise UnfitError("It keeps weights in another file: save it as one file.")
        elif part.domain not in DOMAINS:
            raise UnfitError(f"It uses the operator {_name(part)!r}: only the standard ones of ONNX can be run.")
        if count >= MOST_NODES:
            raise UnfitError(f"It has more than {MOST_NODES:,} operators and weights.")


def _name(part: Any) -> str:
    domain, kind = part.domain, getattr(part, "op_type", "") or part.name
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in f"{domain}.{kind}"[:60])


def _parts(graph: Any) -> Iterator[Any]:
    """Every operator and tensor of a graph, and of those inside its operators."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _parts(inner)


def session(content: bytes) -> onnxruntime.InferenceSession:
    """The model, ready to run on one core; raises `UnfitError`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    # With these it would hold the memory of the largest picture for as long as it lives.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnfitError(f"ONNX Runtime cannot load it: {in_short(error)}") from None


def warm_up() -> None:
    """Have ONNX Runtime open and import whatever it does with its first model."""
    shape: list[str | int | None] = ["N", 3, "H", "W"]
    value = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("input", "output")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["input"], ["output"])], "warm", value[:1], value[1:])
    opset = onnx.helper.make_opsetid("", 17)
    content = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    check(content)
    fit(session(content))
    in_short(ValueError("…"))


def fit(model: onnxruntime.InferenceSession) -> Fit:
    """What a model takes, tried out on pictures; raises `UnfitError` where it is no pictures."""
    inputs, outputs = model.get_inputs(), model.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnfitError(f"Its inputs are {len(inputs)} and its outputs {len(outputs)}: it must have one of each.")
    for part, what in ((inputs[0], "input"), (outputs[0], "output")):
        if part.type != "tensor(float)":
            raise UnfitError(f"Its {what} is {part.type}: it must be tensor(float), which is float32.")
    shape = inputs[0].shape
    if len(shape) != 4:
        raise UnfitError(f"Its input has {len(shape)} axes: pictures have four, [N, C, H, W].")
    batch, channels, height, width = (size if isinstance(size, int) else None for size in shape)
    if batch not in (None, 1):
        raise UnfitError(
            f"It takes exactly {batch} pictures at a time: export it with an open number of pictures, or one."
        )
    if channels not in (None, *_CHANNELS):
        raise UnfitError(f"It takes pictures of {channels} channels: 1 and 3 are shown here.")
    if any(side is not None and not _SHORTEST <= side <= _LONGEST for side in (height, width)):
        raise UnfitError(f"It takes pictures of {height}×{width} pixels: a side must have {_SHORTEST} to {_LONGEST}.")
    return _tried(model, batch, channels or 3, (height, width))


def _tried(
    model: onnxruntime.InferenceSession, batch: int | None, channels: int, sides: tuple[int | None, int | None]
) -> Fit:
    """Run the model: where only one size works, that is the size it takes."""
    sizes = [tuple(own or other for own, other in zip(sides, tried, strict=True)) for tried in SIDES]
    for place, (height, width) in enumerate(dict.fromkeys(sizes)):
        draw = np.random.default_rng(0)
        try:
            run(model, draw.random((batch or 2, channels, height, width), np.float32))
        except UnfitError:
            if place == 0:
                raise
            return Fit(batch, channels, *sizes[0])
    return Fit(batch, channels, *sides)


def run(model: onnxruntime.InferenceSession, pictures: Array) -> Array:
    """The model's output; raises `UnfitError` where it has another shape or holds anything but finite numbers."""
    (given,) = model.get_inputs()
    single = given.shape[0] == 1
    batches = np.split(pictures, len(pictures)) if single else [pictures]
    try:
        output = np.concatenate([model.run(None, {given.name: batch})[0] for batch in batches])
    except Exception as error:
        raise UnfitError(f"ONNX Runtime cannot run it: {in_short(error)}") from None
    if output.shape != pictures.shape:
        raise UnfitError(
            f"It makes {_sizes(output.shape)} of pictures {_sizes(pictures.shape)}: it must keep the shape."
        )
    if not np.isfinite(output).all():
        raise UnfitError("Its output holds values that are not finite numbers.")
    return np.ascontiguousarray(output, np.float32)


def _sizes(shape: tuple[int, ...]) -> str:
    return str(list(shape))


def in_short(error: Exception) -> str:
    """What an error of ONNX or its runtime says first, as a sentence without places in their source."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", lines[0])
    if failed := re.match(r"Non-zero status code returned while running (\w+) node.*?Status Message: *(.*)", text):
        operator, why = failed.groups()
        text = f"its operator {operator} fails" + (f" ({why.rstrip('.')})" if why and "/" not in why else "")
    plain = "".join(
        letter
        for letter in re.sub(r", however input ('.*') of node: *$", r", and none before makes \1", text)
        if letter.isprintable()
    )
    short = plain if len(plain) <= _SENTENCE else plain[:_SENTENCE] + "…"
    return short.rstrip(". ") + "."
