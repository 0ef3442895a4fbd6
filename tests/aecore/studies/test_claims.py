"""The claims: every contrast differs in what it names and in nothing else."""

from dataclasses import replace
from itertools import chain
from typing import Any

import pytest

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import RunSpec
from aecore.studies.claims import CLAIMS, comparing, has_side
from aecore.studies.contrasts import CLOSE, PSNR, Claim, Contrast

CONTRASTS = [
    pytest.param(contrast, id=f"{claim.name}: {contrast.name}")
    for claim in CLAIMS.values()
    for contrast in claim.contrasts
]


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_the_sides_differ_in_what_the_contrast_names(contrast: Contrast) -> None:
    assert contrast.found_differences() == contrast.differ
    assert contrast.first.dataset == contrast.second.dataset
    assert contrast.first.rates == contrast.second.rates
    assert contrast.first.label != contrast.second.label
    for quantity in contrast.equal:
        first, second = (side.quantity(quantity) for side in contrast.sides)
        assert first == pytest.approx(second, rel=CLOSE)


@pytest.mark.parametrize(
    "change",
    [{"epochs": 3}, {"batch_size": 50}, {"learning_rate": 2e-3}, {"loss": "mae"}, {"images": 1000}, {"redraw": True}],
)
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_side_that_differs_in_more_is_noticed(contrast: Contrast, change: dict[str, Any]) -> None:
    recipe = replace(contrast.second.recipe, **change)
    changed = replace(contrast, second=replace(contrast.second, recipe=recipe))
    assert (changed.found_differences() == contrast.differ) == (recipe == contrast.second.recipe)


def test_another_layer_is_noticed() -> None:
    contrast = CLAIMS["strided"].contrasts[0]
    layers = str(contrast.second.architecture).replace("conv32 | conv3:k1", "conv33 | conv3:k1")
    assert layers != str(contrast.second.architecture)
    changed = replace(contrast, second=replace(contrast.second, architecture=Architecture.parse(layers)))
    assert changed.found_differences() == f"{contrast.differ}; conv32 → conv33"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_the_first_contrast_is_the_claims_own_and_the_others_say_what_they_change(claim: Claim) -> None:
    own, *others = claim.contrasts
    assert not own.removes
    assert all(other.removes for other in others)
    names = [contrast.name for contrast in claim.contrasts]
    assert len(set(names)) == len(names)


def test_everything_that_was_fixed_before_the_runs_is_in_the_key() -> None:
    claim = CLAIMS["strided"]
    first, *others = claim.contrasts
    other_recipe = replace(first.first, recipe=replace(first.first.recipe, epochs=7))
    changed = [
        replace(claim, words="max pooling is better"),
        replace(claim, says="equal"),
        replace(claim, contrasts=(replace(first, measure=replace(PSNR, smallest=0.2)), *others)),
        replace(claim, contrasts=tuple(others)),
        replace(claim, contrasts=(replace(first, first=other_recipe), *others)),
        replace(claim, contrasts=(replace(first, first=replace(first.first, rates=(1e-3, 2e-3))), *others)),
    ]
    keys = {one.key for one in chain([claim], changed)}
    assert len(keys) == 1 + len(changed)
    assert replace(claim).key == claim.key


def test_there_is_a_claim_for_each_sentence_of_the_study() -> None:
    assert len(CLAIMS) == 12
    assert list(CLAIMS) == [claim.name for claim in CLAIMS.values()]
    assert {contrast.first.dataset for contrast in CLAIMS["mnist"].contrasts} == {"mnist"}


def spec(name: str, **changes: Any) -> RunSpec:
    system = zoo.SYSTEMS[name]
    return RunSpec(system.architecture, replace(system.recipe, **changes), system.dataset, "0" * 64)


def test_the_runs_of_a_claim_are_known_by_how_they_are_trained() -> None:
    strided, pooled = spec("shallow-strided"), spec("shallow-maxpool")
    assert has_side(strided)
    assert has_side(spec("shallow-strided", images=10_000))
    assert not has_side(spec("shallow-strided", epochs=3))
    assert not has_side(spec("compress-64"))
    assert comparing(strided, pooled) == comparing(pooled, strided) == ("strided", "shallow", "full")
    assert comparing(strided, spec("shallow-maxpool", images=10_000)) is None, "of two budgets"
    assert comparing(strided, strided) is None
    assert comparing(strided, spec("dense")) is None
