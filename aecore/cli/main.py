"""The command line: the whole of `aecore` without a browser."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from math import isfinite
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from aecore import AecoreError
from aecore.data.noise import KINDS, Noise
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.layers import shape_text
from aecore.models.recipe import KEY_DIGITS, LOSSES, Recipe, RecipeError, RunSpec
from aecore.models.zoo import System
from aecore.reconstructors.codecs import FORMATS
from aecore.reconstructors.denoisers import METHODS
from aecore.runs.store import Listing, Run, Store, StoreError
from aecore.scheduling.entries import Entry, FullError, QueueError
from aecore.scheduling.places import ENGINES, device_name
from aecore.scheduling.queue import Queue
from aecore.studies.denoising import SUBSET

if TYPE_CHECKING:
    import pandas as pd

    from aecore.runs.events import Finished

INTERRUPTED = 130
SLOW_BATCH = 10  # pictures of a slow denoiser between two moves of the bar
SEEDS = 10_000  # in a sweep, at most
LOOK = 1.0  # seconds between two looks at the queue
STOPPING = 5.0  # seconds to wait for a run that is told to stop
out = Console(width=None if sys.stdout.isatty() else 160)  # rich folds what is piped to 80 columns
err = Console(stderr=True)
WRAPPING = {"story", "state", "path"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it succeeded, 1 if it told what was wrong, 2 for a usage error, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    # A detached or supervised process is told to stop by SIGTERM: it means what Ctrl-C means.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options.command(options)
    except AecoreError as error:
        _say(str(error), style="red")
        return 1
    except KeyboardInterrupt:
        _say(_STOPPED.get(options.command, "Stopped."))
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _say(sentence: str, style: str = "") -> None:
    """A sentence to whoever watches, beside the results."""
    err.print(sentence, style=style, highlight=False, markup=False, soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aecore",
        description="Train, cache and compare autoencoder architectures.",
        epilog="Data sets lie in AECORE_DATA (default data/), runs in AECORE_CHECKPOINTS (default checkpoints/).",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    json_help = "print JSON instead of a table"
    add("list", _list, "List the systems that can be trained.").add_argument(
        "--json", action="store_true", help=json_help
    )

    show = add("show", _show, "Show a system or a run: its layers, recipe and results.")
    show.add_argument("name", metavar="NAME", help="a system, a run, a key, or a line of layers")
    show.add_argument("--json", action="store_true", help=json_help)

    train = add("train", _train, "Train systems, or take their runs from the store.")
    train.add_argument(
        "names",
        metavar="NAME",
        nargs="+",
        help="systems, or lines of layers such as 'conv8 | conv3:k1:sigmoid'",
    )
    _add_recipe_options(train)
    train.add_argument("--seed", type=int, default=0, metavar="N", help="seed of weights, order and noise (default 0)")
    train.add_argument("--json", action="store_true", help="print the finished runs as JSON")

    sweep = add("sweep", _sweep, "Train systems with many seeds by way of the queue, and wait for all of them.")
    sweep.add_argument("names", metavar="NAME", nargs="+", help="systems, or lines of layers")
    _add_recipe_options(sweep)
    sweep.add_argument("--seeds", default="0", metavar="LIST", help="such as 0-9 or 1,3,5 (default 0)")
    sweep.add_argument("--engine", choices=ENGINES, help="where runs are trained (default: AECORE_ENGINE, or local)")
    sweep.add_argument("--json", action="store_true", help="print the finished runs as JSON")

    runs = add("runs", _runs, "List the runs in the store and in the queue; show, stop or resume one of the queue.")
    runs.add_argument("--json", action="store_true", help=json_help)
    _add_queue_commands(runs, json_help)

    measure = add("measure", _measure, "Measure for about a second how fast an architecture trains here.")
    measure.add_argument("name", metavar="NAME", help="a system, or a line of layers")
    measure.add_argument("--batch-size", type=int, metavar="N", help="pictures a step (default: the system's own)")
    measure.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps (default: the fastest)")
    measure.add_argument("--json", action="store_true", help="print JSON instead of a sentence")

    add("work", _work, "Work off the queue of runs; the dashboard starts this by itself, and it outlives it.")
    attempt = commands.add_parser("attempt")  # not listed: only the supervisor starts it, holding its standard input
    attempt.set_defaults(command=_attempt)
    attempt.add_argument("run", type=int)
    attempt.add_argument("fence", type=int)

    score = add("score", _score, "Score runs and baselines on test pictures.")
    score.add_argument(
        "names",
        metavar="NAME",
        nargs="+",
        help="runs, by name or key, or baselines: identity, mean, pca-N, "
        + ", ".join([*(f"{kind}-Q" for kind in FORMATS), *METHODS]),
    )
    score.add_argument("--dataset", metavar="NAME", help="score on another data set than the run's own")
    score.add_argument(
        "--noise",
        metavar="KIND:LEVEL",
        help="noise on the input (default: what the run was trained on; none: none:0)",
    )
    score.add_argument(
        "--images",
        type=int,
        metavar="N",
        help="only the first N test pictures; means then come with half their 95%% interval, by Student's t "
        f"(default: all, or {SUBSET} for slow denoisers)",
    )
    score.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the noise (default 0)")
    score.add_argument(
        "--metrics",
        default="",
        metavar="LIST",
        help="other metrics beside MSE, PSNR and SSIM, such as gmsd,fsim, or all; what each means is told",
    )
    score.add_argument("--json", action="store_true", help=json_help)

    data = commands.add_parser("data", help="Data sets: what is here, and how to get the rest.")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION")
    status = actions.add_parser("status", help="list the data sets and where they are")
    status.add_argument("--json", action="store_true", help=json_help)
    status.set_defaults(command=_data_status)
    fetch = actions.add_parser("fetch", help="download a data set, verify it, and put it in place")
    fetch.add_argument("names", metavar="NAME", nargs="+", help="data sets, for example cifar10")
    fetch.set_defaults(command=_data_fetch)

    publish = add(
        "publish",
        _publish,
        "Train systems by their recipes on the real data, in float16, and print the results table.",
    )
    publish.add_argument("names", metavar="NAME", nargs="*", help="systems (default: all)")
    publish.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps (default: the fastest)")

    add("baselines", _baselines, "Measure PCA at every code size on the real data, and publish the curves.")
    denoising = add("denoising", _denoising, "Measure every denoiser, trained and classical, at every level; publish.")
    denoising.add_argument("--images", type=int, metavar="N", help="only the first N test pictures (default: all)")
    add("rates", _rates, "Measure every code in bits, beside PCA, JPEG, WebP and AVIF, and publish the curves.")
    return parser


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    recipe = parser.add_argument_group("recipe", "what is not given is as in the system's own recipe")
    recipe.add_argument("--epochs", type=int, metavar="N", help="passes through the training pictures")
    recipe.add_argument("--images", type=int, metavar="N", help="only the first N training pictures")
    recipe.add_argument("--batch-size", type=int, metavar="N", help="pictures a step")
    recipe.add_argument("--learning-rate", type=float, metavar="RATE", help="Adam's learning rate")
    recipe.add_argument("--loss", metavar="LOSS", help=f"one of {', '.join(LOSSES)}")
    recipe.add_argument(
        "--noise",
        metavar="KIND:LEVEL",
        help=f"such as gaussian:0.3, or gaussian:0..1 for any of these; kinds: {', '.join(KINDS)}; none:0 for none",
    )
    recipe.add_argument(
        "--initialisation", metavar="NAME", help="keras, torch, or pca for a linear pair around the code"
    )
    recipe.add_argument("--schedule", metavar="NAME", help="of the learning rate: cosine (default: constant)")
    parser.add_argument("--dataset", metavar="NAME", help="a data set, or folder:PATH for your own pictures")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps (default: the fastest)")


def _add_queue_commands(runs: argparse.ArgumentParser, json_help: str) -> None:
    commands = runs.add_subparsers(metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("id", metavar="ID", help="its number in the queue, or the first digits of its key")
        command.set_defaults(command=run)
        return command

    show = add("show", _runs_show, "Show a run of the queue: what it is, where it stands, and its curve.")
    show.add_argument("--json", action="store_true", help=json_help)
    add("cancel", partial(_runs_change, Queue.cancel), "Stop a run for good; its whole epochs are kept.")
    add("pause", partial(_runs_change, Queue.pause), "Stop a run until it is resumed.")
    add(
        "resume", partial(_runs_change, Queue.resume), "Queue a stopped run again, to go on after its last whole epoch."
    )
    log = add("log", _runs_log, "Print the last lines of what a run's processes had to say.")
    log.add_argument("--lines", type=int, default=200, metavar="N", help="how many (default %(default)s)")


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
        for system in zoo.SYSTEMS.values()
    ]
    _print_rows(rows, options.json, ["name", "family", "epochs", "code", "parameters", "story"])


def _show(options: argparse.Namespace) -> None:
    system, run = _system_and_run(options.name)
    architecture = run.spec.architecture if run else system.architecture
    recipe = run.spec.recipe if run else system.recipe
    summary = architecture.summary()
    rows = [
        {
            "layer": str(row.step.layer),
            "output": shape_text(row.step.output_shape),
            "parameters": row.step.parameters,
            "MACs": row.step.macs,
            "receptive field": shape_text(row.receptive_field),
        }
        for row in summary.rows
    ]
    if options.json:
        facts = {
            "name": system.name,
            "architecture": str(architecture),
            "layers": rows,
            "parameters": summary.parameters,
            "macs": summary.macs,
            "code_shape": summary.code_shape,
            "code_size": summary.code_size,
            "code_ratio": summary.code_ratio,
            "recipe": recipe.to_json(),
            "run": _run_row(run) if run else None,
        }
        out.print_json(json.dumps(facts))
        return
    out.print(f"{system.title}: {system.story}" if system.story else system.title, markup=False, soft_wrap=True)
    out.print(str(architecture), markup=False, highlight=False)
    _print_rows(rows, False, list(rows[0]))
    out.print(
        f"{summary.parameters:,} parameters, {summary.macs:,} MACs a picture. Code: "
        f"{shape_text(summary.code_shape)} = {summary.code_size:,} numbers, {summary.code_ratio:.3g}× the picture's."
    )
    if system.seed_words:
        seed_psnr = f", {system.seed_psnr} dB pooled on its 400 pictures" if system.seed_psnr else ""
        out.print(f"The seed: {system.seed_words}{seed_psnr}.", markup=False, highlight=False, soft_wrap=True)
    out.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in recipe.to_json().items() if value))
    if run:
        out.print(f"Run {run.path.name}: {_totals_text(run)}", markup=False, soft_wrap=True)
    else:
        out.print(f"Not trained yet: python -m aecore train {options.name!r}", markup=False, soft_wrap=True)


def _system_and_run(name: str) -> tuple[System, Run | None]:
    """What `name` stands for: a line of layers, a system (with its run, if there is one), or a run."""
    store = Store()
    if name in zoo.SYSTEMS or _is_architecture(name):
        system = _system(name)
        runs = [run for run in store.listing().runs if run.spec.architecture == system.architecture]
        own = [run for run in runs if run.name == system.name]
        return system, max(own, key=lambda run: (zoo.is_own(run.spec), run.finished), default=None)
    try:
        run = store.find(name)
    except StoreError:
        zoo.find(name)
        raise
    return _system(run.name if run.name in zoo.SYSTEMS else str(run.spec.architecture)), run


def _is_architecture(name: str) -> bool:
    return "|" in name or ":" in name or (name[:1].isdigit() and "x" in name)


def _system(name: str) -> System:
    """A system of the zoo, or one made from a line of layers."""
    if not _is_architecture(name):
        return zoo.find(name)
    architecture = Architecture.parse(name)
    for system in zoo.SYSTEMS.values():
        if system.architecture == architecture:
            return system
    alike = next(
        (each for each in zoo.SYSTEMS.values() if each.architecture.input_shape == architecture.input_shape), None
    )
    dataset = alike.dataset if alike else "cifar10"
    return System("custom", "Custom", "shallow", "", architecture, Recipe(), "", dataset=dataset)


def _train(options: argparse.Namespace) -> None:
    from aecore.data.catalog import SAMPLE
    from aecore.runs import execution
    from aecore.training.devices import find_device

    changes = _recipe_changes(options)
    device = find_device(options.device)
    finished = []
    for name in options.names:
        system = _system(name)
        spec = execution.plan(system, dataset=options.dataset, seed=options.seed, **changes)
        if spec.dataset == SAMPLE and options.dataset is None:
            _say(
                f"{system.dataset} is not here: training on the embedded sample, whose figures are not its. "
                f"`python -m aecore data fetch {system.dataset}` gets the real pictures."
            )
        finished.append(_follow(spec, execution.execute(spec, device=device)))
    if options.json:
        out.print_json(json.dumps([_run_row(each.run) for each in finished]))


def _recipe_changes(options: argparse.Namespace) -> dict[str, Any]:
    names = ("epochs", "images", "batch_size", "learning_rate", "loss", "initialisation", "schedule")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.noise is not None:
        changes["noise"] = _noise(options.noise)
    return changes


def _noise(text: str) -> Noise | None:
    return None if text.partition(":")[0] == "none" else Noise.parse(text)


def _follow(spec: RunSpec, events: Iterable[Any]) -> Finished:
    """Draw a bar from a run's events, and say in a line how it ended."""
    from aecore.runs.events import Finished as RunFinished
    from aecore.runs.events import Restarted, Resumed, Scored
    from aecore.training.events import Progress as TrainingProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task(spec.name, total=None, rate="")
        for event in events:
            match event:
                case Resumed(epoch, damage):
                    _say(f"{spec.name}: {damage}{' G' if damage else 'g'}oing on after epoch {epoch}.")
                case Restarted(reason):
                    _say(f"{reason} Training starts anew.")
                case TrainingProgress(epoch, images, of, loss, rate, _):
                    progress.update(
                        bar,
                        description=f"{spec.name}  epoch {epoch}/{spec.recipe.epochs}  loss {loss:.3g}",
                        total=of * spec.recipe.epochs,
                        completed=of * (epoch - 1) + images,
                        rate=f"{rate:,.0f} images/s",
                    )
                case Scored(pictures, of):
                    progress.update(bar, description=f"{spec.name}  scoring", total=of, completed=pictures, rate="")
                case RunFinished(run, cached):
                    progress.remove_task(bar)
                    verb = "was in the store" if cached else "finished"
                    _say(f"{run.path.name} {verb}: {_totals_text(run)}")
                    return event
    raise AssertionError("a run's last event says that it finished")


