"""One claim: its verdict, its contrasts, what they rest on, and more evidence on request."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from aecore.runs.store import Store
from aecore.studies import verdict_words
from aecore.studies.claim_scores import Published
from aecore.studies.contrasts import Budget, Claim
from aecore.studies.verdicts import BUDGETS, Judged, Judgement
from pages.app.pages import CLAIMS
from pages.components import links, look
from pages.components.claims import citing, curves, forest, pictures, reading, running, words
from pages.components.explain import explain

_EXPLANATION = (
    "- **A comparison** trains both sides from the same seed and takes the difference of their scores on the test "
    "pictures; it repeats that for every seed. The first comparison takes the sentence at its word. Each further one "
    "removes a confound: something else in which the sides differ and which might be the true cause.\n"
    "- **Budgets**: full is the study's epochs on all training pictures; short takes the first 10,000 of them. Best "
    "available takes for each comparison the full budget where that has six seeds.\n"
    "- **Supported or refuted**: the 95% interval excludes zero, p (adjusted for all comparisons of all sentences) is "
    "below 0.05, and the difference is large enough to matter. **Too small to matter**: any difference is shown to be "
    "below the shaded band's edge. **Depends**: a further comparison has another verdict, and the difference between "
    "the two is significant itself. **Undecided**: none of these."
)


def show(page: links.Page, root: Path, claim: Claim) -> None:
    """The opened claim."""
    with st.container(horizontal=True, vertical_alignment="center"):
        CLAIMS.link("All claims")
    st.title(look.in_markdown(words.quoted(claim)))
    read = reading.published(root)
    with st.container(horizontal=True, vertical_alignment="center"):
        budget = _budget(page)
        judgement = reading.judgement(root, read, claim, budget)
        citing.button(judgement, budget)
    left, right = st.columns([5, 3], gap="large")
    with left:
        changed = st.container()
        words.verdict(judgement)
        if said := words.spread(judgement):
            st.markdown(said)
    more = right.container(border=True)
    st.subheader("Comparisons", anchor=False)
    forest.show(judgement)
    st.download_button(
        "Every seed",
        forest.csv(judgement),
        f"{judgement.claim.name}.csv",
        icon=":material/download:",
        on_click="ignore",
        help="The difference of every comparison and seed, as a CSV file",
    )
    if said := words.confounds(judgement):
        st.markdown(f"What else might be the cause, and the difference without it:\n{said}")
    explain("How to read the comparisons and the verdict", _EXPLANATION)
    _contrast(page, judgement, read)
    with more:  # last, as it may have to estimate how long runs take
        st.markdown("**More evidence**")
        running.panel(judgement, budget or judgement.budget, read, changed)


def _budget(page: links.Page) -> Budget | None:
    """The budget whose runs are judged; None for the best of each contrast."""
    chosen = page.segments("Budget", [words.BEST, *BUDGETS], "budget")
    return next((budget for budget in BUDGETS if budget == chosen), None)


def _contrast(page: links.Page, judgement: Judgement, read: Published) -> None:
    """One of the contrasts: how both sides learned, and the pictures on which they differ most."""
    st.subheader("One comparison in detail", anchor=False)
    by_name = {judged.contrast.name: judged for judged in judgement.contrasts}
    key = page.key("contrast")
    links.forget_unless(key, by_name)
    name = st.selectbox("Comparison", list(by_name), key=key, bind="query-params", width=480)
    judged = by_name[name]
    _sides(judged, verdict_words.rates(read.scores, judged), verdict_words.hardware(read.scores, judged))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**How both sides learned**")
        curves.show(read, judged)
        st.caption("Lines: the mean over the seeds. Bands: from the lowest seed to the highest.")
    with right:
        st.markdown("**Test pictures on which they differ most**")
        published = next((one for one in read.judgements if one.claim == judgement.claim), None)
        same = published and any(
            one.contrast.name == name and one.budget == judged.budget for one in published.contrasts
        )
        most = read.pictures.get((judgement.claim.name, name), ()) if same else ()
        pictures.show(judged.contrast, most, Store().listing().full)


def _sides(judged: Judged, rates: str, hardware: str) -> None:
    """What the two sides are, in what they differ, at which learning `rates` and on what they were trained."""
    contrast = judged.contrast
    first, second = contrast.sides
    st.markdown(
        f"**{look.in_markdown(first.label)}** against **{look.in_markdown(second.label)}**. The second differs in: "
        f"`{contrast.differ}`"
        + (f". Equal: {look.listed(contrast.equal)}." if contrast.equal else ".")
        + (f" Chosen on validation pictures: {rates}." if rates else "")
        + (f" Trained on: {hardware}." if hardware else "")
    )
