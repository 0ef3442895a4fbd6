"""Diagnosis: whatever the text, it says all that parsing would say, and every repair does what it promises."""

import re
from itertools import islice

import pytest
from hypothesis import example, given, settings

from aecore.models.architecture import Architecture, ArchitectureError
from aecore.models.diagnosis import Diagnosis, Problem, diagnose
from aecore.models.repairs import MOST_REPAIRS
from aecore.models.rules import MOST_LAYERS, MOST_MACS, MOST_PIXELS, Limits
from aecore.models.steps import inferred
from aecore.models.zoo import SYSTEMS
from tests.aecore.models.drawn import autoencoders
from tests.aecore.models.lines import texts

UNLIMITED = Limits(10**30, 10**30, 10**30)


@settings(max_examples=300)
@given(texts())
def test_it_raises_for_no_text_and_agrees_with_parsing(text: str) -> None:
    diagnosis, refused, architecture = diagnose(text, UNLIMITED), "", None
    try:
        architecture = Architecture.parse(text)
    except ArchitectureError as error:
        refused = str(error)
    assert diagnosis.architecture == architecture
    if architecture is None:
        assert refused in [problem.sentence for problem in diagnosis.problems]
    else:
        assert diagnosis.problems == ()
        assert diagnosis.steps == architecture.steps
        assert diagnosis.rows == architecture.summary().rows or max(architecture.input_shape) > MOST_PIXELS


@settings(max_examples=300)
@example("|0")
@given(texts(most=5))
def test_every_repair_leaves_fewer_problems_and_is_legal_where_there_was_one(text: str) -> None:
    diagnosis = diagnose(text)
    for problem in diagnosis.problems:
        assert problem.sentence.endswith(".")
        assert len({repair.line for repair in problem.repairs}) == len(problem.repairs) <= MOST_REPAIRS
        for repair in problem.repairs:
            left = diagnose(repair.line)
            assert len(left.problems) < len(diagnosis.problems)
            assert _said(left).count(_body(problem)) < _said(diagnosis).count(_body(problem))
            if len(diagnosis.problems) == 1:
                Architecture.parse(repair.line).check_memory()


def _body(problem: Problem) -> str:
    """What is said of a layer, wherever it stands."""
    return re.sub(r"^Layer [0-9]+", "", problem.sentence)


def _said(diagnosis: Diagnosis) -> list[str]:
    return [_body(problem) for problem in diagnosis.problems]


@settings(max_examples=300)
@given(texts())
def test_steps_are_known_of_every_layer_that_no_problem_names(text: str) -> None:
    diagnosis = diagnose(text)
    layers = [word.position for word in diagnosis.words if word.position][:MOST_LAYERS]
    positions = [step.position for step in diagnosis.steps]
    assert positions == sorted(positions)
    assert set(layers) - set(positions) <= {problem.position for problem in diagnosis.problems}
    # Up to the first that is not legal they are what shape inference says of these layers alone.
    known = [row.step for row in diagnosis.rows]
    again = inferred((step.layer for step in known), diagnosis.input_shape)
    assert list(islice(again, len(known))) == known == list(diagnosis.steps[: len(known)])


@settings(max_examples=60)
@given(autoencoders())
def test_every_advice_is_on_a_layer_and_its_repairs_are_legal_with_less_of_it(architecture: Architecture) -> None:
    diagnosis = diagnose(str(architecture))
    assert diagnosis.is_legal
    for advice in diagnosis.advice:
        assert advice.position is None or 1 <= advice.position <= len(architecture.layers)
        for repair in advice.repairs:
            repaired = diagnose(repair.line)
            assert repaired.is_legal
            count = [len([one for one in of.advice if one.kind == advice.kind]) for of in (repaired, diagnosis)]
            assert count[0] < count[1]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_is_legal(name: str) -> None:
    diagnosis = diagnose(str(SYSTEMS[name].architecture))
    assert diagnosis.architecture == SYSTEMS[name].architecture
    # All that is said of the zoo: the confound that the study's shallow codes are larger than the picture.
    expected = {"shallow": ["large-code"], "denoising": ["large-code"]}.get(SYSTEMS[name].family, [])
    if SYSTEMS[name].architecture.code is None:
        expected = ["no-code"]
    assert [advice.kind for advice in diagnosis.advice] == expected


def test_all_problems_are_told_at_once_each_at_its_layer() -> None:
    diagnosis = diagnose("conv8 | pol | flatten | conv8 | gn3 | conv3:k0 | up | add")
    assert [problem.position for problem in diagnosis.problems] == [2, 4, 5, 6, 8, 8]
    assert [problem.sentence.split(":")[0] for problem in diagnosis.problems[:5]] == [
        "Layer 2 (`pol`)",
        "Layer 4 (`conv8`)",
        "Layer 5 (`gn3`)",
        "Layer 6 (`conv3",
        "Layer 8 (`add`)",
    ]
    # After the layer that is meant by `pol` there are 8×16×16 numbers.
    assert "got a flat vector of 2,048" in diagnosis.problems[1].sentence
    assert [step.position for step in diagnosis.steps] == [1, 3, 7]
    assert [row.receptive_field for row in diagnosis.rows] == [(3, 3)]


