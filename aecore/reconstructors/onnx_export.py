"""A trained model as one ONNX file, compared with torch before it is handed out; also its encoder or decoder alone.

The number of pictures is always open. Height and width are open too where every layer works at any size; they must then
be multiples of what the strides divide by. Outputs are not clamped, as those of the model are not.
"""

from __future__ import annotations

from copy import deepcopy
from fractions import Fraction
from math import lcm
from typing import Literal

import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor

from aecore import AecoreError
from aecore.models.architecture import Architecture
from aecore.models.layers import Reshape, Shape
from aecore.reconstructors.onnx_graphs import OPSET, graph_of
from aecore.reconstructors.trained import Model

Part = Literal["encoder", "decoder"]
IR_VERSION = 10  # what readers of this opset know
TOLERANCE = 1e-5  # of the largest difference from torch, per unit where outputs exceed 1
ROUNDING = 1e-2  # a difference up to here may be torch's own: its group norm of nearly equal numbers is off by 1e-3
INPUT, OUTPUT, CODES = "pictures", "reconstructions", "codes"


class ExportError(AecoreError):
    """A model cannot be exported; the text says why."""


def multiple(architecture: Architecture) -> int | None:
    """What height and width must be multiples of, where every layer works at any size; None where one does not."""
    scale, divided = Fraction(1), 1
    for step in architecture.steps:
        if len(step.output_shape) != 3 or isinstance(step.layer, Reshape):
            return None
        before, after = (shape[1:] for shape in (step.input_shape, step.output_shape))
        ratios = {Fraction(new, old) for old, new in zip(before, after, strict=True)}
        ratio = ratios.pop()
        # A pool of 3 leaves 10 of 32 rows: the layers fit together at this size alone.
        if ratios or (ratio.denominator != 1 and ratio.numerator != 1):
            return None
        scale *= ratio
        divided = lcm(divided, scale.denominator)
    return divided


def export(model: Model) -> bytes:
    """The ONNX file of a model, from `pictures` to `reconstructions`: equal models give equal bytes.

    It takes tens of milliseconds where torch computes on one core; on more, its threads wait for what else runs there.
    Raises `ExportError` where ONNX Runtime computes anything else from it than torch does.
    """
    return _exported(model, None)


def session(model: Model) -> onnxruntime.InferenceSession:
    """A model in ONNX Runtime, on one core, from `pictures` to `reconstructions`; raises as `export`."""
    step = multiple(model.spec.architecture)
    return _compared(_translated(model, None, step is not None).SerializeToString(), model, None, step)


def export_part(model: Model, part: Part) -> bytes:
    """The ONNX file of an encoder, from `pictures` to `codes`, or of a decoder, from `codes` to `reconstructions`.

    Raises `NoCodeError` where skips bypass every layer, and otherwise as `export`.
    """
    return _exported(model, part)


def _exported(model: Model, part: Part | None) -> bytes:
    architecture = model.spec.architecture
    step = multiple(architecture)
    proto = _translated(model, part, step is not None)
    facts = {"key": model.spec.key, "name": model.name, "layers": str(architecture)}
    if part is not None:
        facts["part"] = part
    helper.set_model_props(proto, facts)
    content: bytes = proto.SerializeToString(deterministic=True)
    _compared(content, model, part, step)
    return content


def _layers(model: Model, part: Part | None) -> slice:
    """Which layers a part has."""
    if part is None:
        return slice(0, len(model.module))
    return slice(0, model.code_position) if part == "encoder" else slice(model.code_position, len(model.module))


def _translated(model: Model, part: Part | None, any_size: bool) -> onnx.ModelProto:
    steps, chosen = model.spec.architecture.steps, _layers(model, part)
    given, output = CODES if part == "decoder" else INPUT, CODES if part == "encoder" else OUTPUT
    graph = graph_of(steps[chosen], model.module[chosen], given, output)
    shapes = [steps[0].input_shape, *(step.output_shape for step in steps)]  # before and after every layer
    values = [_value(given, shapes[chosen.start], any_size), _value(output, shapes[chosen.stop], any_size)]
    return helper.make_model(
        helper.make_graph(graph.nodes, "autoencoder", values[:1], values[1:], graph.constants),
        producer_name="aecore",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _value(name: str, shape: Shape, any_size: bool) -> onnx.ValueInfoProto:
    sizes: list[str | int] = ["N", *shape]
    if any_size:
        sizes[2:] = ["h", "w"] if name == CODES else ["H", "W"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


def _compared(content: bytes, model: Model, part: Part | None, step: int | None) -> onnxruntime.InferenceSession:
    """The file in ONNX Runtime.

    Raises `ExportError` where that and torch differ; what rounding may explain is decided in float64.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # its threads and torch's would wait for each other
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # With these it would hold the memory of the largest batch for as long as it lives.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    for larger in (1, 2) if step else (1,):
        pictures = _pictures(model, step, larger)
        given = model.encode(pictures) if part == "decoder" else pictures
        output = torch.from_numpy(session.run(None, {name: given.numpy()})[0])
        difference = _apart(output, _expected(model, part, given))
        if TOLERANCE < difference <= ROUNDING:
            difference = _apart(output.double(), _expected(model, part, given.double()))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"{model.name} cannot be exported: ONNX Runtime's output differs from torch's by {difference:.2g}, "
                f"more than {TOLERANCE:g}."
            )
    return session


def _apart(output: Tensor, expected: Tensor) -> float:
    """The largest difference, per unit of the largest number where that exceeds 1."""
    return float((output - expected).abs().max()) / max(1.0, float(expected.abs().max()))


def _expected(model: Model, part: Part | None, given: Tensor) -> Tensor:
    """What torch makes of the input of a part, in the precision of that."""
    if given.dtype == torch.float64:
        with torch.inference_mode():
            output: Tensor = deepcopy(model.module[_layers(model, part)]).double()(given)
            return output
    if part is None:
        return model(given)
    return model.encode(given) if part == "encoder" else model.decode(given)


def _pictures(model: Model, step: int | None, larger: int) -> Tensor:
    """Three pictures of random values; of an open size that is `larger` than the model's own, and then not square."""
    channels, height, width = model.spec.architecture.input_shape
    shape = (3, channels, height, width)
    if step and larger > 1:
        shape = (3, channels, height * larger, width * larger + step)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))
