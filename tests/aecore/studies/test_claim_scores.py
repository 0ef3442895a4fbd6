"""Scores of the claims' runs: what is published gives the same verdicts again, and what is missing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.runs.store import Store
from aecore.studies import claim_scores, verdicts
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import PSNR
from aecore.studies.verdicts import specs
from tests.pages.copies import copied

STRIDED = CLAIMS["strided"]
ROOT = Path(__file__).parents[3]


def test_what_is_published_gives_the_same_verdicts_again(tmp_path: Path) -> None:
    for name in ("shallow-strided", "shallow-maxpool"):
        for seed in range(12):
            copied(Store().find(name), tmp_path, seed=seed, light=seed > 2)
    store = Store(tmp_path)
    published = claim_scores.publish(store)
    assert len(published.scores) == 24
    assert published == claim_scores.published(tmp_path)
    assert list(published.judgements) == verdicts.judge(published.scores)
    for run in store.listing().runs:
        score = next(score for score in published.scores.values() if score.key == run.key)
        assert score.psnr == pytest.approx(run.totals.psnr_pooled, abs=1e-4)
    (judgement,) = [one for one in published.judgements if one.claim is STRIDED]
    assert judgement.contrasts[0].evidence is not None
    assert judgement.contrasts[0].evidence.mean == pytest.approx(30.07 - 28.24, abs=0.01)
    for run in store.listing().runs:
        store.remove(run)
    assert claim_scores.publish(store) == published, "published scores stay when their runs are gone"


def test_the_verdicts_in_the_repository_follow_from_the_scores_beside_them() -> None:
    published = claim_scores.published(ROOT / "checkpoints")
    assert published.scores
    assert list(published.judgements) == verdicts.judge(published.scores)
    wanted = {
        spec.group for claim in CLAIMS.values() for budget in verdicts.BUDGETS for spec in specs(claim, budget, [0])
    }
    wanted |= {
        verdicts.spec_of(side, recipe, 0).group
        for side in claim_scores.systems()
        for budget in verdicts.BUDGETS
        for recipe in side.recipes(budget)
    }
    assert {group for group, _, _ in published.scores} <= wanted


def test_claims_that_were_worded_otherwise_are_judged_again_from_their_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_scores.publish(Store(tmp_path))
    first, *others = STRIDED.contrasts
    changed = replace(STRIDED, contrasts=(replace(first, measure=replace(PSNR, smallest=0.2)), *others))
    for module in (verdicts, claim_scores):
        monkeypatch.setattr(module, "CLAIMS", CLAIMS | {"strided": changed})
    again = claim_scores.published(tmp_path)
    assert [judgement.claim for judgement in again.judgements] == [*(CLAIMS | {"strided": changed}).values()]
    before = claim_scores.path_of(tmp_path).read_bytes()
    assert claim_scores.publish(Store(tmp_path)) == again
    assert claim_scores.path_of(tmp_path).read_bytes() != before


def test_scores_of_the_version_before_learn_what_their_runs_were_trained_on(tmp_path: Path) -> None:
    run = copied(Store().find("shallow-strided"), tmp_path)
    published, path = claim_scores.publish(Store(tmp_path)), claim_scores.path_of(tmp_path)
    (score,) = published.scores.values()
    assert score.place == (run.spec.group, run.spec.seed, "x86_64 CPU")
    facts = json.loads(path.read_bytes())
    del facts["sha256"], facts["format"], facts["runs"][0]["hardware"]
    figures.write(path, facts | {"version": 3})
    (unnamed,) = claim_scores.published(tmp_path).scores.values()
    assert unnamed.hardware == ""
    assert claim_scores.publish(Store(tmp_path)) == published


def test_what_a_gpu_trained_is_named_after_it(tmp_path: Path) -> None:
    run = copied(Store().find("shallow-strided"), tmp_path)
    gpu = replace(run, environment=run.environment | {"device": "cuda:0", "accelerator": "NVIDIA H200"})
    assert claim_scores.score(gpu).hardware == "NVIDIA H200"


def test_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    claim_scores.publish(Store(tmp_path))
    file = claim_scores.path_of(tmp_path)
    file.write_bytes(before := file.read_bytes()[:-9])
    with pytest.raises(PublishedError, match=r"claims\.json is damaged: restore it, or remove it"):
        claim_scores.publish(Store(tmp_path))
    assert file.read_bytes() == before


def test_without_a_file_nothing_is_published(tmp_path: Path) -> None:
    assert claim_scores.published(tmp_path) == claim_scores.Published({}, ())
    assert [one.seeds for one in verdicts.judge({})] == [0] * len(CLAIMS)


def test_the_runs_that_are_missing_are_light_unless_they_are_read(tmp_path: Path) -> None:
    for seed in range(2):
        copied(Store().find("shallow-strided"), tmp_path, seed=seed, light=True)
    scores = claim_scores.publish(Store(tmp_path)).scores
    lacking = claim_scores.missing([STRIDED], "full", [0, 1, 2], scores)
    assert lacking[False] == []
    names = [(spec.name, spec.seed) for spec in lacking[True] if spec.recipe.redraw is None]
    assert ("shallow-strided", 2) in names
    assert not {("shallow-strided", 0), ("shallow-strided", 1)} & set(names)
    read = claim_scores.missing([CLAIMS["legible"]], "short", [0], scores)
    assert read[True] == []
    assert {spec.name for spec in read[False]} == {"custom", "dense", "dense-deep"}


def test_the_systems_of_the_study_are_asked_for_with_every_seed() -> None:
    lacking = claim_scores.missing([], "short", [0, 1], {}, with_systems=True)
    names = {spec.name for spec in [*lacking[True], *lacking[False]]}
    assert names == {side.label for side in claim_scores.systems()}
    assert claim_scores.missing([], "short", [0, 1], {})[True] == []