def _sweep(options: argparse.Namespace) -> None:
    from aecore.data import index_lists
    from aecore.runs import execution
    from aecore.scheduling import cluster

    address = cluster.chosen(options.engine)
    seeds = index_lists.parse(options.seeds, below=SEEDS, most=SEEDS, what="seed")
    changes, queue = _recipe_changes(options), Queue()
    specs = [
        execution.plan(system, dataset=options.dataset, seed=seed, **changes)
        for system in map(_system, options.names)
        for seed in seeds
    ]
    ended = _finished_sweep(queue, specs, options.device, address)
    finished = {entry.spec.key: queue.store.finished(entry.spec) for entry in ended if entry.state == "finished"}
    found = [run for run in finished.values() if run is not None]
    if options.json:
        out.print_json(json.dumps([_run_row(run) for run in found]))
    elif found:
        _print_rows(_sweep_rows(found), False, ["name", "runs", "PSNR pooled", "± sd", "SSIM", "MSE"])
    if missing := len(ended) - len(found):
        raise QueueError(f"{missing} of {len(ended)} runs did not finish: `python -m aecore runs` tells why.")


def _finished_sweep(queue: Queue, specs: Sequence[RunSpec], device: str | None, address: str | None) -> list[Entry]:
    """Queue the runs as there is room, wait for all of them, and say how each ended."""
    waiting, asked, ended, told = list(reversed(specs)), list[int](), dict[int, Entry](), ""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task("runs", total=len(specs))
        while len(ended) < len(specs):
            with suppress(FullError):
                while waiting:
                    asked.append(queue.submit(waiting[-1], device, address).id)
                    waiting.pop()
            queue.reconcile()
            entries = [queue.entry(run) for run in asked if run not in ended]
            for entry in entries:
                if entry.state not in ("queued", "running"):
                    ended[entry.id] = entry
                    _say(f"{_system_name(entry.spec)}, seed {entry.spec.seed}: {_entry_text(entry)}")
            reason = next((entry.reason for entry in entries if entry.state == "queued" and entry.reason), told)
            if reason != told:
                _say(reason)
            told = reason
            running = sum(entry.state == "running" for entry in entries)
            progress.update(bar, completed=len(ended), description=f"{running} running")
            time.sleep(LOOK)
    return [ended[run] for run in asked]


