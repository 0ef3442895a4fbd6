"""Architectures: a line of text from which every number follows, as torch measures it, or a sentence that refuses."""

import re
import tracemalloc
from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from aecore import AecoreError
from aecore.models.architecture import Architecture, ArchitectureError
from aecore.models.layers import LAYERS
from aecore.models.zoo import SYSTEMS
from tests.aecore.models.drawn import autoencoders


@given(autoencoders())
def test_the_text_form_reads_back_as_the_same_architecture(architecture: Architecture) -> None:
    assert Architecture.parse(str(architecture)) == architecture


SKIPPING = (
    "1x8x12 | conv2 | skip | conv3:s2 | skip | conv4:s2 | conv4 | up | conv3:linear | add | bn | deconv2:k2 | concat "
    "| skip | conv2:k1 | concat | conv1:k1:linear"
)


def test_what_skips_carry_is_joined_where_their_brackets_close() -> None:
    architecture = Architecture.parse(SKIPPING)
    module = architecture.module().eval()
    layers = list(module)
    picture = torch.rand(3, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outer = layers[0](picture)
        inner = layers[2](outer)
        summed = nn.Sequential(*layers[4:8])(inner) + inner
        wide = torch.cat([nn.Sequential(*layers[9:11])(summed), outer], 1)
        expected = layers[15](torch.cat([layers[13](wide), wide], 1))
        assert torch.equal(module(picture), expected)
    ends = [architecture.steps[index] for index in (3, 8, 11, 14)]
    assert [step.output_shape for step in ends] == [(3, 4, 6), (3, 4, 6), (4, 8, 12), (6, 8, 12)]
    assert [step.bypasses for step in ends] == [2, 1, 0, 0]


def test_the_text_form_is_spelt_as_documented() -> None:
    text = "conv32 | pool | conv32:k5:s1:relu|conv32 |up | conv3:k1:sigmoid"
    assert str(Architecture.parse(text)) == "conv32 | pool | conv32:k5 | conv32 | up | conv3:k1:sigmoid"
    assert str(Architecture.parse("3x32x32 | conv3")) == "conv3"
    assert str(Architecture.parse("1x28x28 | conv1:k1:sigmoid")) == "1x28x28 | conv1:k1:sigmoid"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mnist-dense", (100,)),
        ("dense", (1024,)),
        ("dense-deep", (1024,)),
        ("conv-dense", (32, 8, 8)),
        ("conv-dense-bn", (32, 8, 8)),
        ("shallow-maxpool", (32, 16, 16)),
        ("shallow-strided", (32, 16, 16)),
        ("shallow-strided-bn", (32, 16, 16)),
        ("deep-strided-8", (32, 8, 8)),
        ("deep-strided-4", (32, 4, 4)),
        ("deep-strided-8-bn", (32, 8, 8)),
        ("deep-strided-4-bn", (32, 4, 4)),
        ("deep-maxpool-8", (32, 8, 8)),
        ("deep-maxpool-4", (32, 4, 4)),
        ("denoise-030", (32, 16, 16)),
        ("denoise-100", (32, 16, 16)),
        ("denoise-blind", (32, 16, 16)),
        ("denoise-residual", None),
        ("denoise-unet", None),
        ("denoise-res-unet", None),
        ("compress-64", (64,)),
        ("compress-128", (128,)),
        ("compress-256", (256,)),
        ("compress-512", (512,)),
        ("compress-1024", (1024,)),
        ("compress-rates", (384, 2, 2)),
    ],
)
def test_the_code_of_each_system_has_its_known_size(name: str, code: tuple[int, ...] | None) -> None:
    summary = SYSTEMS[name].architecture.summary()
    size = prod(code) if code else None
    assert (summary.code_shape, summary.code_size) == (code, size)
    assert summary.code_ratio == (size / prod(SYSTEMS[name].architecture.input_shape) if size else None)


def test_every_system_has_a_known_code_size() -> None:
    marks = test_the_code_of_each_system_has_its_known_size.pytestmark
    assert {name for name, _ in marks[0].args[1]} == set(SYSTEMS)


