"""Every layer and every system as ONNX: what ONNX Runtime computes from it is what torch computes."""

import hashlib
from copy import deepcopy
from dataclasses import replace
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.layers import LAYERS
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import onnx_export
from aecore.reconstructors.onnx_export import ExportError, export, export_part, multiple
from aecore.reconstructors.trained import Model, NoCodeError
from tests.aecore.models.drawn import autoencoders

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
    "entropy": "conv8:s2 | entropy3:h4 | up | conv3",
    "sparsity": "conv4 | sparsity | conv3",
    "flatten": "flatten | dense4 | dense3072 | reshape3x32x32",
    "reshape": "reshape12x16x16 | conv12 | reshape3x32x32",
    "skip": "skip | conv3:linear | add",
    "add": "skip | conv4:s2 | skip | conv4 | add | deconv3:k2:linear | add",
    "a single layer, whose picture is the code": "conv3",
    "nothing": "sparsity | dropout",
    "concat": "conv4 | skip | pool | conv4 | up | concat | conv3:k1",
}


def model_of(line: str) -> Model:
    """With weights of torch's; where every layer would start with the same number, with random ones."""
    torch.manual_seed(0)
    architecture = Architecture.parse(line)
    weights = architecture.module().state_dict()
    for name, tensor in weights.items():
        if name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):  # of a norm
            tensor.uniform_(0.5, 2)
    return Model(RunSpec(architecture, Recipe(), "sample", "0" * 64), weights)


def run(content: bytes, values: Tensor) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: values.numpy()})[0])


def apart(output: Tensor, expected: Tensor) -> float:
    """The largest difference, of the largest number where that is above 1: float32 has seven digits."""
    return float((output - expected).abs().max()) / max(1.0, float(expected.abs().max()))


def test_every_layer_is_in_a_line() -> None:
    assert LAYERS.keys() <= LINES.keys()
    for keyword in LAYERS:
        assert keyword in [layer.keyword for layer in Architecture.parse(LINES[keyword]).layers]


@torch.inference_mode()
def check_all(model: Model) -> None:
    """The whole model and both its parts give what torch gives in float64, at another size too where they are open."""
    architecture = model.spec.architecture
    channels, height, width = architecture.input_shape
    sizes = [(5, height, width), (1, height, width)]
    if (step := multiple(architecture)) is not None:
        sizes += [(2, 3 * step, 5 * step)]
    whole = export(model)
    parts = [export_part(model, part) for part in ("encoder", "decoder")] if architecture.code else []
    for content in (whole, *parts):
        onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    exact = deepcopy(model.module).double()
    for size in sizes:
        pictures = torch.rand(size[0], channels, *size[1:])
        expected = exact(pictures.double())
        assert apart(run(whole, pictures), expected) <= 1e-5
        if parts:
            encoder, decoder = parts
            place, codes = architecture.code.position, run(encoder, pictures)
            assert apart(codes, exact[:place](pictures.double())) <= 1e-5
            assert apart(run(decoder, codes), exact[place:](codes.double())) <= 1e-5
            assert apart(run(decoder, codes), expected) <= 2e-5  # the tolerance of both


def check_float32(model: Model) -> None:
    """The same bits go into torch, and nearly the same come out."""
    pictures = torch.rand(4, *model.spec.architecture.input_shape)
    assert apart(run(export(model), pictures), model(pictures)) <= 1e-5


@pytest.mark.parametrize("name", LINES)
def test_a_layer_gives_what_torch_gives(name: str) -> None:
    model = model_of(LINES[name])
    check_all(model)
    check_float32(model)


def test_a_group_norm_of_nearly_equal_numbers_is_exact() -> None:
    """As exact as float32 can be: torch's own is not (off by 1e-3 for some pictures), and is no measure here."""
    check_all(model_of("conv8 | bn | gn4 | conv8 | gn8 | conv3:k1"))


@pytest.mark.parametrize("name", zoo.SYSTEMS)
def test_a_system_gives_what_torch_gives(name: str) -> None:
    model = model_of(str(zoo.SYSTEMS[name].architecture))
    check_all(model)
    check_float32(model)


