"""Every layer and every system as ONNX: what ONNX Runtime computes from it is what torch computes."""

import hashlib
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.layers import LAYERS
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import onnx_export
from aecore.reconstructors.onnx_export import INPUT, ExportError, export, multiple
from aecore.reconstructors.trained import Model

# A small line of layers for each layer, and for each way in which one changes how others export.
LINES = {
    "conv": "conv4:k5:gelu | conv3:k1:sigmoid",
    "conv of an even kernel": "conv4:k4:silu | conv3:k2",
    "conv with a stride": "conv4:k2:s2:leaky_relu | up | conv3:tanh",
    "deconv": "conv4:s2 | deconv4:k3 | conv3:linear",
    "deconv of an even kernel": "conv4:s2 | deconv3:k4:sigmoid",
    "dense": "flatten | dense12:linear | dense3072:sigmoid | reshape3x32x32",
    "pool": "pool4 | up4 | conv3:k1",
    "avgpool": "avgpool2 | up2:bilinear | conv3:k1",
    "up": "conv4:s2 | up2:nearest | conv3",
    "bn": "conv4 | bn | conv3:linear | bn",
    "bn of a flat vector": "flatten | dense8 | bn | dense3072 | reshape3x32x32",
    "gn": "conv8 | gn4 | conv3:k1",
    "dropout": "conv4 | dropout0.5 | conv3",
    "act": "conv4:linear | act:gelu | conv3:linear | act:sigmoid",
    "sparsity": "conv4 | sparsity | conv3",
    "flatten": "flatten | dense4 | dense3072 | reshape3x32x32",
    "reshape": "reshape12x16x16 | conv12 | reshape3x32x32",
    "skip": "skip | conv3:linear | add",
    "add": "skip | conv4:s2 | skip | conv4 | add | deconv3:k2:linear | add",
    "concat": "conv4 | skip | pool | conv4 | up | concat | conv3:k1",
}


def model_of(line: str) -> Model:
    """With weights of torch's, and statistics that no layer starts with."""
    torch.manual_seed(0)
    architecture = Architecture.parse(line)
    weights = architecture.module().state_dict()
    for name, tensor in weights.items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    return Model(RunSpec(architecture, Recipe(), "sample", "0" * 64), weights)


def run(content: bytes, pictures: torch.Tensor) -> torch.Tensor:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {INPUT: pictures.numpy()})[0])


def apart(output: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, of the largest number where that is above 1: float32 has seven digits."""
    return float((output - expected).abs().max()) / max(1.0, float(expected.abs().max()))


def test_every_layer_is_in_a_line() -> None:
    assert LAYERS.keys() <= LINES.keys()
    for keyword in LAYERS:
        assert keyword in [layer.keyword for layer in Architecture.parse(LINES[keyword]).layers]


@pytest.mark.parametrize("name", LINES)
def test_a_layer_gives_what_torch_gives(name: str) -> None:
    model = model_of(LINES[name])
    content = export(model)
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    sizes = [(5, 32, 32), (1, 32, 32)]
    if (step := multiple(model.spec.architecture)) is not None:
        sizes += [(2, 3 * step, 5 * step), (1, 64, 32)]
    for count, height, width in sizes:
        given = torch.rand(count, 3, height, width)
        assert apart(run(content, given), model(given)) <= 1e-5


@pytest.mark.slow
# One of each family; every layer is tried above, and `export` itself compares what it writes.
@pytest.mark.parametrize("name", {system.family: name for name, system in zoo.SYSTEMS.items()}.values())
def test_a_system_gives_what_torch_gives(name: str) -> None:
    model = model_of(str(zoo.SYSTEMS[name].architecture))
    given = torch.rand(2, *model.spec.architecture.input_shape)
    assert apart(run(export(model), given), model(given)) <= 1e-5


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("conv4 | conv3", 1),
        ("conv4:s2 | conv4:s2 | up4 | conv3", 4),
        ("pool4 | up2 | conv4:s2 | deconv4:k4 | up2 | conv3", 4),
        ("skip | conv4:s2 | deconv3:k2 | add", 2),
        ("flatten | dense4 | dense3072 | reshape3x32x32", None),
        ("reshape12x16x16 | reshape3x32x32", None),
        ("pool3 | pool5 | up16 | conv3", None),  # 32 to 10 to 2: no other size would come back
    ],
)
def test_what_sizes_must_be_multiples_of(line: str, expected: int | None) -> None:
    assert multiple(Architecture.parse(line)) == expected


def test_it_is_one_file_that_says_what_it_is_and_nothing_of_this_machine() -> None:
    model = model_of(LINES["add"])
    content = export(model)
    proto = onnx.load_model_from_string(content)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", onnx_export.OPSET)]
    assert {entry.key: entry.value for entry in proto.metadata_props} == {
        "key": model.spec.key,
        "name": model.name,
        "layers": str(model.spec.architecture),
    }
    assert not any(tensor.external_data for tensor in proto.graph.initializer)
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    ]
    assert shapes == [["N", 3, "H", "W"]] * 2
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    assert b"/aecore/" not in content
    assert hashlib.sha256(export(model)).digest() == hashlib.sha256(content).digest()


def test_one_that_onnx_runtime_computes_otherwise_is_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(LINES["conv"])
    translated = onnx_export._translated

    def damaged(*given: object) -> onnx.ModelProto:
        proto = translated(*given)
        weights = next(tensor for tensor in proto.graph.initializer if len(tensor.dims) == 4)
        values = onnx.numpy_helper.to_array(weights).copy()
        values.flat[0] += np.float32(0.01)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        return proto

    monkeypatch.setattr(onnx_export, "_translated", damaged)
    with pytest.raises(ExportError, match="differs from torch's"):
        export(model)


def test_half_weights_are_exported_as_they_are_computed_with() -> None:
    whole = model_of(LINES["conv"])
    half = {name: tensor.half() for name, tensor in whole.module.state_dict().items()}
    model = Model(replace(whole.spec, seed=1), half)
    given = torch.rand(2, 3, 32, 32)
    assert apart(run(export(model), given), model(given)) <= 1e-5