def _system_name(spec: RunSpec) -> str:
    """Its name, or its layers where it is no system of the zoo."""
    return spec.name if spec.name in zoo.SYSTEMS else str(spec.architecture)


def _sweep_rows(found: Sequence[Run]) -> list[dict[str, Any]]:
    """A row a system: the mean over its runs, and how much they scatter."""
    rows = []
    for name in dict.fromkeys(_system_name(run.spec) for run in found):
        totals = [run.totals for run in found if _system_name(run.spec) == name]
        psnr = [each.psnr_pooled for each in totals]
        rows.append(
            {
                "name": name,
                "runs": len(totals),
                "PSNR pooled": f"{fmean(psnr):.3f}",
                "± sd": f"{stdev(psnr):.3f}" if len(psnr) > 1 else "",
                "SSIM": f"{fmean(each.ssim for each in totals):.4f}",
                "MSE": f"{fmean(each.mse for each in totals):.4g}",
            }
        )
    return rows


def _runs(options: argparse.Namespace) -> None:
    listing = Store().listing()
    rows = [_run_row(run) for run in listing.runs]
    trouble, entries = "", list[Entry]()
    try:
        queue = Queue()
        queue.reconcile()
        entries = queue.entries()
    except AecoreError as error:
        trouble = str(error)
    # The newest entry of a spec tells what became of it; a finished one is listed as a run.
    newest = {entry.spec.key: entry for entry in sorted(entries, key=lambda entry: (entry.live, entry.id))}
    asked = [entry for entry in newest.values() if entry.state != "finished"]
    told: list[tuple[int | None, RunSpec, str]] = [(entry.id, entry.spec, _entry_text(entry)) for entry in asked]
    told += [
        (None, each.spec, f"stopped after epoch {each.epoch} of {each.spec.recipe.epochs}")
        for each in listing.unfinished
        if each.spec.key not in {entry.spec.key for entry in asked}
    ]
    blank = dict.fromkeys(rows[0] if rows else ())
    rows += [
        {
            **blank,
            "id": number,
            "name": spec.name,
            "key": spec.key[:KEY_DIGITS],
            "dataset": spec.dataset,
            "seed": spec.seed,
            "state": state,
        }
        for number, spec, state in told
    ]
    if not rows and not options.json:
        out.print("No runs yet: python -m aecore train shallow-strided")
    else:
        columns = ["id"] * bool(told) + ["name", "key", "dataset", "seed", "state", "PSNR pooled", "SSIM"]
        _print_rows(rows, options.json, columns)
    _report_damage(listing)
    if trouble:
        raise QueueError(trouble)


