"""A claim in words: the verdict, the confounds, and where the spread comes from."""

from __future__ import annotations

import streamlit as st

from aecore.measuring.evidence import FEWEST_SEEDS
from aecore.studies import verdict_words
from aecore.studies.contrasts import PLANNED, PSNR, Claim
from aecore.studies.verdicts import Judged, Judgement
from pages.components import look
from pages.components.claims import board, marks

BEST = "best available"  # the choice of the better budget for each comparison
_REDRAWN = "other training pictures for each seed"
_LEAST = 0.01  # dB


def quoted(claim: Claim) -> str:
    """The sentence in quotation marks; one that quotes the study word for word has its own."""
    return claim.words if '"' in claim.words else f"“{claim.words}”"


def verdict(judgement: Judgement) -> None:
    """The verdict, the sentence that gives it in numbers, and what would change it."""
    said = marks.of(judgement.own)
    board.show(f'<div class="verdict-head">{marks.mark(said)}{said.capitalize()}</div>', key="verdict")
    st.markdown(look.in_markdown(verdict_words.sentence(judgement)))
    evidence = judgement.own.evidence
    if evidence and evidence.sequential:
        st.caption(
            f"Seeds were added to the {PLANNED} planned ones. So the interval is the confidence sequence, and p is "
            f"twice the smaller of two: that of the planned seeds, and 1 / e-value (e-value {evidence.e_value:.3g})."
        )
    st.caption(look.in_markdown(f"What would change it: {verdict_words.change(judgement)}"))


def confounds(judgement: Judgement) -> str:
    """Which confounds of the sentence's own comparison were removed, and what was left, in Markdown."""
    own = judgement.own
    lines = []
    for judged in judgement.contrasts[1:]:
        contrast = judged.contrast
        if not judged.evidence:
            what = "not trained yet"
        elif judged.evidence.seeds < FEWEST_SEEDS:
            what = f"{verdict_words.amount(judged.evidence.mean, contrast.measure)} so far, too few seeds to judge"
        else:
            same = "the same verdict" if judged.finding.verdict == own.finding.verdict else judged.finding.verdict
            what = f"{verdict_words.amount(judged.evidence.mean, contrast.measure)}, {same}"
        removes, name = look.in_markdown(contrast.removes), look.in_markdown(contrast.name)
        lines.append(f"- Without {removes} ({name}): **{what}**")
    return "\n".join(lines)


def spread(judgement: Judgement) -> str:
    """How far seeds, training pictures and test pictures each move the difference; empty where nothing is known."""
    own = judgement.own
    if own.evidence is None or own.evidence.deviation is None:
        return ""
    measure = own.contrast.measure
    said = [f"Seeds alone move the difference by ± {verdict_words.size(own.evidence.deviation, measure)}"]
    if redrawn := _redrawn(judgement):
        if redrawn.evidence and redrawn.evidence.deviation is not None:
            both = verdict_words.size(redrawn.evidence.deviation, measure)
            other = f" (under the {redrawn.budget} budget)" if redrawn.budget != own.budget else ""
            said.append(f"seeds that also draw other training pictures by ± {both}{other}")
        else:
            said.append("with other training pictures for each seed it is not trained yet")
    if own.components and measure is PSNR:
        said.append(f"the draw of the test pictures moves its mean by {_up_to(own.components.picture_error)}")
    return f"Where the spread comes from: {'; '.join(said)}. All are one standard deviation."


def _up_to(decibels: float) -> str:
    return f"± {decibels:.2f} dB" if decibels >= _LEAST else f"less than {_LEAST} dB"


def _redrawn(judgement: Judgement) -> Judged | None:
    """The claim's own contrast with other training pictures for each seed."""
    return next((one for one in judgement.contrasts if one.contrast.name.endswith(_REDRAWN)), None)
