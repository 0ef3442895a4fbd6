"""The scores of the claims' runs, and the verdicts that follow: published as `checkpoints/claims.json`.

    python -m aecore claims run     train what is missing, and publish the scores
    python -m aecore claims show    print the verdicts

Of every run the file has its curve and the error on each part of the test pictures, and no weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from filelock import FileLock

from aecore.files import figures
from aecore.files.figures import MissingError
from aecore.measuring.evidence import Components, Evidence, Finding
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs.store import Run, Store
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import LEGIBLE, Budget, Claim, Side
from aecore.studies.verdicts import BUDGETS, Judged, Judgement, Place, Score, Scores, judge, of_sides, spec_of, specs

PARTS = 100  # of the test pictures, whose mean errors are published in place of 10,000
EXTREMES = 4  # pictures that are named on either side of a contrast
VERSION = 4
READABLE = (3, VERSION)  # 3 did not say what a run was trained on
Pictures = tuple[tuple[int, float], ...]  # test pictures by index, with the difference of the two sides in dB


@dataclass(frozen=True)
class Published:
    """The scores that are published, by group and seed, and the judgements that follow from them.

    `pictures` are those on which the sides of a contrast differ most on average over the seeds, by the names of claim
    and contrast: first those that speak most for its first side, then those that speak most for the other.
    """

    scores: Scores
    judgements: tuple[Judgement, ...]
    pictures: Mapping[tuple[str, str], Pictures] = field(default_factory=dict)


def path_of(root: Path) -> Path:
    """The file of the published scores."""
    return root / "claims.json"


def systems() -> list[Side]:
    """The study's own systems, as sides that are trained for their spread over seeds."""
    return [
        Side(name, system.architecture, system.recipe, system.dataset)
        for name, system in zoo.SYSTEMS.items()
        if system.seed_words or system.seed_psnr is not None
    ]


def missing(
    claims: Sequence[Claim], budget: Budget, seeds: Sequence[int], scores: Scores, *, with_systems: bool = False
) -> dict[bool, list[RunSpec]]:
    """The runs that the claims lack, seed by seed: under True those that may be stored without weights."""
    wanted = [spec for seed in seeds for claim in claims for spec in specs(claim, budget, [seed])]
    if with_systems:
        wanted += [
            spec_of(side, recipe, seed) for seed in seeds for side in systems() for recipe in side.recipes(budget)
        ]
    to_read, lacking = _groups_to_read(), dict[bool, list[RunSpec]]({True: [], False: []})
    known = {(score.group, score.seed) for score in scores.values()}
    legible = {(score.group, score.seed) for score in scores.values() if score.legible is not None}
    for spec in {spec.key: spec for spec in wanted}.values():
        read = spec.group in to_read
        if (spec.group, spec.seed) not in (legible if read else known):
            lacking[not read].append(spec)
    return lacking


def score(run: Run, *, read: bool = False) -> Score:
    """The score of a finished run, with `read` how many of its reconstructions the classifier reads.

    Raises `StoreError` if its files are damaged, and what `datasets.load` and `legibility.accuracy` raise.
    """
    table = run.scores().sort_values("picture")
    parts = tuple(float(f"{part.mean():.6g}") for part in np.split(table["mse"].to_numpy(), PARTS))
    curve = tuple(float(f"{error:.6g}") for error in run.history()["validation_mse"])
    ssim = round(float(table["ssim"].mean()), 6)
    legible = _legible(run) if read else None
    group, seed, hardware = _place(run)
    return Score(run.key, group, seed, curve, parts, ssim, legible, hardware)


def _place(run: Run) -> Place:
    device = str(run.environment["device"]).partition(":")[0]
    hardware = str(run.environment["accelerator"]) + ("" if device == "cuda" else f" {device.upper()}")
    return run.spec.group, run.spec.seed, hardware


def _legible(run: Run) -> float:
    from aecore.data import datasets  # they bring torch, which published verdicts do not need
    from aecore.measuring import legibility

    return 100 * legibility.accuracy(run.model(), datasets.load(run.spec.dataset).test)


# ---- published scores


def published(root: Path) -> Published:
    """What is published; nothing where there is no file.

    If a claim was worded otherwise when the file was written, all are judged again from its scores. Raises
    `PublishedError` for a file that is damaged or of another version.
    """
    again = "`python -m aecore claims run` judges the claims again."
    try:
        return figures.read(path_of(root), "cifar10", _build, again)
    except MissingError:
        return Published({}, ())


def _build(facts: dict[str, Any]) -> Published:
    scores, same = _scores(facts), facts["claims"] == {claim.name: claim.key for claim in CLAIMS.values()}
    judgements = [_judgement(**row) for row in facts["judgements"]] if same else judge(scores)
    return Published(scores, tuple(judgements), _pictures(facts))


def _scores(facts: dict[str, Any]) -> dict[Place, Score]:
    if facts["version"] not in READABLE:
        raise ValueError
    scores = [Score(**{name: _tuple(value) for name, value in row.items()}) for row in facts["runs"]]
    return {score.place: score for score in scores}


def _of_classifier(scores: dict[Place, Score], key: str) -> tuple[dict[Place, Score], str]:
    """The scores without what another classifier than the present one read, and the key of the present one."""
    from aecore.measuring.classifiers import DESIGNS  # brings torch

    present = DESIGNS["cifar10"].key
    if key != present:
        scores = {place: replace(score, legible=None) for place, score in scores.items()}
    return scores, present


def _pictures(facts: dict[str, Any]) -> dict[tuple[str, str], Pictures]:
    known = {(claim.name, contrast.name) for claim in CLAIMS.values() for contrast in claim.contrasts}
    return {
        (claim, contrast): tuple((index, difference) for index, difference in rows)
        for claim, contrast, rows in facts["pictures"]
        if (claim, contrast) in known
    }