def _runs_show(options: argparse.Namespace) -> None:
    queue = Queue()
    queue.reconcile()
    entry = queue.find(options.id)
    epochs = [{**asdict(row), "preview": row.preview is not None} for row in queue.epochs(entry.id)]
    times = {
        name: moment and datetime.fromtimestamp(moment).astimezone().isoformat(timespec="seconds")
        for name, moment in (("submitted", entry.submitted), ("started", entry.started), ("ended", entry.ended))
    }
    if options.json:
        facts = {**asdict(entry), **times, "spec": entry.spec.to_json(), "key": entry.spec.key, "epochs": epochs}
        out.print_json(json.dumps(facts))
        return
    spec = entry.spec
    out.print(f"Run {entry.id}, {spec.name}: {_entry_text(entry)}", markup=False, highlight=False, soft_wrap=True)
    out.print(str(spec.architecture), markup=False, highlight=False, soft_wrap=True)
    recipe = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in spec.recipe.to_json().items() if value)
    out.print(f"{spec.dataset}, seed {spec.seed}, {recipe}; on {entry.place}", markup=False, soft_wrap=True)
    out.print("; ".join(f"{name} {moment}" for name, moment in times.items() if moment), highlight=False)
    if epochs:
        digits = {"train_loss": ".4g", "validation_loss": ".4g", "images_per_second": ",.0f", "seconds": ",.1f"}
        rows = [
            {"epoch": row["epoch"]} | {name.replace("_", " "): format(row[name], form) for name, form in digits.items()}
            for row in epochs
        ]
        _print_rows(rows, False, list(rows[0]))


