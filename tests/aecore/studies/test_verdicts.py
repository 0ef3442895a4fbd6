"""Verdicts: from the scores of runs, by seed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aecore.data import datasets
from aecore.measuring import evidence
from aecore.studies import verdict_words, verdicts
from aecore.studies.claim_scores import PARTS
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import LEGIBLE, PLANNED, SSIM, Claim, Side
from aecore.studies.verdicts import Place, Score, Scores, judge, specs

STRIDED, LOSS = CLAIMS["strided"], CLAIMS["mse"]
RNG = np.random.default_rng(0)
SHAPE = RNG.lognormal(sigma=0.3, size=PARTS)  # how hard each part of the pictures is


def scored(
    side: Side,
    psnr: Callable[[int], float],
    seeds: int,
    validation: float = 0.0,
    rate: int = 0,
    hardware: str = "x86_64 CPU",
) -> Scores:
    """Made-up scores of a side: `psnr` of each seed, in dB."""
    made = {}
    for seed in range(seeds):
        spec = verdicts.spec_of(side, side.recipes("full")[rate], seed)
        parts = SHAPE / SHAPE.mean() * 10 ** (-psnr(seed) / 10)
        score = Score(spec.key, spec.group, seed, (validation,), tuple(parts), 0.9, hardware=hardware)
        made[score.place] = score
    return made


def scores_of(claim: Claim, gains: list[Callable[[int], float]], seeds: int) -> Scores:
    """Made-up scores of each contrast of a claim, whose better side is ahead by `gains` of each seed, in dB."""
    scores: dict[Place, Score] = {}
    for contrast, gain in zip(claim.contrasts, gains, strict=True):
        scores |= scored(contrast.second, lambda seed: 25 + seed / 10, seeds)
        scores |= scored(contrast.first, lambda seed, gain=gain: 25 + seed / 10 + gain(seed), seeds)
    return scores


def one_contrast(claim: Claim, place: int = 0) -> Claim:
    return replace(claim, contrasts=claim.contrasts[place : place + 1])


def test_a_difference_is_judged_over_seeds() -> None:
    gains = [1.2, 0.9, 1.1, 1.4, 0.8, 1.0, 1.3]
    claim = one_contrast(STRIDED)
    (judgement,) = judge(scores_of(claim, [gains.__getitem__], PLANNED), [claim])
    (judged,) = judgement.contrasts
    gains = gains[:PLANNED]
    assert list(judged.differences) == list(range(PLANNED))
    np.testing.assert_allclose(list(judged.differences.values()), gains)
    assert judged.evidence is not None
    assert judged.evidence.interval == pytest.approx(stats.ttest_1samp(gains, 0).confidence_interval())
    assert judged.adjusted_p == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    assert (judgement.seeds, judgement.finding.verdict) == (PLANNED, "supported")


@pytest.mark.parametrize(
    ("gain", "seeds", "verdict"),
    [
        (1.0, 6, "supported"),
        (-1.0, 6, "refuted"),
        (0.0, 6, "too small to matter"),
        (0.0, 10, "too small to matter"),
        (1.0, 10, "supported"),
        (1.0, 5, "undecided"),
        (1.0, 1, "undecided"),
    ],
)
def test_the_verdict_follows_the_differences(gain: float, seeds: int, verdict: str) -> None:
    claim = one_contrast(STRIDED)
    scores = scores_of(claim, [lambda seed: gain + 0.02 * (-1) ** seed], seeds)
    (judgement,) = judge(scores, [claim])
    assert judgement.finding.verdict == verdict


def test_without_a_seed_in_common_nothing_is_decided() -> None:
    contrast = STRIDED.contrasts[0]
    scores = {**scored(contrast.first, lambda seed: 30, 3)}
    (judgement,) = judge(scores, [one_contrast(STRIDED)])
    assert (judgement.seeds, judgement.contrasts[0].evidence) == (0, None)
    assert judgement.finding.verdict == "undecided"


def test_where_a_confound_turns_the_difference_the_verdict_depends_on_it() -> None:
    def spread(gain: float) -> Callable[[int], float]:
        return lambda seed: gain + 0.02 * (-1) ** seed

    # The second contrast has the better side of the first: its gain follows from the worse side.
    claim = replace(STRIDED, contrasts=(STRIDED.contrasts[0], STRIDED.contrasts[2]))
    (judgement,) = judge(scores_of(claim, [spread(1.0), spread(-1.0)], 6), [claim])
    assert judgement.finding.verdict == "depends"
    assert judgement.finding.reason.endswith("The other setting: deep.")
    assert judgement.contrasts[1].finding.verdict == "refuted"
    (judgement,) = judge(scores_of(claim, [spread(1.0), spread(1.5)], 6), [claim])
    assert judgement.finding.verdict == "supported"


def test_the_family_is_all_contrasts_of_all_claims() -> None:
    scores = scores_of(one_contrast(STRIDED), [lambda seed: 0.5 + 0.2 * (-1) ** seed], 6)
    alone, together = judge(scores, [one_contrast(STRIDED)]), judge(scores)
    (own,) = [one for one in together if one.claim is STRIDED]
    count = sum(len(claim.contrasts) for claim in CLAIMS.values())
    assert own.contrasts[0].adjusted_p == pytest.approx(min(1, count * alone[0].contrasts[0].adjusted_p))


def test_each_side_takes_the_learning_rate_that_is_best_on_validation_pictures() -> None:
    claim = one_contrast(LOSS, 1)
    contrast = claim.contrasts[0]
    scores: dict[Place, Score] = {}
    for rate, (validation, better, worse) in enumerate([(3.0, 99, 99), (1.0, 31, 28), (2.0, 5, 5)]):
        scores |= scored(contrast.first, lambda seed, psnr=better: psnr, 6, validation, rate)
        scores |= scored(contrast.second, lambda seed, psnr=worse: psnr, 6, validation, rate)
    (judgement,) = judge(scores, [claim])
    assert list(judgement.contrasts[0].differences.values()) == pytest.approx([3.0] * 6)
    assert [verdicts.chosen_rate(scores, side, "full") for side in contrast.sides] == [1e-3, 1e-3]
    assert verdicts.chosen_rate({}, contrast.first, "full") is None
    assert verdicts.chosen_rate(scores, LOSS.contrasts[0].first, "full") is None, "it has no choice"
    said = verdict_words.rates(scores, judgement.own)
    assert said == "learning rate 0.001 for shallow-strided and 0.001 for shallow-strided, loss bce"


def test_the_spread_has_a_part_of_the_seeds_and_one_of_the_pictures() -> None:
    contrast, seeds = STRIDED.contrasts[0], 8
    shifts, waves = RNG.normal(0, 0.5, seeds), RNG.normal(0, 0.1, PARTS)
    scores: dict[Place, Score] = {}
    for side, sign in zip(contrast.sides, (1, 0), strict=True):
        for place, score in scored(side, lambda seed, sign=sign: 25 + sign * shifts[seed], seeds).items():
            parts = np.asarray(score.parts) * (1 + sign * (waves - waves.mean()))
            scores[place] = replace(score, parts=tuple(parts))
    (judgement,) = judge(scores, [one_contrast(STRIDED)])
    components = judgement.contrasts[0].components
    assert components is not None
    assert components.seed_deviation == pytest.approx(shifts.std(ddof=1), rel=0.05)
    assert components.picture_error > 0


def test_the_runs_of_a_claim_are_asked_for_once_each() -> None:
    wanted = specs(STRIDED, "short", range(3))
    assert {spec.seed for spec in wanted} == {0, 1, 2}
    assert {spec.recipe.images for spec in wanted} == {10_000}
    assert len(wanted) == len({spec.key for spec in wanted}) == 3 * 7
    assert {spec.fingerprint for spec in wanted} == {datasets.load("cifar10").fingerprint}
    full = specs(LOSS, "full", [0])
    assert sorted((spec.recipe.loss, spec.recipe.learning_rate) for spec in full) == [
        (loss, rate) for loss in ("bce", "mae", "mse") for rate in (3e-4, 1e-3, 3e-3)
    ]


def test_the_short_budget_fills_in_where_the_full_one_has_too_few_seeds() -> None:
    claim, fewest = one_contrast(STRIDED), evidence.FEWEST_SEEDS
    scores: dict[Place, Score] = {}
    for side in claim.contrasts[0].sides:
        for seed in range(fewest):
            spec = verdicts.spec_of(side, side.recipes("short")[0], seed)
            score = Score(spec.key, spec.group, seed, (0.0,), (0.01,) * PARTS, 0.9)
            scores[score.place] = score
    for seeds, budget in ((0, "short"), (fewest - 1, "short"), (fewest, "full")):
        for side in claim.contrasts[0].sides:
            scores |= scored(side, lambda seed: 30, seeds)
        (judgement,) = judge(scores, [claim])
        assert (judgement.budget, judgement.seeds) == (budget, fewest)
    assert judge(scores, [claim], ["short"])[0].budget == "short"


def test_added_seeds_are_judged_by_the_confidence_sequence() -> None:
    claim, gains = one_contrast(STRIDED), [0.3, 0.9, 0.4, 1.1, 0.2, 0.8, 0.3, 0.7]
    (planned,) = judge(scores_of(claim, [gains.__getitem__], PLANNED), [claim])
    (added,) = judge(scores_of(claim, [gains.__getitem__], 8), [claim])
    assert planned.own.evidence is not None
    assert added.own.evidence is not None
    assert planned.own.evidence.bounds == planned.own.evidence.interval
    assert added.own.evidence.bounds == added.own.evidence.sequence
    first = stats.ttest_1samp(gains[:PLANNED], 0).pvalue
    assert added.own.adjusted_p == pytest.approx(2 * min(first, 1 / added.own.evidence.e_value))


def test_sides_are_compared_where_both_were_trained_on_the_same_hardware() -> None:
    claim = one_contrast(STRIDED)
    first, second = claim.contrasts[0].sides
    scores = {
        **scored(first, lambda seed: 31, 4, hardware="a GPU"),
        **scored(first, lambda seed: 30, 3),
        **scored(second, lambda seed: 28, 4),
    }
    (judgement,) = judge(scores, [claim])
    assert judgement.own.differences == pytest.approx({0: 2, 1: 2, 2: 2}), "seed 3 has no pair"
    assert verdict_words.hardware(scores, judgement.own) == "x86_64 CPU"
    scores |= scored(second, lambda seed: 28.5, 4, hardware="a GPU")
    (judgement,) = judge(scores, [claim])
    assert judgement.own.differences == pytest.approx(dict.fromkeys(range(4), 2.5)), "most seeds have a pair there"
    assert verdict_words.hardware(scores, judgement.own) == "a GPU"
    scores |= scored(first, lambda seed: 30, 6) | scored(second, lambda seed: 28, 6)
    (judgement,) = judge(scores, [claim])
    assert list(judgement.own.differences.values()) == pytest.approx([2] * 6)


def test_a_seed_that_agrees_does_not_undo_a_verdict() -> None:
    gains = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.0]
    for seeds in (PLANNED, PLANNED + 1):
        (judgement, *_) = [
            one for one in judge(scores_of(one_contrast(STRIDED), [gains.__getitem__], seeds)) if one.claim is STRIDED
        ]
        assert judgement.finding.verdict == "supported"


def test_another_measure_is_judged_in_its_own_unit() -> None:
    (place,) = [place for place, one in enumerate(LOSS.contrasts) if one.measure is SSIM and "bce" in one.differ]
    claim = one_contrast(LOSS, place)
    contrast, scores = claim.contrasts[0], dict[Place, Score]()
    for side, ssim in zip(contrast.sides, (0.93, 0.90), strict=True):
        for rate in range(3):
            for where, made in scored(side, lambda seed: 30, PLANNED, rate, rate).items():
                scores[where] = replace(made, ssim=ssim + 0.001 * (where[1] % 2) * (ssim > 0.92))
    (judgement,) = judge(scores, [claim])
    assert judgement.own.evidence is not None
    assert judgement.own.evidence.mean == pytest.approx(0.0305)
    assert (judgement.own.components, judgement.finding.verdict) == (None, "supported")


def test_a_run_that_nobody_read_says_nothing_on_legibility() -> None:
    claim = one_contrast(CLAIMS["legible"])
    assert claim.contrasts[0].measure is LEGIBLE
    scores = scores_of(claim, [lambda seed: 1.0], PLANNED)
    assert judge(scores, [claim])[0].seeds == 0
    read = {where: replace(made, legible=80.0 + 5 * (made.psnr > 26)) for where, made in scores.items()}
    assert judge(read, [claim])[0].seeds == PLANNED