def test_the_numbers_the_design_states() -> None:
    assert SYSTEMS["shallow-strided"].architecture.code_ratio == pytest.approx(2.67, abs=0.005)
    assert SYSTEMS["shallow-strided-bn"].architecture.parameters == 28_931
    strided, pooled = (SYSTEMS[f"shallow-{kind}"].architecture.parameters for kind in ("strided", "maxpool"))
    assert strided - pooled == 9_248


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("conv32 | conv8:s2 | bn | up | conv3", 8 * 16 * 16),
        ("flatten | dense7 | dense9 | dense3072 | reshape3x32x32", 7),
        ("flatten | dense4000 | dense3072 | reshape3x32x32", 4000),
        ("conv3", 3072),
        ("flatten | reshape3x32x32", 3072),
        ("conv1:k1 | conv32 | conv3", 1024),
        ("skip | conv1 | conv3:linear | add", None),
        ("bn | skip | conv1 | conv3:linear | add", None),
        ("skip | conv3 | add", None),
        ("skip | add", None),
        ("skip | conv8 | concat | conv3", (8 + 3) * 32 * 32),
        ("conv8 | skip | conv2:s2 | conv8:s2 | up4 | add | conv4:s2 | up | conv3", 4 * 16 * 16),
        ("skip | conv8 | conv3 | add | flatten | dense7 | dense3072 | reshape3x32x32 | skip | conv1 | conv3 | add", 7),
    ],
)
def test_the_code_is_the_smallest_tensor_that_everything_passes_through(text: str, size: int | None) -> None:
    assert Architecture.parse(text).code_size == size


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("conv3:sigmoid", True),
        ("conv3 | act:sigmoid", True),
        ("flatten | dense3072:sigmoid | reshape3x32x32", True),
        ("conv3", False),
        ("conv3:sigmoid | conv3", False),
        ("conv3:sigmoid | bn", False),
        ("skip | conv3:sigmoid | add", False),
    ],
)
def test_only_a_last_sigmoid_ends_in_the_unit_interval(text: str, unit: bool) -> None:
    assert Architecture.parse(text).ends_in_unit_interval is unit


BAD = [
    ("", [], ["at least one layer", "conv3:k1:sigmoid"]),
    ("1x28x28", [], ["at least one layer"]),
    ("|" * 10_000, ["Layer 1"], ["Layers: conv"]),
    (" | ".join(["conv3"] * 10_000), [], ["10000 layers", "at most 200"]),
    ("con32 | conv3", ["Layer 1", "`con32`"], ["did you mean `conv`"]),
    ("conv3 | 🦊 | conv3", ["Layer 2", "`🦊`"], ["Layers: conv"]),
    ("卷积32", ["Layer 1", "`卷积32`"], ["Layers: conv"]),
    ("²x2x2 | conv2", [], ["1x28x28"]),
    ("x" * 100_000, ["Layer 1"], ["80 characters"]),
    ("conv" + "1" * 70, ["Layer 1"], ["legal: `conv32`"]),
    ("conv3:" + "k" * 70, ["Layer 1"], [":kN"]),
    ("conv", ["Layer 1", "`conv`"], ["channels", "`conv32`"]),
    ("conv0", ["Layer 1", "`conv0`"], ["channels", "from 1", "not 0"]),
    ("conv3 | conv3:k0", ["Layer 2", "`conv3:k0`"], ["kernel", "from 1 to 64", "not 0"]),
    ("conv3:k3:k5", ["Layer 1", "`conv3:k3:k5`"], ["kernel is given twice"]),
    ("conv3:relu:gelu", ["Layer 1", "`conv3:relu:gelu`"], ["activation is given twice"]),
    ("conv3:q5", ["Layer 1", "`conv3:q5`"], ["`q5`", ":kN", ":sN", ":sigmoid"]),
    ("conv999999999999", ["Layer 1", "`conv999999999999`"], ["channels", "999999999999"]),
    ("conv999999999", ["Layer 1", "`conv999999999`"], ["999999999×32×32", "3×32×32", "16,777,216"]),
    ("up64 | up64 | up64", ["Layer 2", "`up64`"], ["3×131072×131072", "3×2048×2048", "16,777,216"]),
    ("deconv3:k2:s3", ["Layer 1", "`deconv3:k2:s3`"], ["kernel of 2", "`deconv3:k3:s3`"]),
    ("conv3 | dense32", ["Layer 2", "`dense32`"], ["3×32×32", "flatten"]),
    ("flatten | conv3", ["Layer 2", "`conv3`"], ["3,072", "reshape3x32x32"]),
    ("flatten | pool", ["Layer 2", "`pool`"], ["3,072", "reshape3x32x32"]),
    ("flatten | reshape3x16x16", ["Layer 2", "`reshape3x16x16`"], ["3,072", "768", "reshape3x32x32"]),
    ("reshape3x32", ["Layer 1", "`reshape3x32`"], ["channels, height and width", "reshape32x8x8"]),
    ("pool32 | pool", ["Layer 2", "`pool`"], ["3×1×1", "nothing left to pool"]),
    ("pool64", ["Layer 1", "`pool64`"], ["3×32×32", "at most `pool32`"]),
    ("conv3 | pool", ["Layer 2", "`pool`"], ["3×16×16", "3×32×32"]),
    ("flatten | dense3072", ["Layer 2", "`dense3072`"], ["3072", "3×32×32"]),
    ("conv3 | add", ["Layer 2", "`add`"], ["closes nothing", "put `skip` before"]),
    ("skip | conv8 | conv3", ["Layer 1", "`skip`"], ["nothing closes it", "put `add` or `concat` after it"]),
    ("skip | skip | conv3 | add", ["Layer 1", "`skip`"], ["nothing closes it"]),
    ("skip | conv8 | add | conv3", ["Layer 3", "`add`"], ["8×32×32", "3×32×32", "equal shapes"]),
    ("skip | conv8:s2 | concat | up | conv3", ["Layer 3", "`concat`"], ["8×16×16", "3×32×32", "height and width"]),
    ("flatten | skip | dense9 | concat", ["Layer 4", "`concat`"], ["vector of 9"]),
    ("conv12 | gn | conv3", ["Layer 2", "`gn`"], ["12×32×32", "12 channels into 8 groups", "`gn4` would fit"]),
    ("flatten | gn4", ["Layer 2", "`gn4`"], ["3,072", "reshape3x32x32"]),
    ("pool32 | gn3", ["Layer 2", "`gn3`"], ["3×1×1", "single number"]),
    ("skip3 | conv3 | add", ["Layer 1", "`skip3`"], ["takes no options"]),
    ("0x32x32 | conv3", [], ["0×32×32", "3×32×32"]),
    ("3x32 | conv3", [], ["1x28x28"]),
    ("9999x9999x9999 | conv3", [], ["9999×9999×9999", "16,777,216"]),
]


