"""Blocks of rounds: which pictures are shown, and how the metrics judge them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from aecore.data.splits import Dataset, to_float
from aecore.measuring.metrics import METRICS, ScoreError
from aecore.measuring.scoring import per_picture
from aecore.measuring.totals import decibels
from aecore.models.layers import Shape
from aecore.studies import discrimination
from aecore.studies.contestants import Contestant
from aecore.studies.discrimination import ABX, Pixels, Round, Side
from pages.components import jobs, lineup
from pages.components.lineup import Lineup

# PSNR orders reconstructions as MSE does; VSI takes most of a second for a block, ten times all others together.
_LEFT_OUT = ("psnr", "vsi")


@dataclass(frozen=True)
class Pairing:
    """What determines every round of a game: the models, the data set, the mode and the seed."""

    models: Sequence[Contestant]
    data: Dataset
    mode: str
    seed: int

    def identity(self, done: Sequence[Contestant]) -> str:
        """Its name: equal where every round is equal. Those of its models that are `done` without failing count."""
        keys = [model.key for model in done]
        facts = keys, self.data.name, self.data.fingerprint, self.mode, self.seed
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def lineup(self, block: int) -> Lineup:
        """The pictures of the pool that a block is drawn from, through the models that are done."""
        pool = discrimination.pool(len(self.data.test), self.seed, block)
        return lineup.compute(self.models, self.data.name, pool, None, 0)


@dataclass(frozen=True)
class Shown:
    """A round with its pictures `[C, H, W]` as they are shown, and the PSNR of both reconstructions in dB."""

    round: Round
    picture: int
    left: Pixels
    right: Pixels
    original: Pixels
    psnr: tuple[float, float]

    def side(self, side: Side) -> Pixels:
        """One of the two."""
        return self.left if side == "left" else self.right

    def middle(self, mode: str) -> Pixels:
        """The picture between the two: the original, or in ABX the one that is to be recognised."""
        return self.side(self.round.answer) if mode == ABX else self.original


def block_of(pairing: Pairing, number: int) -> tuple[list[Shown], Lineup]:
    """The rounds of a block, none where not all models are done or no two of them differ; and where the models are."""
    state = pairing.lineup(number)
    if state.late or len(state.chosen) < 2:
        return [], state
    keys = tuple(model.key for model in state.chosen)
    return _block(state, keys, pairing.data.name, pairing.mode, pairing.seed, number), state


@st.cache_data(max_entries=32, show_spinner=False)
def _block(_lineup: Lineup, keys: tuple[str, ...], dataset_name: str, mode: str, seed: int, number: int) -> list[Shown]:
    outputs, clean = np.stack([_lineup.outputs[key][0] for key in keys]), _lineup.clean
    error = discrimination.errors(outputs, clean)
    return [
        Shown(
            round_,
            _lineup.indices[round_.picture],
            outputs[round_.left, round_.picture],
            outputs[round_.right, round_.picture],
            clean[round_.picture],
            (decibels(error[round_.left, round_.picture]), decibels(error[round_.right, round_.picture])),
        )
        for round_ in discrimination.draw(mode, outputs, clean, seed, number)
    ]


def metrics(shape: Shape) -> list[str]:
    """The metrics that are compared: those against the original that are quick and need no weights."""
    names = []
    for name, rule in METRICS.items():
        try:
            rule.require(shape)
        except ScoreError:
            continue
        if name not in _LEFT_OUT and rule.against == "picture" and not rule.weights:
            names.append(name)
    return names


@st.cache_data(max_entries=32, show_spinner=False)
def scores(_shown: Sequence[Shown], identity: str, number: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """The metrics of both reconstructions in each round of a block, which `identity` and `number` name."""
    jobs.one_core()
    original = to_float(torch.from_numpy(np.stack([shown.original for shown in _shown])))
    names = metrics(tuple(original.shape[1:]))
    tables = [
        per_picture(to_float(torch.from_numpy(np.stack([shown.side(side) for shown in _shown]))), original, names)
        for side in discrimination.SIDES
    ]
    left, right = ([{name: float(row[name]) for name in names} for _, row in table.iterrows()] for table in tables)
    return list(zip(left, right, strict=True))
