"""The spread of the study's systems over seeds, and how likely its printed figures are."""

import numpy as np
import pytest
from scipy import stats

from aecore.models import zoo
from aecore.studies import verdicts
from aecore.studies.claim_scores import PARTS, systems
from aecore.studies.contrasts import Budget
from aecore.studies.spreads import spreads
from aecore.studies.verdicts import Place, Score


def scores_of(name: str, psnrs: list[float], budget: Budget, deviation: float = 0.0) -> dict[Place, Score]:
    (side,) = [side for side in systems() if side.label == name]
    made = {}
    for seed, psnr in enumerate(psnrs):
        spec = verdicts.spec_of(side, side.recipes(budget)[0], seed)
        parts = np.resize([1 - deviation, 1 + deviation], PARTS) * 10 ** (-psnr / 10)
        score = Score(spec.key, spec.group, seed, (0.1,), tuple(parts), 0.9)
        made[score.place] = score
    return made


def test_the_systems_are_those_of_the_study() -> None:
    names = [side.label for side in systems()]
    assert {"dense", "conv-dense-bn", "shallow-strided", "deep-maxpool-4", "denoise-100"} <= set(names)
    assert not any(name.startswith("compress") for name in names)


def test_the_chance_is_that_of_a_new_run_as_far_away() -> None:
    printed = zoo.SYSTEMS["shallow-strided"].seed_psnr
    assert printed is not None
    psnrs = [printed + 0.5 + step for step in (-0.3, 0.1, 0.4, -0.2, 0.0, 0.2)]
    (spread,) = spreads(scores_of("shallow-strided", psnrs, "full"), "full")
    assert (spread.name, spread.seeds, spread.printed) == ("shallow-strided", 6, printed)
    assert (spread.mean, spread.deviation) == pytest.approx((np.mean(psnrs), np.std(psnrs, ddof=1)))
    # Without a spread of the pictures it is the two-sample t test of one run against six.
    assert spread.chance == pytest.approx(stats.ttest_ind([printed], psnrs).pvalue, rel=1e-6)


def test_the_draw_of_the_printed_pictures_makes_the_chance_larger() -> None:
    printed = zoo.SYSTEMS["shallow-strided"].seed_psnr or 0.0
    psnrs = [printed + 0.5 + step for step in (-0.01, 0.01, 0.02, -0.02, 0.0, 0.0)]
    chances = []
    for deviation in (0.0, 0.05, 0.2):
        (spread,) = spreads(scores_of("shallow-strided", psnrs, "full", deviation), "full")
        chances.append(spread.chance)
    assert chances == sorted(chances)
    assert chances[0] < 0.001 < 0.05 < chances[-1]


def test_the_short_budget_and_few_seeds_have_no_chance() -> None:
    psnrs = [28.0, 28.4, 28.2, 28.6, 28.1, 28.3]
    (short,) = spreads(scores_of("shallow-strided", psnrs, "short"), "short")
    (few,) = spreads(scores_of("shallow-strided", psnrs[:5], "full"), "full")
    assert (short.chance, few.chance) == (None, None)
    assert list(spreads(scores_of("shallow-strided", psnrs[:1], "full"), "full")) == []
    assert list(spreads({}, "full")) == []