def _runs_change(change: Callable[[Queue, int], Entry], options: argparse.Namespace) -> None:
    queue = Queue()
    entry = change(queue, queue.find(options.id).id)
    deadline = time.monotonic() + STOPPING
    while entry.wish and time.monotonic() < deadline:
        time.sleep(0.05)
        entry = queue.entry(entry.id)
    text = "stopping" if entry.wish else _entry_text(entry)
    _say(f"Run {entry.id}, {entry.spec.name}: {text.rstrip('.')}.")


def _runs_log(options: argparse.Namespace) -> None:
    queue = Queue()
    print(queue.log(queue.find(options.id).id, max(1, options.lines)))


def _entry_text(entry: Entry) -> str:
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
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.state} after epoch {entry.whole_epochs} of {epochs}{reason}"


def _measure(options: argparse.Namespace) -> None:
    import torch

    from aecore.scheduling import costs, engines

    system = _system(options.name)
    recipe = system.recipe if options.batch_size is None else replace(system.recipe, batch_size=options.batch_size)
    spec = RunSpec(system.architecture, recipe, system.dataset, "", name=system.name)
    device = device_name(options.device)
    if device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(engines.threads())  # as many as a run from the queue gets
    speed = costs.measure(spec, device)
    facts = {
        "name": system.name,
        "architecture": str(system.architecture),
        "batch_size": recipe.batch_size,
        "device": device,
        "accelerator": costs.accelerator(device),
        "images_per_second": round(speed, 1),
    }
    if options.json:
        out.print_json(json.dumps(facts))
    else:
        batches = f"in batches of {recipe.batch_size}"
        out.print(f"{system.name} trains at {speed:,.0f} images/s {batches} on {device} ({facts['accelerator']}).")


