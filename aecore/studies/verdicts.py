"""The verdict on every claim about the study, from the scores of its runs.

    python -m aecore claims run     train what is missing, and publish the scores
    python -m aecore claims show    print the verdicts

Published as `checkpoints/claims.json`: of every run the error on each part of the test pictures, and no weights. The
verdicts follow from these and from `claims.CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import log
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from aecore.files import figures
from aecore.files.figures import MissingError
from aecore.measuring import evidence
from aecore.measuring.evidence import Components, Evidence, Finding, Settings, Verdict
from aecore.measuring.totals import decibels
from aecore.models import zoo
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.store import Run, Store
from aecore.studies.claims import CLAIMS, Budget, Claim, Contrast, Side

PARTS = 100  # of the test pictures, whose mean errors are published in place of 10,000
VERSION = 1
BUDGETS: tuple[Budget, ...] = ("full", "short")  # the better one first


@dataclass(frozen=True)
class Score:
    """The errors of one run: MSE on the validation pictures after the last epoch, and on each part of the test set."""

    key: str
    group: str
    seed: int
    validation: float
    parts: tuple[float, ...]

    @property
    def psnr(self) -> float:
        """Pooled PSNR on the test pictures, in dB."""
        return decibels(fmean(self.parts))


_UNTRAINED = Finding("undecided", "No seed is trained yet.")
Scores = Mapping[tuple[str, int], Score]  # by group (all of a spec but the seed) and seed


@dataclass(frozen=True)
class Judged:
    """A contrast with the difference of pooled PSNR of its sides, in dB, for each seed that both were trained with."""

    contrast: Contrast
    differences: Mapping[int, float]
    evidence: Evidence | None = None  # None without a seed
    components: Components | None = None  # None for fewer than two seeds
    adjusted_p: float = 1.0
    finding: Finding = _UNTRAINED


@dataclass(frozen=True)
class Judgement:
    """A claim under a budget: the claim's own contrast first, whose finding is the verdict on the claim."""

    claim: Claim
    budget: Budget
    contrasts: tuple[Judged, ...]

    @property
    def seeds(self) -> int:
        """How many seeds every contrast has."""
        return min(len(judged.differences) for judged in self.contrasts)

    @property
    def finding(self) -> Finding:
        """The verdict."""
        return self.contrasts[0].finding


def specs(claim: Claim, budget: Budget, seeds: Iterable[int]) -> list[RunSpec]:
    """The runs that a claim needs, seed by seed, each once."""
    sides = [side for contrast in claim.contrasts for side in contrast.sides]
    found = [_spec(side, recipe, seed) for seed in seeds for side in sides for recipe in side.recipes(budget)]
    return list({spec.key: spec for spec in found}.values())


def _spec(side: Side, recipe: Recipe, seed: int) -> RunSpec:
    from aecore.data import datasets  # brings torch, which published verdicts do not need

    name = zoo.from_text(str(side.architecture)).name
    fingerprint = datasets.load(side.dataset).fingerprint
    return RunSpec(side.architecture, recipe, side.dataset, fingerprint, seed, name)


def score(run: Run) -> Score:
    """The score of a finished run; raises `StoreError` if its tables are damaged."""
    errors = run.scores().sort_values("picture")["mse"].to_numpy()
    parts = tuple(float(f"{part.mean():.6g}") for part in np.split(errors, PARTS))
    return Score(run.key, run.spec.group, run.spec.seed, float(run.history()["validation_mse"].iloc[-1]), parts)


# ---- published scores


def path_of(root: Path) -> Path:
    """The file of the published scores."""
    return root / "claims.json"


@dataclass(frozen=True)
class Published:
    """The scores that are published, by group and seed, and the judgements that follow from them."""

    scores: Scores
    judgements: tuple[Judgement, ...]


def published(root: Path) -> Published:
    """What is published; nothing where there is no file.

    Raises `PublishedError` for a file that is damaged, or whose judgements are of claims that were worded otherwise.
    """
    again = "`python -m aecore claims run` judges the claims again."
    try:
        return figures.read(path_of(root), "cifar10", _build, again)
    except MissingError:
        return Published({}, ())


def _build(facts: dict[str, Any]) -> Published:
    if facts["claims"] != {claim.name: claim.key for claim in CLAIMS.values()}:
        raise ValueError
    return Published(_scores(facts), tuple(_judgement(**row) for row in facts["judgements"]))


def _scores(facts: dict[str, Any]) -> dict[tuple[str, int], Score]:
    if facts["version"] != VERSION:
        raise ValueError
    scores = [Score(**(row | {"parts": tuple(row["parts"])})) for row in facts["runs"]]
    return {(score.group, score.seed): score for score in scores}


