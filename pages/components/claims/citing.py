"""A verdict as a text to cite, with all that it rests on."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from aecore.studies import verdict_words
from aecore.studies.contrasts import Budget
from aecore.studies.verdicts import Judgement
from pages.app.pages import CLAIMS
from pages.components.claims import marks, words
from pages.components.claims.overview import ADDRESS

KEY_DIGITS = 12


def button(judgement: Judgement, budget: Budget | None) -> None:
    """A button that shows the citation and the link, which names the `budget` if one was chosen."""
    link = address(judgement, budget)
    with st.popover("Cite", icon=":material/format_quote:"):
        st.caption("The verdict in words. The key changes with the sentence, its comparisons and what matters.")
        st.code(f"{text(judgement)} {link}", language=None, wrap_lines=True)
        st.caption("The link to this verdict")
        st.code(link, language=None, wrap_lines=True)


def text(judgement: Judgement) -> str:
    """The citation in plain text."""
    claim, own = judgement.claim, judgement.own
    measure = own.contrast.measure
    seeds = ", ".join(map(str, own.differences)) or "none"
    smallest = verdict_words.size(measure.smallest, measure)
    return (
        f"{words.quoted(claim)} (sentence of the study of 2018, github.com/rtflynn/Cifar-Autoencoder): "
        f"{marks.of(own)}. {verdict_words.sentence(judgement)} Seeds: {seeds}. Budget: {judgement.budget}. Smallest "
        f"difference that matters: {smallest}. Claim {claim.key[:KEY_DIGITS]}."
    )


def address(judgement: Judgement, budget: Budget | None) -> str:
    """Where this verdict stands: the page's own address, with the budget but without what else is chosen on it."""
    page = (st.context.url or CLAIMS.url).partition("?")[0]
    # Without a budget the link would show that which the reader chose before.
    return f"{page}?{urlencode({ADDRESS: judgement.claim.name, 'budget': budget or words.BEST})}"
