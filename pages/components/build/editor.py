"""The list of layers that one edits, and beside every layer what is known of it; its text is the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from math import prod
from pathlib import Path
from typing import Any

import streamlit as st

from aecore.models.advice import Advice
from aecore.models.architecture import Row
from aecore.models.diagnosis import Diagnosis, Problem
from aecore.models.layers import LAYERS, Layer, LayerError, Shape, parse_layer, shape_text
from aecore.models.steps import Step
from pages.components import amounts
from pages.components.browser_parts import part

_KEY = "editor"
# The layers that can be added at a click, and what the buttons say. `reshape` fits whatever comes before it.
_PALETTE = {
    "conv32": "conv",
    "conv32:s2": "conv, stride 2",
    "pool": "max pool",
    "avgpool": "mean pool",
    "up": "up",
    "deconv32": "deconv",
    "dense128": "dense",
    "flatten": "flatten",
    "reshape": "reshape",
    "bn": "batch norm",
    "gn8": "group norm",
    "act": "activation",
    "dropout0.5": "dropout",
    "sparsity": "sparsity",
    "entropy7": "entropy model",
    "skip": "skip",
    "add": "add",
    "concat": "concat",
    "conv3:k1:sigmoid": "output",
}

_component = part("editor", Path(__file__).parent)


def show(diagnosis: Diagnosis, sequence: int, parameter: str, changed: Callable[[str, int], None]) -> None:
    """Put the layers of a diagnosed line on the page; call `changed` with another text of it and its number.

    `sequence` is the number of the last text that came from the browser. The browser puts the text into the page's
    address as `parameter`.
    """

    def take() -> None:
        line = st.session_state[_KEY].get("line") or {}
        changed(str(line.get("text", "")), int(line.get("sequence", 0)))

    _component(
        key=_KEY,
        data={"sequence": sequence, "text": diagnosis.text, "parameter": parameter, **facts(diagnosis)},
        on_line_change=take,
    )


def facts(diagnosis: Diagnosis) -> dict[str, Any]:
    """What the list shows of a line: one row per word, and what is said of the line as a whole."""
    steps = {step.position: step for step in diagnosis.steps}
    fields_seen = {row.step.position: row for row in diagnosis.rows}
    code = diagnosis.architecture.code if diagnosis.architecture else None
    notes = [*map(_problem, diagnosis.problems), *map(_advice, diagnosis.advice)]
    positions = [word.position for word in diagnosis.words]
    return {
        "picture": "x".join(map(str, diagnosis.input_shape)),
        "palette": _palette(diagnosis),
        "rows": [
            {
                **({"output": shape_text(diagnosis.input_shape)} if word.position is None else _settings(word.text)),
                **(_costs(steps[word.position], fields_seen.get(word.position)) if word.position in steps else {}),
                "is_code": code is not None and word.position == code.position,
                "problems": _at(word.position, notes, "problem"),
                "advice": _at(word.position, notes, "advice"),
            }
            for word in diagnosis.words
        ],
        "whole": [note for position, note in notes if position not in positions],
    }


def _settings(word: str) -> dict[str, Any]:
    """What can be set of a layer; nothing where the word is none."""
    try:
        layer = parse_layer(word)
    except LayerError:
        return {}
    return {"keyword": layer.keyword, "settings": [_setting(layer, setting) for setting in _in_order(type(layer))]}


def _costs(step: Step, row: Row | None) -> dict[str, Any]:
    return {
        "output": shape_text(step.output_shape),
        "parameters": amounts.short(step.parameters) if step.parameters else "–",
        "macs": amounts.short(step.macs) if step.macs else "–",
        "sees": shape_text(row.receptive_field) if row else "",
    }


def _in_order(kind: type[Layer]) -> list[Any]:
    """The settings in the order of the text form: first the one that follows the keyword."""
    return sorted(fields(kind), key=lambda setting: setting.metadata.get("letter") != "")


def _setting(layer: Layer, setting: Any) -> dict[str, Any]:
    rule, value = setting.metadata, getattr(layer, setting.name)
    return {
        "name": setting.name,
        "value": _written(value),
        "standard": None if setting.default is MISSING else _written(setting.default),
        "letter": rule.get("letter"),
        "words": list(rule["words"]) if "words" in rule else None,
        "low": rule.get("low"),
        "high": rule.get("high"),
        "step": {int: 1, float: 0.05}.get(rule.get("read")),
    }


def _written(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _palette(diagnosis: Diagnosis) -> list[dict[str, str]]:
    shape = diagnosis.steps[-1].output_shape if diagnosis.steps else diagnosis.input_shape
    words = {word if word != "reshape" else f"reshape{_map_of(shape)}": title for word, title in _PALETTE.items()}
    return [{"word": word, "title": title, "meaning": _meaning(word)} for word, title in words.items()]


def _map_of(shape: Shape) -> str:
    """A feature map with as many numbers, as high as it is wide."""
    numbers = prod(shape)
    side = max(side for side in (1, 2, 4, 8, 16, 32) if numbers % side**2 == 0)
    return f"{numbers // side**2}x{side}x{side}"


def _meaning(word: str) -> str:
    """The first sentence of what the layer is documented to do, in plain text."""
    keyword = max((name for name in LAYERS if word.startswith(name)), key=len)
    first = " ".join((LAYERS[keyword].__doc__ or "").split()).partition(". ")[0]
    return first.rstrip(".").replace("`", "") + "."


Note = tuple[int | None, dict[str, Any]]


def _problem(problem: Problem) -> Note:
    repairs = [{"label": repair.label, "line": repair.line} for repair in problem.repairs]
    return problem.position, {"kind": "problem", "sentence": problem.sentence, "why": "", "repairs": repairs}


def _advice(advice: Advice) -> Note:
    repairs = [{"label": repair.label, "line": repair.line} for repair in advice.repairs]
    why = f"{advice.reason} ({advice.source})" if advice.source else advice.reason
    return advice.position, {"kind": "advice", "sentence": advice.sentence, "why": why, "repairs": repairs}


def _at(position: int | None, notes: Iterable[Note], kind: str) -> Sequence[dict[str, Any]]:
    return [note for at, note in notes if at == position and note["kind"] == kind]