@st.composite
def drawn_lines(draw: st.DrawFn) -> str:
    """A random architecture, perhaps with skips past some of its layers.

    Group norm comes first only: of nearly equal numbers, as deep layers may give, it makes rounding 300 times larger.
    """
    words = [word for word in str(draw(autoencoders())).split(" | ") if not word.startswith("gn")]
    first = int(words[0][0].isdigit())  # after the shape of the pictures
    words[first:first] = draw(st.sampled_from([[], ["conv4", "gn2"], ["conv6:gelu", "gn3"]]))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(first, len(words) - 1))
        takes_any_channels = words[place].startswith("conv")
        inner = draw(st.sampled_from(["bn", "act:silu", "act:leaky_relu", "dropout", "sparsity"]))
        words[place:place] = ["skip", inner, "concat" if takes_any_channels and draw(st.booleans()) else "add"]
    return " | ".join(words)


@pytest.mark.slow
@settings(max_examples=300)
@given(drawn_lines())
def test_any_architecture_gives_what_torch_gives(line: str) -> None:
    check_all(model_of(line))


@pytest.mark.parametrize("name", ["up", "conv with a stride", "avgpool"])
def test_a_part_names_what_goes_in_and_out(name: str) -> None:
    model = model_of(LINES[name])
    for part, names in (("encoder", ["pictures", "codes"]), ("decoder", ["codes", "reconstructions"])):
        proto = onnx.load_model_from_string(export_part(model, part))
        assert [value.name for value in (*proto.graph.input, *proto.graph.output)] == names
        assert {entry.key: entry.value for entry in proto.metadata_props}["part"] == part


def test_the_parts_hold_the_layers_of_the_whole() -> None:
    model = model_of(LINES["bn"])
    whole, encoder, decoder = (
        onnx.load_model_from_string(content)
        for content in (export(model), export_part(model, "encoder"), export_part(model, "decoder"))
    )
    assert [*encoder.graph.initializer, *decoder.graph.initializer] == [*whole.graph.initializer]
    assert [node.op_type for node in (*encoder.graph.node, *decoder.graph.node)] == [
        node.op_type for node in whole.graph.node
    ]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_model_without_a_code_has_no_parts(part: Literal["encoder", "decoder"]) -> None:
    with pytest.raises(NoCodeError, match="has no code"):
        export_part(model_of(LINES["skip"]), part)


def test_the_weights_have_the_names_of_the_state_dict() -> None:
    model = model_of(LINES["bn"])
    tensors = onnx.load_model_from_string(export(model)).graph.initializer
    held = {tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()) for tensor in tensors}
    weights = {name: tensor for name, tensor in model.module.state_dict().items() if tensor.is_floating_point()}
    assert held.keys() == weights.keys()
    assert all(torch.equal(held[name], weights[name]) for name in held)


@pytest.mark.parametrize("factor", [2, 3, 5, 8])
def test_nearest_upsampling_gives_the_same_bits(factor: int) -> None:
    size = 4 * factor
    model = model_of(f"3x{size}x{size} | pool{factor} | up{factor} | sparsity")
    pictures = torch.rand(2, 3, size, size)
    assert torch.equal(run(export(model), pictures), model(pictures))


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


@pytest.mark.parametrize("damage", [0.01, 10])
def test_one_that_onnx_runtime_computes_otherwise_is_not_handed_out(
    damage: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(LINES["conv"])
    translated = onnx_export._translated

    def damaged(*arguments: object) -> onnx.ModelProto:
        proto = translated(*arguments)
        weights = next(tensor for tensor in proto.graph.initializer if len(tensor.dims) == 4)
        values = onnx.numpy_helper.to_array(weights).copy()
        values.flat[0] += np.float32(damage)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        return proto

    monkeypatch.setattr(onnx_export, "_translated", damaged)
    with pytest.raises(ExportError, match="differs from torch's"):
        export(model)


def test_half_weights_are_exported_as_they_are_computed_with() -> None:
    whole = model_of(LINES["conv"])
    half = {name: tensor.half() for name, tensor in whole.module.state_dict().items()}
    model = Model(replace(whole.spec, seed=1), half)
    pictures = torch.rand(2, 3, 32, 32)
    assert apart(run(export(model), pictures), model(pictures)) <= 1e-5
