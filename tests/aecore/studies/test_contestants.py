"""Contestants: what is known of a trained run before it is built."""

from dataclasses import replace
from pathlib import Path

import pytest

from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.runs.groups import groups
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies.contestants import CLASSICAL, OWN, Contestant, of_group, of_run

PUBLISHED = Store(Path(__file__).parents[3] / "checkpoints")


@pytest.fixture(scope="module")
def run() -> Run:
    return PUBLISHED.find("denoise-030")


def test_a_run_of_the_zoo_is_its_system(run: Run) -> None:
    system, contestant = zoo.SYSTEMS["denoise-030"], of_run(run)
    assert (contestant.key, contestant.family, contestant.story) == (run.key, system.family, system.story)
    assert contestant.published == "denoise-030"
    assert contestant.trained_under == Noise("gaussian", 0.3)
    assert contestant.missing == ""
    assert contestant.is_instant
    assert contestant.knowledge == "trained under gaussian:0.3 noise"
    assert of_run(PUBLISHED.find("dense")).knowledge == "trained on clean pictures"


def test_runs_of_the_zoo_are_placed_in_its_order() -> None:
    contestants = [of_run(run) for run in PUBLISHED.listing().runs]
    assert {one.published for one in contestants} == set(zoo.SYSTEMS)
    assert [one.published for one in sorted(contestants, key=lambda one: one.place)] == list(zoo.SYSTEMS)


def test_a_variant_is_ones_own_and_has_no_published_figures(run: Run) -> None:
    variant = of_run(replace(run, spec=replace(run.spec, recipe=replace(run.spec.recipe, epochs=1))))
    assert (variant.family, variant.story, variant.published) == (OWN, "", None)
    assert variant.place > len(zoo.SYSTEMS)


def test_a_run_without_weights_says_what_is_missing(run: Run) -> None:
    assert of_run(light(run)).missing == "stored without weights: only its scores and curve"


def light(run: Run) -> Run:
    return replace(run, files={name: facts for name, facts in run.files.items() if name != WEIGHTS})


def test_one_run_with_weights_stands_for_all_seeds(run: Run) -> None:
    seeds = [replace(run, spec=replace(run.spec, seed=seed)) for seed in range(3)]
    [group] = groups(seeds)
    contestant = of_group(group)
    assert (contestant.run, contestant.group) == (run, group)
    assert contestant.knowledge == f"trained under gaussian:0.3 noise; 3 seeds, test PSNR {group.psnr_text}"
    [group] = groups([light(seeds[0]), light(seeds[1]), seeds[2]])
    assert (of_group(group).run, of_group(group).missing) == (seeds[2], "")
    [group] = groups([light(seed) for seed in seeds])
    assert of_group(group).missing
    [single] = groups([run])
    assert of_group(single) == of_run(run), "a single run is no group"


def test_what_needs_no_waiting_is_instant_and_the_quick_go_first() -> None:
    quick = Contestant("jpeg-75", "JPEG", "JPEG", "image codecs", 0, "", "")
    assert quick.is_instant
    assert quick.published == "jpeg-75"
    assert quick.trained_under is None
    waiting = [replace(quick, fits=True), replace(quick, tunes=True), replace(quick, fits=True, tunes=True)]
    assert not any(one.is_instant for one in [*waiting, replace(quick, is_slow=True), replace(quick, family=CLASSICAL)])
    assert [one.effort for one in [quick, *waiting]] == [0, 1, 2, 3]
