"""The commands `list` and `show`: the systems, and the details of one system or run."""

from __future__ import annotations

import argparse
from typing import Any

from aecore.cli.output import (
    add_json,
    recipe_text,
    run_row,
    say,
    totals_text,
    write,
    write_json,
    write_rows,
    write_table,
)
from aecore.models import zoo
from aecore.models.architecture import Summary
from aecore.models.layers import shape_text
from aecore.models.zoo import Start, System, UnknownSystemError
from aecore.runs.store import Run, Store, StoreError, preferred


def add_list(parser: argparse.ArgumentParser) -> None:
    """The options of `list`."""
    add_json(parser)
    parser.set_defaults(command=_list)


def add_show(parser: argparse.ArgumentParser) -> None:
    """The options of `show`."""
    parser.add_argument("name", metavar="NAME", help="a system, a run, a key, or a line of layers")
    add_json(parser)
    parser.set_defaults(command=_show)


def _list(options: argparse.Namespace) -> None:
    rows = [
        {
            "name": system.name,
            "family": system.family,
            "dataset": system.dataset,
            "epochs": system.recipe.epochs,
            "code": system.architecture.code_size,
            "parameters": system.architecture.parameters,
            "layers": str(system.architecture),
            "story": system.story,
        }
        for system in (*zoo.SYSTEMS.values(), *zoo.saved_systems().values())
    ]
    for damage in zoo.own_zoo().read().damaged:
        say(damage, style="yellow")
    write_rows(rows, ["name", "family", "epochs", "code", "parameters", "story"], as_json=options.json)


def _show(options: argparse.Namespace) -> None:
    start, run = _start_and_run(options.name)
    if options.json:
        write_json(_facts(start, run))
        return
    summary = start.architecture.summary()
    write(f"{start.title}: {start.story}" if isinstance(start, System) else start.title)
    write(str(start.architecture))
    rows = _layers(summary)
    write_table(rows, list(rows[0]))
    write(f"{summary.parameters:,} parameters, {summary.macs:,} MACs per picture. {code_text(summary)}")
    if isinstance(start, System) and start.seed_words:
        seed_psnr = f", {start.seed_psnr} dB pooled on its 400 pictures" if start.seed_psnr else ""
        write(f"The study of 2018: {start.seed_words}{seed_psnr}.")
    if penalties := start.architecture.penalties:
        write(f"Penalties that its layers report: {', '.join(penalties)}.")
    write(recipe_text(start.recipe))
    if run:
        write(f"Run {run.path.name}: {totals_text(run)}")
    else:
        write(f"Not trained yet: python -m aecore train {options.name!r}")


def code_text(summary: Summary) -> str:
    """The shape and the size of the code, in a sentence."""
    if summary.code_shape is None:
        return "No code: a skip connection bypasses every layer."
    return (
        f"Code: {shape_text(summary.code_shape)} = {summary.code_size:,} numbers, "
        f"{summary.code_ratio:.3g}× the picture's."
    )


def _facts(start: Start, run: Run | None) -> dict[str, Any]:
    summary = start.architecture.summary()
    return {
        "name": start.name,
        "architecture": str(start.architecture),
        "layers": _layers(summary),
        "parameters": summary.parameters,
        "macs": summary.macs,
        "code_shape": summary.code_shape,
        "code_size": summary.code_size,
        "code_ratio": summary.code_ratio,
        "penalties": start.architecture.penalties,
        "recipe": start.recipe.to_json(),
        "run": run_row(run) if run else None,
    }


def _layers(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "layer": str(row.step.layer),
            "output": shape_text(row.step.output_shape),
            "parameters": row.step.parameters,
            "MACs": row.step.macs,
            "receptive field": shape_text(row.receptive_field),
        }
        for row in summary.rows
    ]


def _start_and_run(name: str) -> tuple[Start, Run | None]:
    """What `name` stands for: a system or a line of layers (with its run, if there is one), or a run."""
    store = Store()
    try:
        start = zoo.from_text(name)
    except UnknownSystemError as unknown:
        try:
            run = store.find(name)
        except StoreError:
            raise unknown from None
        return zoo.from_run(run.spec), run
    alike = [run for run in store.listing().runs if run.spec.architecture == start.architecture]
    own = [run for run in alike if run.name == start.name]
    best = preferred(own)
    return (zoo.from_run(best.spec) if best else start), best
