"""Two systems side by side, row by row: layers, recipe and figures, and which of them differ."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from itertools import chain

import streamlit as st

from aecore.measuring.totals import psnr_text
from aecore.models.alignment import aligned
from aecore.models.layers import shape_text
from aecore.models.steps import Step
from pages.components import look
from pages.components.entries import Entry, settings

Row = tuple[str, str, str, str]  # mark, what, left, right; a mark where they differ
_ONLY_LEFT, _ONLY_RIGHT, _OTHER = "−", "+", "≠"

# Rows that differ have a mark and bold text besides the accent behind them: colour alone would not do.
_STYLE = """
<style>
  .differences { width: 100%; max-width: 46rem; border-collapse: collapse; font-size: 0.85rem; table-layout: fixed;
    margin-bottom: 1.5rem; }
  .differences :is(td, th) { padding: 3px 8px; text-align: left; overflow-wrap: anywhere; border: 0;
    border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); vertical-align: baseline; }
  .differences th { font-weight: 600; }
  .differences .mark { width: 1.75rem; padding-right: 0; }
  .differences .what { width: 26%; opacity: 0.75; }
  .differences .differs { font-weight: 600; background: color-mix(in srgb, ACCENT 16%, transparent); }
  .differences .shape { opacity: 0.65; font-weight: 400; float: right; }
  @media (max-width: 640px) { .differences .shape { float: none; display: block; } }
</style>
""".replace("ACCENT", look.PALETTE[0])


def show(left: Entry, right: Entry) -> None:
    """Three tables: layers, recipe, figures."""
    st.html(
        _STYLE
        + _table("Layers", left, right, layer_rows(left, right))
        + _table("Recipe", left, right, text_rows(settings(left), settings(right)))
        + _table("Figures", left, right, text_rows(_figures(left), _figures(right)))
    )
    st.caption(f"{_OTHER} differs · {_ONLY_LEFT} only in {left.label} · {_ONLY_RIGHT} only in {right.label}")


def summary(left: Entry, right: Entry) -> str:
    """How much differs, in a sentence."""
    layers = sum(bool(row[0]) for row in layer_rows(left, right))
    others = [row[1].lower() for row in text_rows(settings(left), settings(right)) if row[0]]
    sentence = (
        f"{layers} row{'s' * (layers != 1)} of layers differ{'s' * (layers == 1)}"
        if layers
        else "The layers are the same"
    )
    recipes = f"the recipes differ in {', '.join(others)}" if others else "the recipes are the same"
    return f"{sentence}; {recipes}."


def layer_rows(left: Entry, right: Entry) -> Iterator[Row]:
    """One row per layer, equal layers beside each other."""
    for pair in aligned(left.architecture, right.architecture):
        mark = _mark(pair.left is not None, pair.right is not None, pair.same)
        yield mark, "", _layer(pair.left), _layer(pair.right)


def text_rows(left: dict[str, str], right: dict[str, str]) -> Iterator[Row]:
    """One row per name that either side has."""
    for name in dict.fromkeys(chain(left, right)):
        mark = _mark(name in left, name in right, left.get(name) == right.get(name))
        yield mark, name, html.escape(left.get(name, "–")), html.escape(right.get(name, "–"))


def _mark(is_left: bool, is_right: bool, same: bool) -> str:
    if is_left and is_right:
        return "" if same else _OTHER
    return _ONLY_LEFT if is_left else _ONLY_RIGHT


def _layer(step: Step | None) -> str:
    if step is None:
        return "–"
    return f'{html.escape(str(step.layer))} <span class="shape">{shape_text(step.output_shape)}</span>'


def _figures(entry: Entry) -> dict[str, str]:
    architecture = entry.architecture
    figures = {
        "Code size": f"{architecture.code_size:,} numbers" if architecture.code else "–",
        "Parameters": f"{architecture.parameters:,}",
        "MACs per picture": f"{architecture.macs:,}",
    }
    if entry.run:
        totals = entry.run.totals
        under = f", noise {look.noise(entry.recipe.noise)}" if entry.recipe.noise else ""
        figures["Test PSNR, pooled"] = psnr_text(totals.psnr_pooled) + under
        figures["Test SSIM"] = f"{totals.ssim:.3f}{under}"
    return figures


def _table(heading: str, left: Entry, right: Entry, rows: Iterable[Row]) -> str:
    rows = list(rows)
    named = any(row[1] for row in rows)
    what = f'<th class="what">{heading}</th>' if named else ""
    body = "".join(
        f'<tr class="{"differs" if mark else ""}"><td class="mark">{mark}</td>'
        + (f'<td class="what">{html.escape(name)}</td>' if named else "")
        + f"<td>{first}</td><td>{second}</td></tr>"
        for mark, name, first, second in rows
    )
    return (
        f'<table class="differences numbers" aria-label="{heading} of {html.escape(left.label)} and '
        f'{html.escape(right.label)}"><thead><tr><th class="mark"></th>{what}<th>{html.escape(left.label)}</th>'
        f"<th>{html.escape(right.label)}</th></tr></thead><tbody>{body}</tbody></table>"
    )
