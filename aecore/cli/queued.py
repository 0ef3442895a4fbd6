"""The commands `runs`, `work` and `attempt`: the queue, and the processes that train its runs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from aecore import AecoreError
from aecore.cli.output import add_json, group_row, recipe_text, run_row, say, write, write_json, write_rows, write_table
from aecore.models.recipe import KEY_DIGITS, RunSpec
from aecore.runs.groups import groups
from aecore.runs.store import Listing, Store
from aecore.scheduling import engines
from aecore.scheduling.entries import Entry, QueueError
from aecore.scheduling.queue import Queue

STOPPING = 5.0  # seconds to wait for a run that is being stopped


def add_runs(parser: argparse.ArgumentParser) -> None:
    """The options of `runs`, and the commands below it."""
    add_json(parser, "print JSON instead of a table: one row per run")
    parser.add_argument("--seeds", action="store_true", help="one row per run, not one for all seeds of a recipe")
    parser.set_defaults(command=_runs)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("id", metavar="ID", help="its number in the queue, or the first digits of its key")
        command.set_defaults(command=run)
        return command

    add_json(add("show", _show, "Show a run of the queue: its spec, its progress and its loss curve."))
    add("cancel", partial(_change, Queue.cancel), "Stop a run for good; its whole epochs are kept.")
    add("pause", partial(_change, Queue.pause), "Stop a run until it is resumed.")
    add("resume", partial(_change, Queue.resume), "Queue a stopped run again, to continue after its last whole epoch.")
    log = add("log", _log, "Print the last lines that a run's processes wrote.")
    log.add_argument("--lines", type=int, default=200, metavar="N", help="how many (default %(default)s)")


def add_work(parser: argparse.ArgumentParser) -> None:
    """The options of `work`: none."""
    parser.set_defaults(command=_work)


def add_attempt(parser: argparse.ArgumentParser) -> None:
    """The options of `attempt`."""
    parser.add_argument("run", type=int)
    parser.add_argument("fence", type=int)
    parser.set_defaults(command=_attempt)


def _runs(options: argparse.Namespace) -> None:
    listing, entries, trouble = Store().listing(), list[Entry](), ""
    try:
        queue = Queue()
        queue.reconcile()
        entries = queue.entries()
    except AecoreError as error:
        trouble = str(error)
    others = _unfinished(listing, entries)
    if options.json or options.seeds:
        rows = [run_row(run) for run in listing.runs]
    else:
        rows = [group_row(group) for group in groups(listing.runs)]
    several = any(row.get("runs", 1) > 1 for row in rows)
    blank = dict.fromkeys(rows[0] if rows else ())
    rows += [blank | row for row in others]
    if rows or options.json:
        columns = ["id"] * bool(others) + ["name", "key", "dataset", "seed", "state", "PSNR pooled"]
        columns += ["± sd"] * several + ["SSIM"]
        write_rows(rows, columns, as_json=options.json)
    else:
        write("No runs yet: python -m aecore train shallow-strided")
    for sentence in listing.damaged:
        say(sentence, style="yellow")
    if trouble:
        raise QueueError(trouble)


def _unfinished(listing: Listing, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """One row per run that is not finished: those of the queue, then those that are only in the store."""
    # Only the newest entry of a spec counts. A finished one is listed as a run.
    newest = {entry.spec.key: entry for entry in sorted(entries, key=lambda entry: (entry.live, entry.id))}
    shown = {key: entry for key, entry in newest.items() if entry.state != "finished"}
    return [
        *(_row(entry.id, entry.spec, entry_text(entry)) for entry in shown.values()),
        *(
            _row(None, run.spec, f"stopped after epoch {run.epoch} of {run.spec.recipe.epochs}")
            for run in listing.unfinished
            if run.spec.key not in shown
        ),
    ]


def _row(number: int | None, spec: RunSpec, state: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": spec.name,
        "key": spec.key[:KEY_DIGITS],
        "dataset": spec.dataset,
        "seed": spec.seed,
        "state": state,
    }


def _show(options: argparse.Namespace) -> None:
    queue = Queue()
    queue.reconcile()
    entry = queue.find(options.id)
    spec, epochs = entry.spec, [{**asdict(row), "preview": row.preview is not None} for row in queue.epochs(entry.id)]
    times = {
        name: moment and datetime.fromtimestamp(moment).astimezone().isoformat(timespec="seconds")
        for name, moment in (("submitted", entry.submitted), ("started", entry.started), ("ended", entry.ended))
    }
    if options.json:
        write_json({**asdict(entry), **times, "spec": spec.to_json(), "key": spec.key, "epochs": epochs})
        return
    write(f"Run {entry.id}, {spec.name}: {entry_text(entry)}")
    write(str(spec.architecture))
    write(f"{spec.dataset}, seed {spec.seed}, {recipe_text(spec.recipe)}; on {entry.place.text}")
    write("; ".join(f"{name} {moment}" for name, moment in times.items() if moment))
    if epochs:
        rows = [_curve_row(row) for row in epochs]
        write_table(rows, list(rows[0]))


def _curve_row(row: dict[str, Any]) -> dict[str, Any]:
    """An epoch of the loss curve, its penalties last."""
    digits = {"train_loss": ".4g", "validation_loss": ".4g", "images_per_second": ",.0f", "seconds": ",.1f"}
    losses = {name.replace("_", " "): format(row[name], form) for name, form in digits.items()}
    return {"epoch": row["epoch"]} | losses | {name: f"{value:.4g}" for name, value in row["terms"].items()}


def _change(change: Callable[[Queue, int], Entry], options: argparse.Namespace) -> None:
    queue = Queue()
    entry = change(queue, queue.find(options.id).id)
    deadline = time.monotonic() + STOPPING
    while entry.wish and time.monotonic() < deadline:
        time.sleep(0.05)
        entry = queue.entry(entry.id)
    text = "stopping" if entry.wish else entry_text(entry)
    say(f"Run {entry.id}, {entry.spec.name}: {text.rstrip('.')}.")


def _log(options: argparse.Namespace) -> None:
    queue = Queue()
    print(queue.log(queue.find(options.id).id, max(1, options.lines)))


def _work(options: argparse.Namespace) -> None:
    with closing(engines.supervise(Queue())) as sentences:
        for sentence in sentences:
            say(sentence)


def _attempt(options: argparse.Namespace) -> None:
    engines.attempt(Queue(), options.run, options.fence)


def entry_text(entry: Entry) -> str:
    """What an unfinished entry of the queue is doing, or how it ended."""
    epochs = entry.spec.recipe.epochs
    if entry.state == "queued":
        return entry.queued_text
    if entry.state == "running":
        if entry.scored is not None:
            return f"running, {entry.scored:.0%} scored"
        speed = f", {entry.images_per_second:,.0f} images/s" if entry.images_per_second else ""
        left = f", {entry.seconds_left:,.0f} s left" if entry.seconds_left is not None else ""
        return f"running, epoch {entry.epoch} of {epochs}{speed}{left}" if entry.epoch else "running, starting"
    if entry.state == "finished":
        return "finished"  # perhaps in the store before it was asked for, so that the queue counted no epoch
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.state} after epoch {entry.whole_epochs} of {epochs}{reason}"