def _judgement(name: str, budget: Budget, contrasts: list[dict[str, Any]]) -> Judgement:
    claim = CLAIMS[name]
    return Judgement(
        claim,
        budget,
        tuple(
            Judged(
                contrast,
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
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Evidence(**values)


def publish(store: Store) -> Published:
    """Add the scores of the claims' runs in the store to the published ones, judge all claims again, and return both.

    Raises `PublishedError` if the file is damaged or cannot be written, and `StoreError` if a run is damaged.
    """
    wanted = {spec.group for claim in CLAIMS.values() for budget in BUDGETS for spec in specs(claim, budget, [0])}
    path, scores = path_of(store.root), dict[tuple[str, int], Score]()
    again = "restore it, or remove it: `python -m aecore claims run` then makes it again from the runs in the store."
    with suppress(MissingError):
        scores = figures.read(path, "cifar10", _scores, again)
    for run in store.listing().runs:
        if run.spec.group in wanted and (run.spec.group, run.spec.seed) not in scores:
            scores[run.spec.group, run.spec.seed] = score(run)
    facts = {
        "version": VERSION,
        "dataset": "cifar10",
        "claims": {claim.name: claim.key for claim in CLAIMS.values()},
        "judgements": [_facts(judgement) for judgement in best(scores)],
        "runs": [asdict(scores[place]) for place in sorted(scores)],
    }
    figures.write(path, facts)
    return published(store.root)


def _facts(judgement: Judgement) -> dict[str, Any]:
    return {
        "name": judgement.claim.name,
        "budget": judgement.budget,
        "contrasts": [
            {
                "differences": {str(seed): difference for seed, difference in judged.differences.items()},
                "evidence": judged.evidence and asdict(judged.evidence),
                "components": judged.components and asdict(judged.components),
                "adjusted_p": judged.adjusted_p,
                "finding": asdict(judged.finding),
            }
            for judged in judgement.contrasts
        ],
    }


# ---- verdicts


def judge(scores: Scores, budget: Budget, claims: Sequence[Claim]) -> list[Judgement]:
    """The judgement of every claim under a budget. The p-values of all their contrasts are adjusted as one family."""
    weighed = [[_weighed(scores, budget, claim, contrast) for contrast in claim.contrasts] for claim in claims]
    family = [judged.evidence.p if judged.evidence else None for row in weighed for judged in row]
    adjusted = iter(evidence.holm(family))
    return [
        Judgement(claim, budget, tuple(_judged(row, [next(adjusted) for _ in row])))
        for claim, row in zip(claims, weighed, strict=True)
    ]


def best(scores: Scores) -> list[Judgement]:
    """The judgement of every claim under the full budget.

    Under the short one where that has more seeds and the full one too few.
    """
    full, short = (judge(scores, budget, list(CLAIMS.values())) for budget in BUDGETS)
    return [
        one if one.seeds >= min(evidence.FEWEST_SEEDS, other.seeds) else other
        for one, other in zip(full, short, strict=True)
    ]


def _weighed(scores: Scores, budget: Budget, claim: Claim, contrast: Contrast) -> Judged:
    """A contrast with its evidence, but without a finding."""
    better, worse = (_of_side(scores, side, budget) for side in contrast.sides)
    seeds = sorted(better.keys() & worse.keys())
    differences = {seed: better[seed].psnr - worse[seed].psnr for seed in seeds}
    if not seeds:
        return Judged(contrast, {})
    found = evidence.evidence(list(differences.values()), claim.smallest)
    if len(seeds) == 1:
        return Judged(contrast, differences, found)
    # How much each part of the pictures adds to a run's pooled PSNR, to first order.
    table = [
        [differences[seed] - 10 / log(10) * apart for apart in _shares(better[seed]) - _shares(worse[seed])]
        for seed in seeds
    ]
    return Judged(contrast, differences, found, evidence.components(table))


def _shares(score: Score) -> np.ndarray:
    return np.asarray(score.parts) / fmean(score.parts)


def _of_side(scores: Scores, side: Side, budget: Budget) -> dict[int, Score]:
    """The scores of a side by seed, at the learning rate that is best on the validation pictures."""
    groups = [_spec(side, recipe, 0).group for recipe in side.recipes(budget)]
    by_rate = [{seed: score for (group, seed), score in scores.items() if group == own} for own in groups]
    seeds = set.intersection(*(set(rate) for rate in by_rate))
    if not seeds:
        return {}
    best = min(by_rate, key=lambda rate: fmean(rate[seed].validation for seed in seeds))
    return {seed: best[seed] for seed in seeds}


def _judged(row: Sequence[Judged], adjusted: Sequence[float]) -> Iterator[Judged]:
    """The contrasts of a claim with their findings; the first one's depends on the others'."""
    alone = [
        replace(one, adjusted_p=p, finding=evidence.finding(one.evidence, p)) if one.evidence else one
        for one, p in zip(row, adjusted, strict=True)
    ]
    own, *others = alone
    dependence = _dependence(own, others) if own.evidence else None
    yield from (replace(own, finding=dependence or own.finding), *others)


def _dependence(own: Judged, others: Sequence[Judged]) -> Finding | None:
    """What the verdict on a claim is, if it is another one in another setting and the difference is real."""
    assert own.evidence is not None
    settings = list[tuple[str, Verdict, Evidence]]()
    for other in others:
        seeds = sorted(own.differences.keys() & other.differences.keys())
        if len(seeds) >= evidence.FEWEST_SEEDS:
            first, second = ([judged.differences[seed] for seed in seeds] for judged in (own, other))
            apart = evidence.interaction(first, second, own.evidence.smallest)
            settings.append((other.contrast.name, other.finding.verdict, apart))
    adjusted = evidence.holm([apart.p for _, _, apart in settings])
    for (name, verdict, apart), p in zip(settings, adjusted, strict=True):
        compared = Settings(own.finding.verdict, verdict, apart, p)
        if compared.matter:
            found = evidence.finding(own.evidence, own.adjusted_p, compared)
            return replace(found, reason=f"{found.reason} The other setting: {name}.")
    return None
