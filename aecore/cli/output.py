"""What the commands print: results on standard output, as tables or JSON, and sentences on standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from math import inf, isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from aecore.models.recipe import KEY_DIGITS, Recipe

if TYPE_CHECKING:
    from aecore.runs.groups import Group
    from aecore.runs.store import Run

PIPED_WIDTH = 160  # columns: rich would fold what is piped to 80
SCORES = {"PSNR pooled", "± sd", "SSIM", "MSE"}  # columns of numbers, which a group has as texts of equal precision
WRAPPING = {"story", "state", "path"}  # columns of a table whose text may continue on another line


@cache
def err() -> Console:
    """Standard error: one console, so that a sentence appears above a progress bar that is being drawn."""
    return Console(stderr=True)


def out() -> Console:
    """Standard output, as wide as the terminal is now."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def say(sentence: str, style: str = "") -> None:
    """Print a sentence that is not part of the results."""
    err().print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)


def write(line: str) -> None:
    """A line of the results."""
    out().print(line, highlight=False, markup=False, soft_wrap=True)


def write_json(value: Any) -> None:
    """The results as JSON: null for an infinite number, such as the PSNR of a picture without any error."""
    out().print_json(data=_finite(value))


def add_json(parser: argparse.ArgumentParser, text: str = "print JSON instead of a table") -> None:
    """The option `--json`."""
    parser.add_argument("--json", action="store_true", help=text)


def write_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print the rows as JSON, with all their values, or these `columns` of them as a table."""
    if as_json:
        write_json(rows)
    else:
        write_table(rows, columns)


def write_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Print these `columns` of the rows as a table, numbers aligned to the right."""
    table, console = Table(box=None, pad_edge=False), out()
    for name in columns:
        values = [row.get(name) for row in rows]
        table.add_column(
            name,
            justify="right" if name in SCORES or any(map(_is_number, values)) else "left",
            overflow="fold",
            no_wrap=name not in WRAPPING,
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    if not WRAPPING & set(columns):  # no digit may be cut, so a narrow terminal wraps the line
        table.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table, crop=False)


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case float() if not isfinite(value):
            return None  # JSON has no infinity
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == inf:
        return "no error"  # it is a PSNR
    return f"{value:,}" if isinstance(value, int) else str(value)


def run_row(run: Run) -> dict[str, Any]:
    """A finished run as a row."""
    architecture = run.spec.architecture
    return {
        "name": run.name,
        "key": run.key[:KEY_DIGITS],
        "dataset": run.spec.dataset,
        "seed": run.spec.seed,
        "state": "finished",
        "PSNR pooled": round(run.totals.psnr_pooled, 3),
        "PSNR mean": round(run.totals.psnr_mean, 3),
        "SSIM": round(run.totals.ssim, 4),
        "MSE": float(f"{run.totals.mse:.4g}"),
        "code": architecture.code_size,
        "parameters": architecture.parameters,
        "seconds": round(run.seconds, 1),
        "finished": run.finished,
        "folder": str(run.path),
    }


def group_row(group: Group) -> dict[str, Any]:
    """Finished runs that differ only in the seed as a row: the mean of their scores, and the deviation of the PSNR."""
    totals = [run.totals for run in group.runs]
    several = len(totals) > 1
    return run_row(group.first) | {
        "seed": f"{len(totals)} seeds" if several else group.first.spec.seed,
        "runs": len(totals),
        "PSNR pooled": f"{group.psnr:.3f}" if isfinite(group.psnr) else _cell(group.psnr),
        "± sd": "" if group.deviation is None else f"{group.deviation:.3f}",
        "SSIM": f"{fmean(total.ssim for total in totals):.4f}",
        "MSE": f"{fmean(total.mse for total in totals):.4g}",
    }


def totals_text(run: Run) -> str:
    """How well a run did, in a sentence."""
    totals = run.totals
    noise = f" under {run.spec.recipe.noise}" if run.spec.recipe.noise else ""
    mean = f", {totals.psnr_mean:.2f} dB mean" if isfinite(totals.psnr_mean) else ", no error on some of the pictures"
    psnr = f"{totals.psnr_pooled:.2f} dB pooled{mean}" if totals.mse else "no error"
    return f"{psnr}, SSIM {totals.ssim:.3f} on {totals.pictures:,} test pictures of {run.spec.dataset}{noise}."


def recipe_text(recipe: Recipe) -> str:
    """The settings of a recipe, such as `epochs 5, penalties sparsity:0.001, flips`; what is off is left out."""
    settings = {name.replace("_", " "): value for name, value in recipe.to_json().items() if value}
    if penalties := settings.get("penalties"):
        settings["penalties"] = ",".join(f"{name}:{weight:g}" for name, weight in penalties.items())
    return ", ".join(name if value is True else f"{name} {value}" for name, value in settings.items())