def _judgement(name: str, contrasts: list[dict[str, Any]]) -> Judgement:
    claim = CLAIMS[name]
    return Judgement(
        claim,
        tuple(
            Judged(
                contrast,
                row["budget"],
                {int(seed): difference for seed, difference in row["differences"].items()},
                _evidence(row["evidence"]) if row["evidence"] else None,
                Components(**row["components"]) if row["components"] else None,
                row["adjusted_p"],
                Finding(**row["finding"]),
            )
            for contrast, row in zip(claim.contrasts, contrasts, strict=True)
        ),
    )


def _evidence(row: dict[str, Any]) -> Evidence:
    return Evidence(**{name: _tuple(value) for name, value in row.items()})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def publish(store: Store) -> Published:
    """Add the scores of the claims' runs in the store to the published ones, judge all claims again, and return both.

    Raises `PublishedError` if the file is damaged or cannot be written, and `StoreError` if a run is damaged.
    """
    path = path_of(store.root)
    figures.check(path)
    with FileLock(path.with_suffix(".lock")):  # two that publish at once would lose each other's scores
        scores, pictures, classifier = dict[Place, Score](), dict[tuple[str, str], Pictures](), ""
        again = (
            "restore it, or remove it: `python -m aecore claims run` then makes it again from the runs in the store."
        )
        with suppress(MissingError):
            scores, pictures, classifier = figures.read(
                path, "cifar10", lambda facts: (_scores(facts), _pictures(facts), facts["classifier"]), again
            )
        scores, classifier = _of_classifier(scores, classifier)
        runs = _runs(store)
        to_read = _groups_to_read()
        new = dict[Place, Score]()
        for place, run in runs.items():
            read = place[0] in to_read and not run.is_light
            if unnamed := scores.pop((*place[:2], ""), None):  # as version 3 wrote it
                scores[place] = replace(unnamed, hardware=place[2])
            if place not in scores or (read and scores[place].legible is None):
                new[place] = score(run, read=read)
        scores |= new
        judgements = judge(scores)
        pictures |= _most_different(judgements, scores, runs, set(new))
        figures.write(
            path,
            {
                "version": VERSION,
                "dataset": "cifar10",
                "classifier": classifier,
                "claims": {claim.name: claim.key for claim in CLAIMS.values()},
                "judgements": [_facts(judgement) for judgement in judgements],
                "pictures": [[*names, [list(row) for row in rows]] for names, rows in sorted(pictures.items())],
                "runs": [asdict(scores[place]) for place in sorted(scores)],
            },
        )
    return published(store.root)


def _groups_to_read() -> set[str]:
    """The groups of runs whose reconstructions the classifier reads."""
    return {
        spec_of(side, recipe, 0).group
        for claim in CLAIMS.values()
        for contrast in claim.contrasts
        if contrast.measure is LEGIBLE
        for side in contrast.sides
        for budget in BUDGETS
        for recipe in side.recipes(budget)
    }


def _runs(store: Store) -> dict[Place, Run]:
    """The runs in the store that a claim or the spread of a system needs."""
    wanted = {spec.group for claim in CLAIMS.values() for budget in BUDGETS for spec in specs(claim, budget, [0])}
    wanted |= {
        spec_of(side, recipe, 0).group for budget in BUDGETS for side in systems() for recipe in side.recipes(budget)
    }
    return {_place(run): run for run in store.listing().runs if run.spec.group in wanted}


def _most_different(
    judgements: list[Judgement], scores: Scores, runs: Mapping[Place, Run], new: set[Place]
) -> dict[tuple[str, str], Pictures]:
    """The pictures on which the sides of each contrast with `new` scores differ most.

    A contrast is left out unless all its runs are in the store.
    """
    tables, most = dict[Place, np.ndarray](), dict[tuple[str, str], Pictures]()

    def psnrs(score: Score) -> np.ndarray:
        if score.place not in tables:
            tables[score.place] = runs[score.place].scores().sort_values("picture")["psnr"].to_numpy()
        return tables[score.place]

    for judgement in judgements:
        for judged in judgement.contrasts:
            by_seed = of_sides(scores, judged.contrast, judged.budget)
            pairs = [by_seed[seed] for seed in judged.differences]
            places = {score.place for pair in pairs for score in pair}
            if not places & new or not places <= runs.keys():
                continue
            apart = np.mean([psnrs(one) - psnrs(other) for one, other in pairs], axis=0)
            order = apart.argsort()
            chosen = [*order[: -EXTREMES - 1 : -1], *order[:EXTREMES]]
            names = judgement.claim.name, judged.contrast.name
            most[names] = tuple((int(index), round(float(apart[index]), 2)) for index in chosen)
    return most


def _facts(judgement: Judgement) -> dict[str, Any]:
    return {
        "name": judgement.claim.name,
        "contrasts": [
            {
                "budget": judged.budget,
                "differences": {str(seed): difference for seed, difference in judged.differences.items()},
                "evidence": judged.evidence and asdict(judged.evidence),
                "components": judged.components and asdict(judged.components),
                "adjusted_p": judged.adjusted_p,
                "finding": asdict(judged.finding),
            }
            for judged in judgement.contrasts
        ],
    }


def mean_curve(scores: Mapping[int, Score]) -> list[tuple[float, float, float]]:
    """The mean over seeds of the validation MSE after each epoch, the lowest and the highest."""
    curves = zip(*(score.curve for score in scores.values()), strict=True)
    return [(fmean(errors), min(errors), max(errors)) for errors in curves]
