"""The command `sweep`: trains several systems with several seeds each, through the queue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from aecore.cli.output import add_json, err, group_row, run_row, say, write_json, write_table
from aecore.cli.queued import entry_text
from aecore.cli.training import add_light, add_recipe_options, chosen_dataset, recipe_changes
from aecore.data import index_lists
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs import execution
from aecore.runs.groups import groups
from aecore.scheduling.entries import Entry, QueueError
from aecore.scheduling.places import ENGINES, Place
from aecore.scheduling.queue import Queue
from aecore.scheduling.sweeps import Delayed, Ended, Standing, sweep

SEEDS = 10_000  # at most


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="systems, or lines of layers")
    add_recipe_options(parser)
    add_light(parser)
    parser.add_argument("--seeds", default="0", metavar="LIST", help="such as 0-9 or 1,3,5 (default 0)")
    parser.add_argument("--engine", choices=ENGINES, help="where runs are trained (default: AECORE_ENGINE, or local)")
    add_json(parser, "print the finished runs as JSON")
    parser.set_defaults(
        command=_sweep,
        stopped="Stopped waiting. The runs continue: `python -m aecore runs` lists them, `runs cancel ID` stops one.",
    )


def _sweep(options: argparse.Namespace) -> None:
    place = Place.chosen(options.engine, options.device)
    seeds = index_lists.parse(options.seeds, below=SEEDS, most=SEEDS, what="seed")
    changes, queue = recipe_changes(options), Queue()
    starts, dataset = [zoo.from_text(name) for name in options.names], chosen_dataset(options)
    specs = [execution.plan(start, dataset=dataset, seed=seed, **changes) for start in starts for seed in seeds]
    ended = wait(queue, specs, place, options.light)
    entries = [ended[key] for key in dict.fromkeys(spec.key for spec in specs)]
    runs = [queue.store.finished(entry.spec, light=True) for entry in entries if entry.state == "finished"]
    finished = [run for run in runs if run is not None]
    if options.json:
        write_json([run_row(run) for run in finished])
    elif finished:
        rows = [group_row(group) | {"name": _name(group.first.spec)} for group in groups(finished)]
        write_table(rows, ["name", "runs", "PSNR pooled", "± sd", "SSIM", "MSE"])
    if missing := len(entries) - len(finished):
        raise QueueError(f"{missing} of {len(entries)} runs did not finish: `python -m aecore runs` says why.")


def wait(queue: Queue, specs: Sequence[RunSpec], place: Place, light: bool) -> dict[str, Entry]:
    """The ended entry of each spec, by its key; meanwhile draws a progress bar and says how each run ended."""
    ended = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),  # judged by the runs that ended lately
    )
    with Progress(*columns, console=err()) as progress:
        bar = progress.add_task("runs")
        for event in sweep(queue, specs, place, light=light):
            match event:
                case Ended(entry):
                    ended[entry.spec.key] = entry
                    say(f"{_name(entry.spec)}, seed {entry.spec.seed}: {entry_text(entry)}")
                case Delayed(reason):
                    say(reason)
                case Standing(running, count, of):
                    progress.update(bar, completed=count, total=of, description=f"{running} running")
    return ended


def _name(spec: RunSpec) -> str:
    """The name of a system of the zoo, or the layers of another architecture."""
    return spec.name if spec.name in zoo.SYSTEMS else str(spec.architecture)
