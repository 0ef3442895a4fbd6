"""Groups: runs that differ in the seed and in nothing else, and the spread of their scores."""

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from aecore.data.noise import Noise
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.groups import Group, groups
from aecore.runs.store import HISTORY, WEIGHTS, Run

SYSTEM = zoo.SYSTEMS["shallow-strided"]
OWN = RunSpec(SYSTEM.architecture, SYSTEM.recipe, SYSTEM.dataset, "1" * 64, 0, SYSTEM.name)
CUSTOM = RunSpec(Architecture.parse("conv4 | conv3:k1:sigmoid"), Recipe(epochs=2), "cifar10", "1" * 64, 0, "custom")


def run_of(spec: RunSpec, psnr: float = 30.0, light: bool = False) -> Run:
    files = {HISTORY: {"bytes": 0, "sha256": ""}} | ({} if light else {WEIGHTS: {"bytes": 0, "sha256": ""}})
    totals = Totals(100, 0.001, psnr, psnr + 0.5, 0.9)
    return Run(Path(spec.folder), spec, {}, "2030-01-01", 1.0, "float32", totals, files)


def seeds_of(spec: RunSpec, *seeds: int) -> list[Run]:
    return [run_of(replace(spec, seed=seed)) for seed in seeds]


def test_runs_that_differ_only_in_the_seed_are_one_group() -> None:
    assert len({replace(CUSTOM, seed=seed).group for seed in range(5)}) == 1
    others = [
        replace(CUSTOM, architecture=Architecture.parse("conv5 | conv3:k1:sigmoid")),
        replace(CUSTOM, recipe=replace(CUSTOM.recipe, epochs=3)),
        replace(CUSTOM, recipe=replace(CUSTOM.recipe, noise=Noise("gaussian", 0.3))),
        replace(CUSTOM, fingerprint="2" * 64),
    ]
    assert len({spec.group for spec in (CUSTOM, *others)}) == 5
    assert replace(CUSTOM, name="renamed").group == CUSTOM.group, "as with the key, a name changes no result"
    assert CUSTOM.group not in {replace(CUSTOM, seed=seed).key for seed in range(5)}


def test_groups_are_in_the_order_of_the_listing_and_their_runs_in_that_of_the_seeds() -> None:
    own, custom, other = seeds_of(OWN, 3, 0, 12), seeds_of(CUSTOM, 7, 2), seeds_of(replace(CUSTOM, fingerprint="2"), 1)
    mixed = [own[0], custom[0], own[1], other[0], own[2], custom[1]]
    ordered = groups(mixed)
    assert [group.seeds for group in ordered] == [(0, 3, 12), (2, 7), (1,)]
    assert [group.key for group in ordered] == [OWN.group, CUSTOM.group, other[0].spec.group]
    assert sorted(run.key for group in ordered for run in group.runs) == sorted(run.key for run in mixed)
    assert groups([]) == []


def test_a_group_goes_by_its_systems_own_run_or_else_the_lowest_seed() -> None:
    assert groups(seeds_of(OWN, 4, 0, 1))[0].first.spec == OWN
    assert groups(seeds_of(CUSTOM, 4, 2, 3))[0].first.spec.seed == 2
    renamed = [run_of(replace(CUSTOM, seed=1, name="second")), run_of(replace(CUSTOM, name="first"))]
    assert groups(renamed)[0].name == "first"
    # The system's own run by another name is a person's.
    [group] = groups([run_of(replace(OWN, name="mine")), run_of(replace(OWN, seed=1))])
    assert group.first.spec.seed == 0


def test_a_run_with_weights_stands_for_a_group_of_light_ones() -> None:
    light = [run_of(replace(CUSTOM, seed=seed), light=True) for seed in (0, 1)]
    assert groups(light)[0].first == light[0]
    full = run_of(replace(CUSTOM, seed=2))
    assert groups([*light, full])[0].first == full
    own = run_of(OWN, light=True)
    assert groups([own, run_of(replace(OWN, seed=1))])[0].first == own


def test_the_spread_is_the_mean_and_the_sample_standard_deviation_over_seeds() -> None:
    psnrs = [29.3, 30.4, 29.9, 30.1]
    [group] = groups([run_of(replace(CUSTOM, seed=seed), psnr) for seed, psnr in enumerate(psnrs)])
    assert group.psnr == pytest.approx(np.mean(psnrs))
    assert group.deviation == pytest.approx(np.std(psnrs, ddof=1))
    assert group.psnr_text == "29.9 ± 0.5 dB"


def test_a_single_seed_has_no_deviation() -> None:
    group = Group((run_of(CUSTOM, 28.5),))
    assert (group.psnr, group.deviation) == (28.5, None)


def test_where_a_run_makes_no_error_there_is_no_deviation() -> None:
    [group] = groups([run_of(CUSTOM, inf), run_of(replace(CUSTOM, seed=1))])
    assert (group.psnr, group.deviation) == (inf, None)


def test_a_copy_of_a_run_is_not_counted_twice() -> None:
    run = run_of(CUSTOM, 28.5)
    copy = replace(run, path=Path("copy-of-it"))
    [group] = groups([run, copy, run_of(replace(CUSTOM, seed=1), 29.5)])
    assert (group.seeds, group.runs[0], group.psnr) == ((0, 1), run, 29.0)
