"""What is published about the claims: read once for each change of its file, and judged under a budget on request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from aecore.files.figures import PublishedError
from aecore.studies import claim_scores, verdicts
from aecore.studies.claim_scores import Published
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import Budget, Claim
from aecore.studies.verdicts import Judged, Judgement

Stamp = tuple[int, int, int]


def published(root: Path) -> Published:
    """The published scores and judgements; nothing, and a warning that names the way out, where they cannot be read."""
    try:
        return _published(str(root), _stamp(root))
    except PublishedError as error:
        st.warning(str(error), icon=":material/healing:")
    return Published({}, ())


def judgement(root: Path, read: Published, claim: Claim, budget: Budget | None) -> Judgement:
    """The judgement of a claim as it is published, or with a `budget` from its runs under that alone."""
    judged = read.judgements if budget is None or not read.scores else _judged(str(root), _stamp(root), budget)
    return next((one for one in judged if one.claim == claim), untrained(claim, budget or "full"))


def all_judgements(read: Published) -> list[Judgement]:
    """One judgement per claim, in their order; that of no run where none is published."""
    by_name = {judged.claim.name: judged for judged in read.judgements}
    return [by_name.get(name, untrained(claim)) for name, claim in CLAIMS.items()]


def untrained(claim: Claim, budget: Budget = "full") -> Judgement:
    """A claim of which nothing is trained."""
    return Judgement(claim, tuple(Judged(contrast, budget, {}) for contrast in claim.contrasts))


def _stamp(root: Path) -> Stamp:
    """What changes with the file."""
    try:
        facts = claim_scores.path_of(root).stat()
    except OSError:
        return 0, 0, 0
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


@st.cache_resource(max_entries=4, show_spinner=False)
def _published(root: str, stamp: Stamp) -> Published:
    return claim_scores.published(Path(root))


@st.cache_resource(max_entries=8, show_spinner="Judging the claims under this budget")
def _judged(root: str, stamp: Stamp, budget: Budget) -> Sequence[Judgement]:
    return verdicts.judge(_published(root, stamp).scores, budgets=[budget])
