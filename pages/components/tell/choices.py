"""What is compared: the models at first, the draw of the rounds, and the words around the test."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import streamlit as st

from aecore.models.layers import Shape
from aecore.runs.store import Run
from aecore.studies import by_name
from aecore.studies.contestants import CLASSICAL, CONTROLS, Contestant
from pages.components.links import Page

PAGE = Page("tell", "t-")
# Good ones, so that pairs of them are close.
DEFAULT = (
    "shallow-maxpool",
    "shallow-strided",
    "shallow-strided-bn",
    "denoise-unet",
    "compress-512",
    "compress-1024",
    "jpeg-75",
    "jpeg-95",
)
_MORE = ("jpeg-95",)
_DRAWS = 1_000_000
STORED = "answers stored"  # in the session: the rounds whose answers this window has stored

INTRODUCTION = (
    "The study of 2018 says that once an autoencoder is good enough, “it's hard for the human eye to see the "
    "difference”, and that MSE “probably won't help us discriminate between the best models”. Try with your own eyes."
)
EXPLANATION = """
**Closer to the original.** In the middle is a test picture, beside it the outputs of two models in random order. Say
which is closer to the original. An answer counts as right if that output has the lower mean squared error (MSE), so
the score is your agreement with MSE. A low score may mean that you see no difference, or that you judge otherwise than
MSE; the comparison of the metrics tells more.

**ABX.** A and B are the outputs of two models, and X is one of these two pictures again. Say which. Here an answer is
right or wrong whatever metric one believes in: if you cannot tell, you are right in half of the rounds.

The rounds come in blocks of 20, each with differences from very small to large, most of them small. Models are
compared without noise. Errors are measured on the pictures as they are shown, in 8 bits.

**The interval of the score** is exact (Clopper and Pearson). **The curve** is the probability of a right answer,
fitted by maximum likelihood: a half where there is no difference, and 98% at most, because everybody slips now and
then. Your threshold is where it reaches 75%. Its interval is that of the profile likelihood.

Each answer is followed by the solution, from which one learns: later answers may be better than the first.
"""


def offered(runs: Iterable[Run], shape: Shape, *, can_fit: bool) -> list[Contestant]:
    """All that can be compared: without noise a classical denoiser has nothing to do, and no control is good."""
    listed = by_name.contestants(runs, shape, can_fit=can_fit)
    everyone = [contestant for contestant in listed if contestant.family not in (CLASSICAL, CONTROLS)]
    return [*everyone, *(by_name.baseline(name) for name in _MORE)]


def default(offered: Iterable[Contestant]) -> list[str]:
    """What is compared at first: good models, or where none of them takes such pictures all that do, and codecs."""
    listed = list(offered)
    trained = [contestant.label for contestant in listed if contestant.run and not contestant.missing]
    good = [contestant.label for contestant in listed if contestant.label in DEFAULT]
    return good if set(good) & set(trained) else [*trained, *good]


def draw() -> int:
    """The seed of the rounds, another one for each visit unless the address names it."""
    key = PAGE.key("draw")
    if key not in st.session_state and not st.query_params.get(key):
        draw_again()  # not as the widget's default, which would not be in the address
    seed = st.number_input(
        "Draw",
        0,
        _DRAWS - 1,
        key=key,
        bind="query-params",
        help="Seed of the random choice of pictures and pairs, another one for each visit. The same number gives the "
        "same rounds.",
    )
    return int(seed)


def draw_again() -> None:
    """Take another seed, when the rounds of this one have been seen."""
    st.session_state[PAGE.key("draw")] = secrets.randbelow(_DRAWS)
