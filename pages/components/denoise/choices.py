"""The choices of the page Denoise, and where its curves come from."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.data.noise import KINDS, Noise
from aecore.models.layers import Shape
from aecore.runs.store import Run, Store
from aecore.studies import by_name, denoising
from aecore.studies.contestants import CLASSICAL, FOREIGN, Contestant
from aecore.studies.denoising import Curves
from pages.components import cached, links

PAGE = links.Page("denoise", "d-")
MAIN = links.Page("denoise")  # of the choice whose key has no prefix
_FIRST = ("denoise-030", "denoise-res-unet", "wiener", "bm3d")
_STAND_INS = ("tv", "wavelet")  # need neither a fit nor a package
LEVEL = 0.1  # of the noise, at first
COUNT = 4  # pictures at first: BM3D is slow
FIGURES = "cifar10"  # the data set of the published curves


def denoisers(runs: Sequence[Run], shape: Shape, *, can_fit: bool) -> list[Contestant]:
    """The models that were trained on noisy pictures of `shape`, those from elsewhere, and the classical methods: see
    `by_name`."""
    offered = by_name.contestants(runs, shape, can_fit=can_fit)
    return [
        contestant for contestant in offered if contestant.trained_under or contestant.family in (CLASSICAL, FOREIGN)
    ]


def default(offered: Sequence[Contestant]) -> list[str]:
    """The labels of the denoisers that are shown at first: as many as in `_FIRST`, of what can run here."""
    here = {contestant.label for contestant in offered if not contestant.missing}
    return [label for label in (*_FIRST, *_STAND_INS) if label in here][: len(_FIRST)]


def published() -> Curves:
    """The published curves; raises `PublishedError` where they are missing or damaged."""
    return denoising.curves(FIGURES, Store().root)


def kind_of(noise: Noise) -> str:
    """A kind of noise, in a sentence."""
    rule = KINDS[noise.kind]
    return rule.title if rule.is_a_name else rule.title.lower()


def words(noise: Noise | None) -> str:
    """A noise in a sentence."""
    return f"{kind_of(noise)} noise, {KINDS[noise.kind].unit} {noise.level:g}" if noise else "no noise"


def picture(name: str, dataset_name: str, indices: tuple[int, ...]) -> int:
    """One of the pictures of the sheet."""
    titles = [
        f"{title} #{picture}" for title, picture in zip(cached.classes(dataset_name, indices), indices, strict=True)
    ]
    key = PAGE.key(name)
    links.forget_unless(key, titles)  # that picture may not be on the sheet any more
    title: str = st.selectbox("Picture", titles, key=key, bind="query-params", width=200)
    return indices[titles.index(title)]