def _work(options: argparse.Namespace) -> None:
    from aecore.scheduling import engines

    with closing(engines.supervise(Queue())) as told:
        for sentence in told:
            _say(sentence)


def _attempt(options: argparse.Namespace) -> None:
    from aecore.scheduling import engines

    engines.attempt(Queue(), options.run, options.fence)


def _report_damage(listing: Listing) -> None:
    for sentence in listing.damaged:
        _say(sentence, style="yellow")


def _run_row(run: Run) -> dict[str, Any]:
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


def _totals_text(run: Run) -> str:
    totals = run.totals
    noise = f" under {run.spec.recipe.noise}" if run.spec.recipe.noise else ""
    return (
        f"{totals.psnr_pooled:.2f} dB pooled, {totals.psnr_mean:.2f} dB mean, SSIM {totals.ssim:.3f} on "
        f"{totals.pictures:,} test pictures of {run.spec.dataset}{noise}."
    )


def _score(options: argparse.Namespace) -> None:
    import pandas as pd

    from aecore.data import datasets
    from aecore.data.splits import Split
    from aecore.measuring.metrics import BASIC, METRICS, ScoreError, parse
    from aecore.measuring.scoring import BATCH, score
    from aecore.studies import by_name

    store, rows = Store(), []
    if options.images is not None and options.images < 1:
        raise RecipeError(f"--images must be at least 1, not {options.images}.")
    others = [name for name in parse(options.metrics) if name not in BASIC] if options.metrics else []
    left_out: set[str] = set()
    for name in options.names:
        named = None if by_name.is_baseline(name) else by_name.trained(name, store)
        dataset = datasets.load(options.dataset or (named.spec.dataset if named else "cifar10"))
        noise = named.spec.recipe.noise if named and options.noise is None else _noise(options.noise or "none")
        if named and dataset.shape != named.spec.architecture.input_shape:
            raise StoreError(
                f"{named.name} takes pictures of {shape_text(named.spec.architecture.input_shape)}; those of "
                f"{dataset.title} are {shape_text(dataset.shape)}."
            )
        if named and named.spec.dataset == dataset.name and named.spec.fingerprint != dataset.fingerprint:
            _say(
                f"{dataset.title} has changed since {named.name} was trained: some test pictures may be among those it "
                "learned from.",
                style="yellow",
            )
        model = by_name.find(name, dataset, noise, store)
        test, slow = dataset.test, name in METHODS and METHODS[name].slow
        count = options.images or (SUBSET if slow else None)
        split = Split(test.pixels[:count], test.labels[:count])
        metrics = list(BASIC)
        for other in others:
            try:
                METRICS[other].require(dataset.shape)
            except ScoreError as error:
                if str(error) not in left_out:
                    _say(f"{METRICS[other].title} is left out: {error}")
                left_out.add(str(error))
            else:
                metrics.append(other)
        with Progress(console=err, transient=True) as progress:
            bar = progress.add_task(model.name, total=len(split))
            tables = []
            for table in score(model, split, noise, options.seed, metrics, SLOW_BATCH if slow else BATCH):
                tables.append(table)
                progress.advance(bar, len(table))
        facts = {
            "name": named.path.name if named else name,
            "dataset": dataset.name,
            "noise": str(noise or "none"),
            "pictures": len(split),
        }
        rows.append(facts | _means(pd.concat(tables), metrics, bounded=len(split) < len(test)))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    _print_rows(rows, options.json, columns)
    if options.json:
        return
    if any(name.startswith("±") for name in columns):
        out.print("±: half the 95% interval of the mean, by Student's t over the pictures.", highlight=False)
    for metric in (METRICS[name] for name in others if METRICS[name].title in columns):
        out.print(f"{metric.title}: {metric.meaning}", markup=False, highlight=False, soft_wrap=True)


