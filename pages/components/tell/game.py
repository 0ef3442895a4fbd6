"""The game: the browser shows one round after the other, and each answer is stored as soon as it is given.

A block of rounds is sent at once, and the next one before it is over, so that no answer waits for the server.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from aecore.data.splits import Dataset
from aecore.measuring.totals import psnr_text
from aecore.runs.store import Store
from aecore.studies.answers import Answer, Answers, AnswersError, Reconstruction
from aecore.studies.contestants import Contestant
from aecore.studies.discrimination import ABX, BLOCK, MODES, SIDES, Pixels
from pages.components import lineup, png
from pages.components.browser_parts import part
from pages.components.tell import blocks, choices, results
from pages.components.tell.blocks import Pairing, Shown

_KEY = "tell"
_READY, _FAILURE = "block drawn ahead", "answers not stored"
_LONGEST = 3_600_000  # milliseconds
_MOST = 64  # pixels on the screen for one of a picture

_component = part("game", Path(__file__).parent)


@st.fragment
def play(models: Sequence[Contestant], data: Dataset, seed: int) -> None:
    """The mode, the rounds, and the results so far."""
    controls, board, progress, below = (st.container() for _ in range(4))  # see `jobs.watch`
    with controls:
        titles = {rule.title: mode for mode, rule in MODES.items()}
        mode = titles[choices.PAGE.segments("Test", list(titles), "test")]
    pairing = Pairing(models, data, mode, seed)
    number = _next(pairing)
    current = number // BLOCK
    rounds, state = blocks.block_of(pairing, current)
    with board:
        if rounds:
            ahead = current + 1
            is_ready = st.session_state.get(_READY) == (pairing.identity(state.chosen), ahead)
            known = [*rounds, *(blocks.block_of(pairing, ahead)[0] if is_ready else ())]
            _show(pairing, state.chosen, known, number)
        elif not state.late:
            st.info("No two of these models differ on these pictures: choose others.", icon=":material/arrow_back:")
    with progress:
        lineup.watch(state)
    with below:
        results.show(data, mode)
    if rounds:  # while the viewer looks at the first pictures
        identity = pairing.identity(state.chosen)
        blocks.scores(rounds, identity, current)
        blocks.block_of(pairing, current + 1)
        st.session_state[_READY] = identity, current + 1


def _next(pairing: Pairing) -> int:
    """The first round without an answer."""
    with suppress(AnswersError):  # which is said by the results
        stored = {answer.number for answer in Answers(Store().root).read()[0] if _is_of(answer, pairing)}
        return next(number for number in range(len(stored) + 1) if number not in stored)
    return 0


def _is_of(answer: Answer, pairing: Pairing) -> bool:
    return answer.mode == pairing.mode and answer.seed == pairing.seed


def _show(pairing: Pairing, models: Sequence[Contestant], rounds: Sequence[Shown], number: int) -> None:
    """Draw the game, from the round `number` on, and store what is answered."""
    identity = pairing.identity(models)

    def store() -> None:
        given = st.session_state[_KEY].get("answers") or {}
        if given.get("identity") == identity:
            _store(pairing, models, rounds, given["answers"])

    header = {
        "identity": identity,
        "mode": pairing.mode,
        "side": pairing.data.shape[1],
        "block": BLOCK,
        "next": number,
        "rounds": [_described(shown, models, pairing.mode) for shown in rounds],
    }
    sheet = np.concatenate([_row(shown, pairing.mode) for shown in rounds], axis=1)  # [C, rounds × H, 3 × W]
    picture = png.encoded(Image.fromarray(png.in_colour(sheet)))
    text = json.dumps(header).encode()
    _component(key=_KEY, data=len(text).to_bytes(4, "little") + text + picture, on_answers_change=store)
    if failure := st.session_state.get(_FAILURE):
        st.error(failure, icon=":material/error:")


def _row(shown: Shown, mode: str) -> Pixels:
    return np.concatenate([shown.left, shown.middle(mode), shown.right], axis=2)


def _described(shown: Shown, models: Sequence[Contestant], mode: str) -> dict[str, Any]:
    """What the browser says of a round once it is answered."""
    sides = dict(zip(SIDES, (shown.round.left, shown.round.right), strict=True))
    strength = shown.round.strength
    apart = f"A and B agree to {-20 * np.log10(strength):.1f} dB" if mode == ABX else f"{strength:.2g} dB"
    return {
        "number": shown.round.number,
        "answer": shown.round.answer,
        "apart": apart,
        "names": [models[place].label for place in sides.values()],
        "psnr": [psnr_text(value, 2) for value in shown.psnr],
    }


@dataclass(frozen=True)
class _Given:
    """An answer as the browser sends it."""

    number: int
    choice: str
    milliseconds: int
    scale: int

    @classmethod
    def of(cls, values: Any) -> _Given | None:
        """None for what is no answer."""
        try:
            number, choice, milliseconds, scale = values
            given = cls(int(number), str(choice), int(milliseconds), int(scale))
        except (TypeError, ValueError, OverflowError):
            return None
        legal = given.choice in SIDES and 0 <= given.milliseconds <= _LONGEST and 1 <= given.scale <= _MOST
        return given if legal else None


def _store(pairing: Pairing, models: Sequence[Contestant], rounds: Sequence[Shown], values: Sequence[Any]) -> None:
    """Store the answers that this window has not stored yet: the browser sends the last few again with each new one."""
    stored: set[tuple[str, int]] = st.session_state.setdefault(choices.STORED, set())
    identity, by_number = pairing.identity(models), {shown.round.number: shown for shown in rounds}
    given = {answer.number: answer for answer in map(_Given.of, values) if answer}
    new = [number for number in given if number in by_number and (identity, number) not in stored]
    answers = []
    for number in new:
        same = [shown for shown in rounds if shown.round.number // BLOCK == number // BLOCK]
        scores = blocks.scores(same, identity, number // BLOCK)[number % BLOCK]
        answers.append(_answer(pairing, models, by_number[number], given[number], scores))
    try:
        Answers(Store().root).add(answers)
    except AnswersError as error:
        st.session_state[_FAILURE] = str(error)
    else:
        st.session_state.pop(_FAILURE, None)
        stored.update((identity, number) for number in new)


def _answer(
    pairing: Pairing,
    models: Sequence[Contestant],
    shown: Shown,
    given: _Given,
    scores: tuple[dict[str, float], dict[str, float]],
) -> Answer:
    left, right = (
        Reconstruction(models[place].key, models[place].label, values)
        for place, values in zip((shown.round.left, shown.round.right), scores, strict=True)
    )
    return Answer(
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        pairing.mode,
        pairing.seed,
        shown.round.number,
        pairing.data.name,
        pairing.data.fingerprint,
        shown.picture,
        left,
        right,
        shown.round.strength,
        shown.round.answer,
        given.choice,
        given.milliseconds,
        given.scale,
    )
