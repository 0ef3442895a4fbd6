"""The best picture of every coder within the budget, side by side. One fragment: the slider redraws it alone.

Once all settings are done, the browser has the pictures of every budget, and shows them while the slider moves.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import streamlit as st

from aecore.data.catalog import CROPS, EXCERPTS
from aecore.measuring.totals import decibels, psnr_text
from aecore.studies.contestants import Contestant
from aecore.studies.rates import Rates
from pages.components import cached, jobs, look
from pages.components.bytes import choices, curves, work
from pages.components.bytes.choices import PAGE
from pages.components.bytes.work import Packed
from pages.components.cached import Pixels
from pages.components.explain import explain
from pages.components.lens import series, sheets
from pages.components.lens.series import Series
from pages.components.lens.sheets import Column, Sheet

VIEWS = ("Pictures", "Wipe", "Blink")
_MISSING = 127  # the grey of a picture that does not fit, or is not computed yet

EXPLANATION = """
Each row is a test picture, which no coder learned from. Every coder packs it at each of its settings, and unpacks it
again. Of the streams that fit in the budget, you see the picture with the smallest mean squared error (MSE). The bytes
below it are the real length of its stream, which may be less than the budget.

- **What is counted**: everything that is stored for this one picture. Of an autoencoder and of PCA that is the code:
  its numbers are rounded to the levels of one setting and packed by an entropy coder into whole bytes. Of JPEG, WebP
  and AVIF it is the whole file.
- **What is shared, and not counted**: what the receiver has before the first picture comes. That is the program of an
  image codec. It is also the weights of a decoder or the axes of PCA, and the tables that say how often each level
  occurs. These can be megabytes, and they pay off only over many pictures.
- **Header**: a file also says what it is: its format, its size, its tables. On pictures this small the header can be
  most of the file. How many bytes of the budget it takes stands above each column. It is measured as the file of a
  uniformly grey picture. In a code there is none, because sender and receiver agree on everything else beforehand;
  only a model that has several rates says in one byte which one it took.