def _means(table: pd.DataFrame, metrics: Sequence[str], *, bounded: bool) -> dict[str, float | None]:
    """The means of a score table by the metrics' titles; if `bounded`, with half of each one's 95% interval."""
    from aecore.measuring.intervals import margin
    from aecore.measuring.metrics import BASIC, METRICS
    from aecore.measuring.totals import Totals

    totals = Totals.of(table)
    means: dict[str, float | None] = {}

    def add(title: str, mean: float, name: str) -> None:
        means[title] = mean
        if bounded:
            half = margin(table[name])
            means[f"± {title}"] = half and float(f"{half:.2g}")

    add("MSE", float(f"{totals.mse:.4g}"), "mse")
    means["PSNR pooled"] = round(totals.psnr_pooled, 3)
    add("PSNR mean", round(totals.psnr_mean, 3), "psnr")
    add("SSIM", round(totals.ssim, 4), "ssim")
    for name in metrics:
        if name not in BASIC:
            add(METRICS[name].title, float(f"{table[name].mean():.4g}"), name)
    return means


def _data_status(options: argparse.Namespace) -> None:
    from aecore.data import catalog

    rows = [
        {
            "name": status.name,
            "title": status.title,
            "here": status.available,
            "pictures": status.pictures,
            "size": status.size,
            "path": str(status.path),
        }
        for status in catalog.status()
    ]
    _print_rows(rows, options.json, list(rows[0]))


