"""A trained model as one ONNX file, compared with torch before it is handed out.

The number of pictures is always open. Height and width are open too where every layer works at any size; they must then
be multiples of what the strides divide by. Outputs are not clamped, as those of the model are not.
"""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import lcm
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aecore import AecoreError
from aecore.models.architecture import Architecture
from aecore.models.layers import Reshape

if TYPE_CHECKING:
    import onnx

    from aecore.reconstructors.trained import Model

OPSET = 20
IR_VERSION = 10  # what readers of this opset know
TOLERANCE = 1e-5  # of the largest difference from torch, per unit where outputs exceed 1
INPUT, OUTPUT = "pictures", "reconstructions"
_exporting = Lock()  # torch's exporter changes settings of the whole process meanwhile


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
    """The ONNX file of a model: equal models give equal bytes with the same torch.

    Raises `ExportError` where ONNX Runtime computes anything else from it than torch does.
    """
    architecture = model.spec.architecture
    step = multiple(architecture)
    with _exporting, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own parts
        proto = _translated(model, step)
    _tidy(proto)
    facts = {"key": model.spec.key, "name": model.name, "layers": str(architecture)}
    for name, value in facts.items():
        proto.metadata_props.add(key=name, value=value)
    content: bytes = proto.SerializeToString(deterministic=True)
    _compare(content, model, step)
    return content


def _translated(model: Model, step: int | None) -> onnx.ModelProto:
    # The plain layout: torch's faster one would add transpositions to the file.
    module = model.spec.architecture.module()
    module.load_state_dict(model.module.state_dict())
    sizes: dict[int, Any] = {0: torch.export.Dim("batch")}
    if step is not None:
        sizes |= {axis: step * torch.export.Dim(name) for axis, name in ((2, "rows"), (3, "columns"))}
    program = torch.onnx.export(
        module.eval(),
        (_pictures(model, step, 1),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=(sizes,),
        external_data=False,
        verbose=False,
    )
    assert program is not None, "without a file's name the exporter returns its result"
    return program.model_proto


def _tidy(proto: onnx.ModelProto) -> None:
    """Take out where on this machine the code lies, and name the open sizes as people do."""
    proto.ir_version = IR_VERSION
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del proto.graph.value_info[:]
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.ClearField("metadata_props")
        for size, name in zip(tensor.type.tensor_type.shape.dim, ("N", "", "H", "W"), strict=True):
            if size.HasField("dim_param") and name:
                size.dim_param = name


def _compare(content: bytes, model: Model, step: int | None) -> None:
    """Raise `ExportError` where ONNX Runtime and torch differ."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # its threads and torch's would wait for each other
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for larger in (1, 2) if step else (1,):
        given = _pictures(model, step, larger)
        expected = model(given)
        output = torch.from_numpy(session.run(None, {INPUT: given.numpy()})[0])
        difference = float((output - expected).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
            raise ExportError(
                f"{model.name} cannot be exported: ONNX Runtime's output differs from torch's by {difference:.2g}, "
                f"more than {TOLERANCE:g}."
            )


def _pictures(model: Model, step: int | None, larger: int) -> Tensor:
    """Three pictures of random values; of an open size that is `larger` than the model's own, and then not square."""
    channels, height, width = model.spec.architecture.input_shape
    shape = (3, channels, height, width)
    if step and larger > 1:
        shape = (3, channels, height * larger, width * larger + step)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))