Above each column are the mean bytes and the pooled PSNR of the pictures that are shown: it is computed from their mean
MSE, and higher is better. Columns can be compared if all their pictures fit. PSNR measures errors of pixels; the eye
may prefer another picture.
"""


@dataclass(frozen=True, eq=False)
class Within:
    """The best pictures of a coder within a budget; `fits` `[N]` says of which there is one.

    `sizes` `[N]` are the bytes of the streams, or where none fits those of the shortest. `headers`, `errors` and
    `words` are those of the setting that was chosen, and `pixels` `[N, C, H, W]` what it decodes to.
    """

    fits: np.ndarray
    sizes: np.ndarray
    headers: np.ndarray
    errors: np.ndarray
    words: Sequence[str]
    pixels: Pixels

    @property
    def note(self) -> str:
        """The line above a column: mean bytes, how many of them are header, pooled PSNR; of those that fit."""
        if not self.fits.any():
            return "none fits"
        few = "" if self.fits.all() else f"{self.fits.sum()} of {len(self.fits)} fit\n"
        header = self.headers[self.fits].mean()
        with_header = f"\n{header:.0f} header" if header else ""
        psnr = psnr_text(decibels(float(self.errors[self.fits].mean())))
        return f"{few}{self.sizes[self.fits].mean():,.0f} B{with_header}\n{psnr}"

    def captions(self) -> list[tuple[str, str]]:
        """Two lines below each picture: its bytes and its PSNR, or how many bytes it needs."""
        return [
            (f"{size:,} B", psnr_text(decibels(float(error)))) if fits else ("needs at", f"least {size:,} B")
            for fits, size, error in zip(self.fits, self.sizes, self.errors, strict=True)
        ]

    def numbers(self) -> list[list[tuple[str, str]]]:
        """What is said of each picture when it is enlarged."""
        return [
            [
                ("Bytes", f"{size:,}"),
                *([("Header", f"{header:,} of {size:,}")] if header else []),
                ("PSNR", psnr_text(decibels(float(error)), 2)),
                ("MSE", f"{error:.3g}"),
                ("Setting", words),
            ]
            if fits
            else [("Bytes", f"needs at least {size:,}")]
            for fits, size, header, error, words in zip(
                self.fits, self.sizes, self.headers, self.errors, self.words, strict=True
            )
        ]


def within(packed: Packed, budget: int) -> Within | None:
    """What a coder has within a budget, of the settings that are done; None where none is."""
    if packed.outcomes is None:
        return None
    outcomes = packed.outcomes
    setting = outcomes.best_within(budget)
    fits, pictures = setting >= 0, range(len(setting))
    setting = setting.where(fits, outcomes.sizes.argmin(0))
    pixels = outcomes.pixels[setting, pictures].clone()
    pixels[~fits] = _MISSING
    return Within(
        fits.numpy(),
        outcomes.sizes[setting, pictures].numpy(),
        outcomes.headers[setting].numpy(),
        outcomes.errors[setting, pictures].numpy(),
        [packed.words[index] for index in setting.tolist()],
        np.asarray(pixels.numpy()),
    )


@st.fragment
def show(
    chosen: Sequence[Contestant], dataset_name: str, indices: tuple[int, ...], rates: Rates | None, notes: str
) -> None:
    """Everything that depends on the budget: the slider, the sheet and the curves."""
    controls, sheet, progress, below = (st.container() for _ in range(4))  # see `jobs.watch`
    with controls:
        budget = choices.budget()
        view = PAGE.segments("View", VIEWS, "view")
    every, late = work.packed(chosen, dataset_name, indices)
    held = None if late else _series(every, work.names([one.contestant for one in every]), dataset_name, indices)
    position, sentence = choices.BUDGETS.index(budget), choices.in_words(budget, cached.dataset(dataset_name).shape)
    followed = series.followed(held, f".st-key-{PAGE.key('budget')}", position, sentence)
    with sheet:
        drawn = columns(every, dataset_name, indices, budget)
        sheets.show(Sheet(drawn, _rows(dataset_name, indices), view, series=followed), "budgets")
    with progress:
        jobs.watch(late, _at_work(every))
    with below:
        st.caption(
            "Below each picture: the bytes of its stream, and its PSNR. Bold, with a line: the best of its row. "
            f"Above: means over these pictures.{notes}"
        )
        explain("How to read the pictures", EXPLANATION)
        if rates:
            st.subheader("Published curves")
            curves.show([one.contestant for one in every], rates, budget)
        if held:
            series.hold(held)


@st.cache_resource(max_entries=4, show_spinner=False)
def _series(_every: Sequence[Packed], names: Hashable, dataset_name: str, indices: tuple[int, ...]) -> Series:
    """The columns within every budget, once all settings are done."""
    shape = cached.dataset(dataset_name).shape
    return series.series(
        [columns(_every, dataset_name, indices, budget) for budget in choices.BUDGETS],
        [choices.in_words(budget, shape) for budget in choices.BUDGETS],
    )


def columns(every: Sequence[Packed], dataset_name: str, indices: tuple[int, ...], budget: int) -> list[Column]:
    """The original, and a column per coder; one that is not ready is grey, or dim if more settings may come."""
    clean = cached.originals(dataset_name, indices)
    raw = f"{prod(clean.shape[1:]):,} B"
    made = [Column("original", f"{raw} raw", clean, [[("Bytes", raw)]] * len(indices), "clean")]
    best_of = [within(one, budget) for one in every]
    all_done = all(one.is_whole for one in every)  # until then a better picture may come
    marks = _best(best_of, len(indices)) if all_done else [[]] * len(every)
    for one, known, best in zip(every, best_of, marks, strict=True):
        label, color = one.contestant.label, look.style(one.contestant).color
        if known is None:
            nothing: list[list[tuple[str, str]]] = [[]] * len(indices)
            column = Column(label, "computing", np.full_like(clean, _MISSING), nothing, computing=True)
        else:
            column = Column(label, known.note, known.pixels, known.numbers(), captions=known.captions(), best=best)
            if not one.is_whole:
                column = replace(column, note="so far:\n" + known.note, dim=True)
        made.append(replace(column, color=color, key=one.contestant.key))
    return made


def _best(every: Sequence[Within | None], pictures: int) -> list[list[bool]]:
    """By coder, of which pictures it has the smallest error of all that fit."""
    errors = np.full((len(every), pictures), np.inf)
    for row, one in zip(errors, every, strict=True):
        if one:
            row[one.fits] = one.errors[one.fits]
    best = (errors == errors.min(0, initial=np.inf)) & np.isfinite(errors)
    marks: list[list[bool]] = best.tolist()
    return marks


def _rows(dataset_name: str, indices: tuple[int, ...]) -> list[tuple[str, str]]:
    names = cached.classes(dataset_name, indices)
    return [(name, f"#{picture}") for name, picture in zip(names, indices, strict=True)]


def _at_work(every: Sequence[Packed]) -> str:
    late = [one.contestant for one in every if not one.is_whole]
    names = ", ".join(f"{one.title} (fitted at first use)" if one.fits or one.run else one.title for one in late)
    return f"Packing every setting of {names}; parts done"


def notes_on(dataset_name: str) -> str:
    """What tables were fitted on, where it is not what the published curves were fitted on."""
    if dataset_name in EXCERPTS:
        count = EXCERPTS[dataset_name].counts["validation"]
        return f" The tables of the codes are fitted on {count} validation pictures, as no training pictures are here."
    if dataset_name in CROPS:
        return " The settings are those of CIFAR-10; tables and PCA are fitted on the sample's own training pictures."
    return ""
