"""Advice: each kind is given where torch shows the effect, and only there."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from aecore.models.advice import KINDS
from aecore.models.architecture import Architecture
from aecore.models.diagnosis import Diagnosis, diagnose
from tests.aecore.models.drawn import autoencoders

# For each kind: lines that have it, with the layer and the line of its repair, and lines that have not.
GIVEN: dict[str, list[tuple[str, int | None, str | None]]] = {
    "large-code": [
        ("conv32 | conv32:s2 | conv32 | up | conv3", 2, "conv32 | conv8:s2 | conv32 | up | conv3"),
        ("conv32 | pool | conv32 | up | conv3", 2, "conv8 | pool | conv32 | up | conv3"),
        ("flatten | dense3072 | dense3072 | reshape3x32x32", 2, "flatten | dense2048 | dense3072 | reshape3x32x32"),
        ("conv3", 1, None),
    ],
    "no-code": [("skip | conv8 | conv3:linear | add", None, None)],
    "linear-pair": [
        ("conv8:linear | conv8:s2 | up | conv3", 2, "conv8 | conv8:s2 | up | conv3"),
        (
            "flatten | dense4000:linear | dense3072 | reshape3x32x32",
            3,
            "flatten | dense4000 | dense3072 | reshape3x32x32",
        ),
    ],
    "output-range": [
        ("conv8:s2 | up | conv3 | act:sigmoid", 4, "conv8:s2 | up | conv3:linear | act:sigmoid"),
        ("conv8:s2 | up | conv3:tanh | act:sigmoid", 4, "conv8:s2 | up | conv3:linear | act:sigmoid"),
        ("conv8:s2 | up | conv3:sigmoid | act:tanh", 4, "conv8:s2 | up | conv3:linear | act:tanh"),
    ],
    "checkerboard": [
        ("conv8:s2 | deconv3:linear", 2, "conv8:s2 | deconv3:k4:linear"),
        ("3x33x33 | conv2:s3 | deconv3:k4:s3", 2, "3x33x33 | conv2:s3 | deconv3:k6:s3"),
    ],
    "unseen-pixels": [
        ("conv8:k1:s2 | up | conv3", 1, "conv8:s2 | up | conv3"),
        ("conv8:k2:s4 | up4 | conv3", 1, "conv8:k4:s4 | up4 | conv3"),
    ],
    "dropped-pixels": [("1x9x9 | pool2 | flatten | dense81 | reshape1x9x9", 1, None)],
    "one-pixel": [("conv32:k32:s32 | deconv3:k32:s32", 1, None), ("pool32 | up32", 1, None)],
    "idle-weights": [
        ("pool32 | conv8 | up32 | conv3", 2, "pool32 | conv8:k1 | up32 | conv3"),
        ("pool16 | conv8:k5 | up16 | conv3", 2, "pool16 | conv8 | up16 | conv3"),
    ],
}
WITHOUT = {
    "large-code": "conv32 | conv8:s2 | conv32 | up | conv3",
    "no-code": "skip | conv8 | conv3:linear | add | conv8:s2 | up | conv3",
    "linear-pair": "flatten | dense64:linear | dense3072:linear | reshape3x32x32",
    "output-range": "conv3 | bn | act:sigmoid",
    "checkerboard": "conv8:s2 | deconv3:k4 | conv3",
    "unseen-pixels": "conv8:k2:s2 | up | conv3",
    "dropped-pixels": "1x9x9 | pool3 | up3",
    "one-pixel": "pool16 | up16",
    "idle-weights": "pool16 | conv8 | up16 | conv3",
}


def positions(diagnosis: Diagnosis, kind: str) -> list[int | None]:
    assert diagnosis.is_legal, diagnosis.problems
    return [advice.position for advice in diagnosis.advice if advice.kind == kind]


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind, cases in GIVEN.items() for case in cases])
def test_a_line_that_has_it_is_told_and_repaired(kind: str, case: tuple[str, int | None, str | None]) -> None:
    text, position, repaired = case
    diagnosis = diagnose(text)
    assert positions(diagnosis, kind) == [position]
    (advice,) = (advice for advice in diagnosis.advice if advice.kind == kind)
    assert advice.sentence.endswith(".")
    assert (advice.reason, advice.source) == (KINDS[kind].reason, KINDS[kind].source)
    if repaired is not None:
        assert [repair.line for repair in advice.repairs] == [repaired]
        assert positions(diagnose(repaired), kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_has_it_not_is_not_told(kind: str) -> None:
    assert GIVEN[kind]
    assert positions(diagnose(WITHOUT[kind]), kind) == []


def test_a_kind_that_is_added_to_the_registry_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(KINDS["no-code"])(KINDS["no-code"].find, "Because.", "Somebody 1999")
    monkeypatch.setitem(KINDS, "made-up", kind)
    advice = [one for one in diagnose("skip | conv8 | conv3 | add").advice if one.kind == "made-up"]
    assert [(one.reason, one.source) for one in advice] == [("Because.", "Somebody 1999")]


# ---- against torch


@given(st.integers(1, 9), st.integers(2, 4))
def test_a_checkerboard_is_where_pixels_are_added_to_unequally_often(kernel: int, stride: int) -> None:
    assume(kernel >= stride)
    times = nn.functional.conv_transpose2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, kernel, kernel), stride=stride)
    inner = times[..., kernel:-kernel, kernel:-kernel]
    line = f"1x{8 * stride}x{8 * stride} | avgpool{stride} | deconv1:k{kernel}:s{stride}"
    assert positions(diagnose(line), "checkerboard") == ([2] if inner.min() < inner.max() else [])


@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_unseen_pixels_and_idle_weights_are_those_without_a_gradient(
    kernel: int, stride: int, height: int, width: int
) -> None:
    text = f"1x{height}x{width} | conv1:k{kernel}:s{stride}:linear | flatten | dense{height * width} "
    architecture = Architecture.parse(f"{text}| reshape1x{height}x{width}")
    conv = architecture.module()[0]
    picture = torch.ones(1, 1, height, width, requires_grad=True)
    weights = next(weight for name, weight in conv.named_parameters() if name.endswith("weight"))
    nn.init.ones_(weights)
    conv(picture).sum().backward()
    diagnosis = diagnose(str(architecture))
    assert picture.grad is not None
    assert weights.grad is not None
    idle = int((weights.grad == 0).sum())
    assert positions(diagnosis, "idle-weights") == ([1] if idle else [])
    if idle:
        sentence = next(advice.sentence for advice in diagnosis.advice if advice.kind == "idle-weights")
        assert f"{kernel**2 - idle} of the {kernel**2} weights" in sentence
    inner = picture.grad[..., : height // stride * stride, : width // stride * stride]
    if min(height, width) >= 2 * stride:
        assert bool(positions(diagnosis, "unseen-pixels")) == bool((inner == 0).any())


@settings(max_examples=60)
@given(autoencoders(), st.sampled_from(["", " | act", " | act:tanh | act:sigmoid", " | act:silu | act:gelu"]))
def test_no_output_leaves_the_range_that_is_told(architecture: Architecture, ending: str) -> None:
    architecture = Architecture.parse(str(architecture) + ending)
    told = [advice.sentence for advice in diagnose(str(architecture)).advice if advice.kind == "output-range"]
    module = architecture.module().eval()
    for weight in module.parameters():
        nn.init.normal_(weight, std=3)
    with torch.inference_mode():
        output = module(torch.rand(4, *architecture.input_shape))
    for sentence in told:
        if "0 (black)" in sentence:
            assert output.min() > 0
        if "1 (white)" in sentence:
            assert output.max() < 1


@settings(max_examples=60)
@given(st.sampled_from(["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "linear"]), st.data())
def test_the_range_of_two_activations_is_what_they_give_over_all_numbers(first: str, data: st.DataObject) -> None:
    second = data.draw(st.sampled_from(["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid"]))
    architecture = Architecture.parse(f"conv8:s2 | up | conv3:k1:{first} | act:{second}")
    module = architecture.module()
    everything = torch.cat([torch.linspace(-60, 60, 200_001, dtype=torch.float64), torch.tensor([-1e4, 1e4])])
    output = module[3](nn.Sequential(*list(module[2])[1:])(everything) if first != "linear" else everything)
    reaches = [bool(output.min() < 1e-6 and output.max() > -1e-6), bool(output.max() > 1 - 1e-6)]
    told = [advice.sentence for advice in diagnose(str(architecture)).advice if advice.kind == "output-range"]
    assert [not any(end in sentence for sentence in told) for end in ("0 (black)", "1 (white)")] == reaches
