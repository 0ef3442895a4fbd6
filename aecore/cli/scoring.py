"""The command `score`: runs and baselines on test pictures, one row per name."""

from __future__ import annotations

import argparse
from typing import Any

from rich.progress import Progress

from aecore.cli.output import add_json, err, say, write, write_rows
from aecore.cli.training import parse_noise
from aecore.files.allocator import keep_freed_memory
from aecore.measuring.metrics import BASIC, METRICS, parse
from aecore.models.recipe import RecipeError
from aecore.reconstructors.codecs import FORMATS
from aecore.reconstructors.denoisers import METHODS
from aecore.studies import score_table
from aecore.studies.denoising import SUBSET
from aecore.studies.score_table import Conditions, Remark, Row, Scored


def add_score(parser: argparse.ArgumentParser) -> None:
    """The options of `score`."""
    baselines = ", ".join(["identity", "mean", "pca-N", *(f"{kind}-Q" for kind in FORMATS), *METHODS])
    parser.add_argument("names", metavar="NAME", nargs="+", help=f"runs, by name or key, or baselines: {baselines}")
    parser.add_argument("--dataset", metavar="NAME", help="score on another data set than the run's own")
    parser.add_argument(
        "--noise",
        metavar="KIND:LEVEL",
        help="noise on the input (default: what the run was trained on); none:0 for no noise",
    )
    parser.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="only the first N test pictures, each mean with half its 95%% interval by Student's t "
        f"(default: all, or {SUBSET} for slow denoisers)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides the noise (default 0)")
    parser.add_argument(
        "--metrics",
        default="",
        metavar="LIST",
        help="metrics besides MSE, PSNR and SSIM, such as gmsd,fsim, or all; each is explained below the table",
    )
    add_json(parser)
    parser.set_defaults(command=_score)


def _score(options: argparse.Namespace) -> None:
    if options.images is not None and options.images < 1:
        raise RecipeError(f"--images must be at least 1, not {options.images}.")
    conditions = Conditions(
        options.dataset,
        parse_noise(options.noise) if options.noise else None,
        options.images,
        options.seed,
        parse(options.metrics) if options.metrics else (),
    )
    keep_freed_memory()
    rows = _rows(options.names, conditions)
    cells = [_cells(row) for row in rows]
    write_rows(cells, list(dict.fromkeys(name for row in cells for name in row)), as_json=options.json)
    if options.json:
        return
    if any(row.sampled for row in rows):
        write("±: half the 95% interval of the mean, by Student's t over the pictures.")
    for metric in conditions.metrics:
        if metric not in BASIC and any(metric in row.means for row in rows):
            write(f"{METRICS[metric].title}: {METRICS[metric].meaning}")


def _rows(names: list[str], conditions: Conditions) -> list[Row]:
    """The rows of the table; on a terminal, draws a progress bar for each meanwhile."""
    rows = []
    with Progress(console=err(), transient=True, disable=not err().is_interactive) as progress:
        bar = progress.add_task("", total=None)
        for event in score_table.rows(names, conditions):
            match event:
                case Remark(text):
                    say(text, style="yellow")
                case Scored(name, pictures, of):
                    progress.update(bar, description=name, completed=pictures, total=of)
                case Row():
                    rows.append(event)
    return rows


def _cells(row: Row) -> dict[str, Any]:
    """A row of the table, rounded."""
    cells: dict[str, Any] = {
        "name": row.name,
        "dataset": row.dataset,
        "noise": str(row.noise or "none"),
        "pictures": row.pictures,
    }
    for name, mean in row.means.items():
        title = METRICS[name].title
        match name:
            case "psnr":
                title = "PSNR mean"
                cells |= {"PSNR pooled": round(row.psnr_pooled, 3), title: round(mean.value, 3)}
            case "ssim":
                cells[title] = round(mean.value, 4)
            case _:
                cells[title] = float(f"{mean.value:.4g}")
        if row.sampled:
            cells[f"± {title}"] = mean.margin and float(f"{mean.margin:.2g}")
    return cells
