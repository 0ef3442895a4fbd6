"""Verdicts: from the scores of runs, by seed; what is published gives the same ones again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from aecore.data import datasets
from aecore.files.figures import PublishedError
from aecore.measuring import evidence
from aecore.runs.store import Store
from aecore.studies import verdicts
from aecore.studies.claims import CLAIMS, Claim, Side
from aecore.studies.verdicts import PARTS, Score, Scores, judge, specs
from tests.pages.copies import copied

STRIDED, LOSS = CLAIMS["strided"], CLAIMS["mse"]
ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(0)
SHAPE = RNG.lognormal(sigma=0.3, size=PARTS)  # how hard each part of the pictures is


def scored(side: Side, psnr: Callable[[int], float], seeds: int, validation: float = 0.0, rate: int = 0) -> Scores:
    """Made-up scores of a side: `psnr` of each seed, in dB."""
    made = {}
    for seed in range(seeds):
        spec = verdicts._spec(side, side.recipes("full")[rate], seed)
        parts = SHAPE / SHAPE.mean() * 10 ** (-psnr(seed) / 10)
        made[spec.group, seed] = Score(spec.key, spec.group, seed, validation, tuple(parts))
    return made


def scores_of(claim: Claim, gains: list[Callable[[int], float]], seeds: int) -> Scores:
    """Made-up scores of each contrast of a claim, whose better side is ahead by `gains` of each seed, in dB."""
    scores: dict[tuple[str, int], Score] = {}
    for contrast, gain in zip(claim.contrasts, gains, strict=True):
        scores |= scored(contrast.worse, lambda seed: 25 + seed / 10, seeds)
        scores |= scored(contrast.better, lambda seed, gain=gain: 25 + seed / 10 + gain(seed), seeds)
    return scores


def one_contrast(claim: Claim, place: int = 0) -> Claim:
    return replace(claim, contrasts=claim.contrasts[place : place + 1])


def test_a_difference_is_judged_over_seeds() -> None:
    gains = [1.2, 0.9, 1.1, 1.4, 0.8, 1.0, 1.3]
    claim = one_contrast(STRIDED)
    (judgement,) = judge(scores_of(claim, [gains.__getitem__], 7), "full", [claim])
    (judged,) = judgement.contrasts
    assert list(judged.differences) == list(range(7))
    np.testing.assert_allclose(list(judged.differences.values()), gains)
    assert judged.evidence is not None
    assert judged.evidence.interval == pytest.approx(stats.ttest_1samp(gains, 0).confidence_interval())
    assert judged.adjusted_p == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
    assert (judgement.seeds, judgement.finding.verdict) == (7, "supported")


@pytest.mark.parametrize(
    ("gain", "seeds", "verdict"),
    [
        (1.0, 6, "supported"),
        (-1.0, 6, "refuted"),
        (0.0, 8, "too small to matter"),
        (1.0, 5, "undecided"),
        (1.0, 1, "undecided"),
    ],
)
def test_the_verdict_follows_the_differences(gain: float, seeds: int, verdict: str) -> None:
    claim = one_contrast(STRIDED)
    scores = scores_of(claim, [lambda seed: gain + 0.02 * (-1) ** seed], seeds)
    (judgement,) = judge(scores, "full", [claim])
    assert judgement.finding.verdict == verdict


def test_without_a_seed_in_common_nothing_is_decided() -> None:
    contrast = STRIDED.contrasts[0]
    scores = {**scored(contrast.better, lambda seed: 30, 3)}
    (judgement,) = judge(scores, "full", [one_contrast(STRIDED)])
    assert (judgement.seeds, judgement.contrasts[0].evidence) == (0, None)
    assert judgement.finding.verdict == "undecided"


def test_where_a_confound_turns_the_difference_the_verdict_depends_on_it() -> None:
    def spread(gain: float) -> Callable[[int], float]:
        return lambda seed: gain + 0.02 * (-1) ** seed

    # The second contrast has the better side of the first: its gain follows from the worse side.
    claim = replace(STRIDED, contrasts=(STRIDED.contrasts[0], STRIDED.contrasts[2]))
    (judgement,) = judge(scores_of(claim, [spread(1.0), spread(-1.0)], 6), "full", [claim])
    assert judgement.finding.verdict == "depends"
    assert judgement.finding.reason.endswith("The other setting: deep.")
    assert judgement.contrasts[1].finding.verdict == "refuted"
    (judgement,) = judge(scores_of(claim, [spread(1.0), spread(1.5)], 6), "full", [claim])
    assert judgement.finding.verdict == "supported"


def test_the_family_is_all_contrasts_of_all_claims() -> None:
    scores = scores_of(one_contrast(STRIDED), [lambda seed: 0.5 + 0.2 * (-1) ** seed], 6)
    alone, together = judge(scores, "full", [one_contrast(STRIDED)]), judge(scores, "full", list(CLAIMS.values()))
    (own,) = [one for one in together if one.claim is STRIDED]
    count = sum(len(claim.contrasts) for claim in CLAIMS.values())
    assert own.contrasts[0].adjusted_p == pytest.approx(min(1, count * alone[0].contrasts[0].adjusted_p))


def test_each_side_takes_the_learning_rate_that_is_best_on_validation_pictures() -> None:
    claim = one_contrast(LOSS, 1)
    contrast = claim.contrasts[0]
    scores: dict[tuple[str, int], Score] = {}
    for rate, (validation, better, worse) in enumerate([(3.0, 99, 99), (1.0, 31, 28), (2.0, 5, 5)]):
        scores |= scored(contrast.better, lambda seed, psnr=better: psnr, 6, validation, rate)
        scores |= scored(contrast.worse, lambda seed, psnr=worse: psnr, 6, validation, rate)
    (judgement,) = judge(scores, "full", [claim])
    assert list(judgement.contrasts[0].differences.values()) == pytest.approx([3.0] * 6)


def test_the_spread_has_a_part_of_the_seeds_and_one_of_the_pictures() -> None:
    contrast, seeds = STRIDED.contrasts[0], 8
    shifts, waves = RNG.normal(0, 0.5, seeds), RNG.normal(0, 0.1, PARTS)
    scores: dict[tuple[str, int], Score] = {}
    for side, sign in zip(contrast.sides, (1, 0), strict=True):
        for place, score in scored(side, lambda seed, sign=sign: 25 + sign * shifts[seed], seeds).items():
            parts = np.asarray(score.parts) * (1 + sign * (waves - waves.mean()))
            scores[place] = replace(score, parts=tuple(parts))
    (judgement,) = judge(scores, "full", [one_contrast(STRIDED)])
    components = judgement.contrasts[0].components
    assert components is not None
    assert components.seed_deviation == pytest.approx(shifts.std(ddof=1), rel=0.05)
    assert components.picture_error > 0


def test_the_runs_of_a_claim_are_asked_for_once_each() -> None:
    wanted = specs(STRIDED, "short", range(3))
    assert {spec.seed for spec in wanted} == {0, 1, 2}
    assert {spec.recipe.images for spec in wanted} == {10_000}
    assert len(wanted) == len({spec.key for spec in wanted}) == 3 * 5
    assert {spec.fingerprint for spec in wanted} == {datasets.load("cifar10").fingerprint}
    full = specs(LOSS, "full", [0])
    assert sorted((spec.recipe.loss, spec.recipe.learning_rate) for spec in full) == [
        (loss, rate) for loss in ("bce", "mae", "mse") for rate in (3e-4, 1e-3, 3e-3)
    ]


def test_what_is_published_gives_the_same_verdicts_again(tmp_path: Path) -> None:
    for name in ("shallow-strided", "shallow-maxpool"):
        for seed in range(12):
            copied(Store().find(name), tmp_path, seed=seed, light=seed > 2)
    store = Store(tmp_path)
    published = verdicts.publish(store)
    assert len(published.scores) == 24
    assert published == verdicts.published(tmp_path)
    assert list(published.judgements) == verdicts.best(published.scores)
    for run in store.listing().runs:
        score = published.scores[run.spec.group, run.spec.seed]
        assert score.psnr == pytest.approx(run.totals.psnr_pooled, abs=1e-4)
    (judgement,) = [one for one in published.judgements if one.claim is STRIDED]
    assert judgement.contrasts[0].evidence is not None
    assert judgement.contrasts[0].evidence.mean == pytest.approx(30.07 - 28.24, abs=0.01)
    for run in store.listing().runs:
        store.remove(run)
    assert verdicts.publish(store) == published, "published scores stay when their runs are gone"


def test_the_verdicts_in_the_repository_follow_from_the_scores_beside_them() -> None:
    published = verdicts.published(ROOT / "checkpoints")
    assert published.scores
    assert list(published.judgements) == verdicts.best(published.scores)
    wanted = {
        spec.group for claim in CLAIMS.values() for budget in verdicts.BUDGETS for spec in specs(claim, budget, [0])
    }
    assert {group for group, _ in published.scores} <= wanted


def test_verdicts_on_claims_of_other_words_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts.publish(Store(tmp_path))
    changed = replace(STRIDED, smallest=0.2)
    monkeypatch.setattr(verdicts, "CLAIMS", CLAIMS | {"strided": changed})
    with pytest.raises(PublishedError, match=r"claims\.json was written by another version .* claims run"):
        verdicts.published(tmp_path)
    assert verdicts.publish(Store(tmp_path)) == verdicts.published(tmp_path), "the scores do not depend on the words"


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    verdicts.publish(Store(tmp_path))
    file = verdicts.path_of(tmp_path)
    file.write_bytes(before := file.read_bytes()[:-9])
    with pytest.raises(PublishedError, match=r"claims\.json is damaged: restore it, or remove it"):
        verdicts.publish(Store(tmp_path))
    assert file.read_bytes() == before


def test_without_a_file_nothing_is_published(tmp_path: Path) -> None:
    assert verdicts.published(tmp_path) == verdicts.Published({}, ())
    assert [one.seeds for one in verdicts.best({})] == [0] * len(CLAIMS)


def test_the_short_budget_fills_in_where_the_full_one_has_too_few_seeds() -> None:
    claim, fewest = one_contrast(STRIDED), evidence.FEWEST_SEEDS
    sides = claim.contrasts[0].sides
    short: dict[tuple[str, int], Score] = {}
    for side in sides:
        for seed in range(fewest):
            spec = verdicts._spec(side, side.recipes("short")[0], seed)
            short[spec.group, seed] = Score(spec.key, spec.group, seed, 0.0, (0.01,) * PARTS)
    full = {place: score for side in sides for place, score in scored(side, lambda seed: 30, fewest).items()}
    assert judge(short, "short", [claim])[0].seeds == judge(full, "full", [claim])[0].seeds == fewest
    assert judge(short, "full", [claim])[0].seeds == 0