# A line with one problem, and the line that its first repair gives.
MENDED = {
    "con32 | conv3": "conv32 | conv3",
    "Conv2d(32) | conv3": "conv32 | conv3",
    "conv8 | maxpool2 | up | conv3": "conv8 | pool2 | up | conv3",
    "conv3 | relu": "conv3 | act:relu",
    "conv3 | batch_norm | conv3": "conv3 | bn | conv3",
    "conv8 || conv3": "conv8 | conv3",
    "conv | conv3": "conv32 | conv3",
    "conv8 | conv:k1:sigmoid": "conv8 | conv3:k1:sigmoid",
    "conv3:sigmod": "conv3:sigmoid",
    "conv3:k0": "conv3:k1",
    "conv8:k3:k5 | conv3": "conv8:k3 | conv3",
    "conv8:s2 | deconv3:k1:s2": "conv8:s2 | deconv3:k2",
    "flatten | conv3": "flatten | reshape3x32x32 | conv3",
    "dense3072 | reshape3x32x32": "flatten | dense3072 | reshape3x32x32",
    "flatten | dense9 | reshape3x32x32": "flatten | dense3072 | reshape3x32x32",
    "pool64 | up32": "pool32 | up32",
    "pool32 | pool | up32": "pool32 | up32",
    "conv12 | gn | conv3": "conv12 | gn4 | conv3",
    "skip | conv8 | add | conv3": "skip | conv3 | add | conv3",
    "skip | conv3:s2 | add | conv3": "skip | conv3:s2 | up2 | add | conv3",
    "skip | conv8:s2 | concat | conv3": "skip | conv8:s2 | up2 | concat | conv3",
    "conv8 | conv3 | add": "skip | conv8 | conv3 | add",
    "conv3 | conv8:s2 | add | up | conv3": "conv3 | conv8:s2 | up | conv3",
    "conv8 | conv8 | add | conv3": "conv8 | skip | conv8 | add | conv3",
    "skip | conv3": "skip | conv3 | add",
    "conv8": "conv3",
    "conv8 | pool": "conv8 | pool | up2 | conv3:k1:sigmoid",
    "flatten | dense9": "flatten | dense3072 | reshape3x32x32",
    "": "conv3:k1:sigmoid",
    "1x28x28": "1x28x28 | conv1:k1:sigmoid",
    "3x32 | conv3": "3x32x32 | conv3",
    "0x28x28 | conv1": "1x28x28 | conv1",
    " | ".join(["conv3"] * 201): " | ".join(["conv3"] * 200),
    "conv999999999 | conv3": "conv16384 | conv3",
}


@pytest.mark.parametrize("text", MENDED, ids=[text[:40] for text in MENDED])
def test_the_first_repair_is_what_was_most_likely_meant(text: str) -> None:
    (problem,) = diagnose(text).problems
    assert problem.repairs[0].line == MENDED[text]
    assert problem.repairs[0].label


def test_what_leads_to_other_pictures_may_be_meant_for_them() -> None:
    (problem,) = diagnose("flatten | dense784:sigmoid | reshape1x28x28").problems
    assert "1x28x28 | flatten | dense784:sigmoid | reshape1x28x28" in [repair.line for repair in problem.repairs]


def test_what_costs_too_much_is_a_problem_with_the_most_that_fits() -> None:
    (problem,) = diagnose("conv512 | conv512 | conv3").problems
    assert problem.position == 2
    (repair, *_) = problem.repairs
    first, second, _ = (int(word.removeprefix("conv")) for word in repair.line.split(" | "))
    assert first == 512
    macs = [Architecture.parse(f"conv512 | conv{channels} | conv3").macs for channels in (second, second + 1)]
    assert macs[0] <= MOST_MACS < macs[1]
    (memory,) = diagnose("flatten | dense20000 | dense3072 | reshape3x32x32").problems
    with pytest.raises(ArchitectureError) as caught:
        Architecture.parse("flatten | dense20000 | dense3072 | reshape3x32x32").check_memory()
    assert memory.sentence == str(caught.value)
    (side,) = diagnose("1x1x4096 | conv1").problems
    assert "at most 1,024 pixels" in side.sentence


def test_limits_may_be_raised_where_the_machine_is_ones_own() -> None:
    text = "conv512 | conv512 | conv3"
    assert not diagnose(text).is_legal
    assert diagnose(text, Limits(macs=3 * 10**9)).is_legal


@pytest.mark.parametrize(
    "text",
    [
        "flatten | dense9 | reshape999999999x999999999x99",
        "conv3 | reshape9999x9999x9999",
        "skip | conv999999999 | add",
        "3x1x1 | conv2147483648:k64",
        "999999999",
        "1x1x16777216 | up64",
        "conv3 | \udfaa\udc80",
    ],
)
def test_numbers_of_any_size_are_diagnosed(text: str) -> None:
    assert diagnose(text).problems


@pytest.mark.parametrize(
    "text", ["|" * 10_000, "x" * 100_000, " | ".join(["conv3"] * 10_000), " | ".join(f"cnv{n}" for n in range(3000))]
)
def test_a_text_of_any_length_is_diagnosed(text: str) -> None:
    diagnosis = diagnose(text)
    assert 1 <= len(diagnosis.problems) <= MOST_LAYERS + 2
    with pytest.raises(ArchitectureError) as caught:
        Architecture.parse(text)
    assert str(caught.value) in [problem.sentence for problem in diagnosis.problems]


def test_an_unreadable_layer_beyond_the_most_layers_is_told_too() -> None:
    text = " | ".join([*["conv3"] * 500, "cnv3", "cnv4"])
    sentences = [problem.sentence for problem in diagnose(text).problems]
    assert sentences[0].startswith("502 layers are too many")
    assert [sentence[:18] for sentence in sentences[1:]] == ["Layer 501 (`cnv3`)"]