@pytest.mark.parametrize(("text", "where", "legal"), BAD, ids=[text[:30] for text, _, _ in BAD])
def test_a_bad_spec_is_refused_in_a_short_sentence(text: str, where: list[str], legal: list[str]) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ArchitectureError) as caught:
            Architecture.parse(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    for words in [*where, *legal]:
        assert any(choice in message for choice in words.split("|")), (words, message[:1000])
    assert re.fullmatch(r"[^\n]+\.", message)
    assert len(message) < 400
    assert peak < 20_000_000


pieces = st.sampled_from(
    [
        *LAYERS,
        "|",
        " | ",
        ":",
        "x",
        ".",
        "1",
        "3",
        "32",
        "999999999",
        "k",
        "s2",
        "relu",
        ":sigmoid",
        "3x32x32",
        "²",
        "٣",
    ]
)


@given(st.text(max_size=60) | st.lists(pieces, max_size=25).map("".join))
def test_any_text_is_an_architecture_or_refused(text: str) -> None:
    try:
        architecture = Architecture.parse(text)
    except AecoreError:
        return
    assert Architecture.parse(str(architecture)) == architecture


BUDGET = 10**9


@pytest.mark.parametrize(
    "text",
    [
        "flatten | dense1000000 | dense3072:sigmoid | reshape3x32x32",
        "conv2048 | conv8000:k5 | conv3:k1:sigmoid",
        "conv32 | pool | conv32 | flatten | dense3000 | dense900000 | dense3072:sigmoid | reshape3x32x32",
    ],
)
def test_what_is_too_big_to_train_is_told_the_most_that_fits(text: str) -> None:
    def trains(layers: list[str]) -> bool:
        try:
            Architecture.parse(" | ".join(layers)).check_memory(BUDGET)
        except ArchitectureError:
            return False
        return True

    with pytest.raises(ArchitectureError) as caught:
        Architecture.parse(text).check_memory(BUDGET)
    match = re.match(
        r"Layer (\d) \(`(.+?)`\): got \d.+ would need .+ GB .+ budget of 1 GB; at most `(\D+)(\d+)(\S*)` fits\.$",
        str(caught.value),
    )
    assert match is not None, str(caught.value)
    layers, place = text.split(" | "), int(match[1]) - 1
    assert layers[place] == match[2]
    layers[place] = f"{match[3]}{match[4]}{match[5]}"
    assert trains(layers)
    layers[place] = f"{match[3]}{int(match[4]) + 1}{match[5]}"
    assert not trains(layers)


def test_every_system_fits_the_default_budget() -> None:
    for system in SYSTEMS.values():
        system.architecture.check_memory()


def test_convolutions_take_pictures_of_another_shape() -> None:
    line = "conv4:s2 | up | conv3:k1:sigmoid"
    small = Architecture.parse(line)
    large = small.at((3, 96, 96))
    assert large == Architecture.parse(f"3x96x96 | {line}")
    assert large.parameters == small.parameters
    assert large.macs == 9 * small.macs
    assert large.code_ratio == small.code_ratio
    assert small.at(small.input_shape) is small
    with pytest.raises(ArchitectureError):
        Architecture.parse("flatten | dense4 | dense3072 | reshape3x32x32").at((3, 64, 64))
    with pytest.raises(ArchitectureError):
        small.at((1, 28, 28))  # it makes pictures of three channels