def _data_fetch(options: argparse.Namespace) -> None:
    from aecore.data import downloads

    for name in options.names:
        downloads.fetch(name, progress=_say)


def _publish(options: argparse.Namespace) -> None:
    from aecore.runs import execution
    from aecore.studies import tables
    from aecore.training.devices import find_device

    store, device = Store(), find_device(options.device)
    for system in [zoo.find(name) for name in options.names] or zoo.SYSTEMS.values():
        # Named outright, the data set must be here: the embedded sample's figures are never published.
        spec = execution.plan(system, dataset=system.dataset, store=store)
        kept = store.finished(spec)
        if kept and kept.dtype != "float16":
            raise StoreError(f"{kept.path.name} is kept in {kept.dtype}: remove the folder to publish it in float16.")
        _follow(spec, execution.execute(spec, store=store, device=device, half=True))
    print(tables.results_table(store), tables.compressing_table(store), sep="\n\n")


def _baselines(options: argparse.Namespace) -> None:
    from aecore.studies import pca_measurement

    pca_measurement.publish(Store().root, progress=_say)


def _denoising(options: argparse.Namespace) -> None:
    from aecore.studies import denoising_measurement, tables

    if options.images is not None and options.images < SUBSET:
        raise RecipeError(f"--images must be at least {SUBSET}, not {options.images}.")
    curves = denoising_measurement.publish(Store(), progress=_say, most=options.images)
    print(tables.denoising_table(curves), tables.denoising_comparison(curves), sep="\n\n")


def _rates(options: argparse.Namespace) -> None:
    from aecore.studies import rate_measurement

    rate_measurement.publish(Store().root, progress=_say)


def _print_rows(rows: list[dict[str, Any]], as_json: bool, columns: list[str]) -> None:
    if as_json:
        # JSON knows no infinity, which is the PSNR of a picture that comes back without any error.
        finite = [
            {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in row.items()}
            for row in rows
        ]
        out.print_json(json.dumps(finite, allow_nan=False))
        return
    table = Table(box=None, pad_edge=False)
    numeric = {name for name in columns if any(isinstance(row.get(name), int | float) for row in rows)}
    for name in columns:
        right = name in numeric and not all(isinstance(row.get(name), bool) for row in rows)
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name not in WRAPPING)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    if not WRAPPING & set(columns):  # no digit may be cut: a terminal that is too narrow wraps the line
        table.width = out.measure(table, options=out.options.update(max_width=10_000)).maximum
    out.print(table, crop=False)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


_GOES_ON = "Stopped. Finished epochs are kept: the same command goes on from there."
_STOPPED = {
    _train: _GOES_ON,
    _publish: _GOES_ON,
    _denoising: "Stopped. What is measured is kept: the same command goes on from there.",
    _sweep: "Stopped waiting. The runs go on: `python -m aecore runs` lists them, `runs cancel ID` stops one.",
}
