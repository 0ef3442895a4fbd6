"""The commands `train` and `measure`, and what all commands that train share: recipe options and progress bar."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aecore.cli.output import add_json, err, run_row, say, totals_text, write, write_json
from aecore.data import datasets
from aecore.data.catalog import CROPS, SAMPLE
from aecore.data.noise import KINDS, Noise
from aecore.data.splits import Dataset
from aecore.files.allocator import keep_freed_memory
from aecore.models import zoo
from aecore.models.layers import shape_text
from aecore.models.recipe import LOSSES, RunSpec, parse_penalties
from aecore.models.zoo import Start
from aecore.runs import execution
from aecore.runs.events import Finished, Restarted, Resumed, Scored
from aecore.runs.store import Run
from aecore.scheduling import costs
from aecore.scheduling.places import accelerator as accelerator_of
from aecore.scheduling.places import device_name
from aecore.training import machine
from aecore.training.devices import find_device
from aecore.training.events import Progress as TrainingProgress

RESUMABLE = "Stopped. Finished epochs are kept: the same command continues from there."
DEVICES = "cpu, cuda, cuda:1, mps (default: the fastest)"


def add_train(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="+",
        help="systems, or lines of layers such as 'conv8 | conv3:k1:sigmoid'",
    )
    add_recipe_options(parser)
    add_light(parser)
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="decides weights, order of pictures and noise (default 0)"
    )
    add_json(parser, "print the finished runs as JSON")
    parser.set_defaults(command=_train, stopped=RESUMABLE)


def add_light(parser: argparse.ArgumentParser) -> None:
    """The option to keep runs light."""
    parser.add_argument(
        "--light", action="store_true", help="keep scores, loss curves and the preview of each run, but no weights"
    )


def add_measure(parser: argparse.ArgumentParser) -> None:
    """The options of `measure`."""
    parser.add_argument("name", metavar="NAME", help="a system, or a line of layers")
    parser.add_argument("--batch-size", type=int, metavar="N", help="pictures per step (default: the system's own)")
    parser.add_argument("--device", metavar="NAME", help=DEVICES)
    add_json(parser, "print JSON instead of a sentence")
    parser.set_defaults(command=_measure)


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """The options that change a recipe, and where to train."""
    recipe = parser.add_argument_group("recipe", "settings that are not given are those of the system's own recipe")
    recipe.add_argument("--epochs", type=int, metavar="N", help="passes through the training pictures")
    recipe.add_argument("--images", type=int, metavar="N", help="only the first N training pictures")
    recipe.add_argument("--batch-size", type=int, metavar="N", help="pictures per step")
    recipe.add_argument("--learning-rate", type=float, metavar="RATE", help="Adam's learning rate")
    recipe.add_argument("--loss", metavar="LOSS", help=f"one of {', '.join(LOSSES)}")
    recipe.add_argument(
        "--penalty",
        metavar="NAME:WEIGHT",
        help="penalties that layers report, to be added to the loss: such as sparsity:0.001, several with commas",
    )
    recipe.add_argument(
        "--noise",
        metavar="KIND:LEVEL",
        help="on the input: such as gaussian:0.3, or gaussian:0..1 for a level drawn per picture, or "
        "gaussian:0.03..1:log for one whose logarithm is drawn; none:0 for no noise; "
        f"kinds: {', '.join(KINDS)}",
    )
    recipe.add_argument(
        "--initialisation", metavar="NAME", help="keras, torch, or pca for a linear pair around the code or of patches"
    )
    recipe.add_argument("--schedule", metavar="NAME", help="of the learning rate: cosine (default: constant)")
    recipe.add_argument(
        "--redraw", action="store_true", default=None, help="other training pictures for each seed, out of the same set"
    )
    recipe.add_argument(
        "--average",
        type=float,
        metavar="DECAY",
        help="take the moving average of the weights over the steps, with a decay such as 0.999 (default: the last)",
    )
    recipe.add_argument(
        "--flips", action="store_true", default=None, help="mirror each picture left to right at random in every epoch"
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="a data set, or folder:PATH for your own pictures at 32×32; folder@64:PATH for 64×64, up to 256×256",
    )
    parser.add_argument("--device", metavar="NAME", help=DEVICES)


def recipe_changes(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of a recipe that the options name."""
    plain = ("epochs", "images", "batch_size", "learning_rate", "loss", "initialisation", "schedule")
    names = (*plain, "redraw", "average", "flips")
    changes = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.noise is not None:
        changes["noise"] = parse_noise(options.noise)
    if options.penalty is not None:
        changes["penalties"] = parse_penalties(options.penalty)
    return changes


def chosen_dataset(options: argparse.Namespace) -> Dataset | None:
    """The data set that the options name, read once for all that is planned; what its reader has to say is said."""
    if options.dataset is None:
        return None
    dataset = datasets.load(options.dataset)
    if dataset.note:
        say(dataset.note, style="yellow")
    return dataset


def parse_noise(text: str) -> Noise:
    """The noise of a text; `none` at any level is no noise."""
    return Noise("gaussian", 0.0) if text.partition(":")[0] == "none" else Noise.parse(text)


def _train(options: argparse.Namespace) -> None:
    changes = recipe_changes(options)
    device = find_device(options.device)
    starts, dataset = [zoo.from_text(name) for name in options.names], chosen_dataset(options)
    finished = []
    for start in starts:
        spec = execution.plan(start, dataset=dataset, seed=options.seed, **changes)
        _say_what_differs(start, spec, is_asked=options.dataset is not None)
        finished.append(train_here(spec, device, light=options.light))
    if options.json:
        write_json([run_row(run) for run in finished])


def _say_what_differs(start: Start, spec: RunSpec, is_asked: bool) -> None:
    """Say where a run is not what its start says: other pictures, unless they were asked for, or another size."""
    if spec.dataset in CROPS and spec.dataset != start.dataset and not is_asked:
        stand_in = "the embedded sample" if spec.dataset == SAMPLE else spec.dataset
        say(
            f"{start.dataset} is not here: training on {stand_in} instead, whose figures say nothing "
            f"about {start.dataset}. `python -m aecore data fetch {start.dataset}` gets the real pictures."
        )
    if spec.architecture != start.architecture:
        code = spec.architecture.code
        size = f", with a code of {shape_text(code.output_shape)}" if code else ""
        say(
            f"{start.name} takes pictures of {shape_text(start.architecture.input_shape)}; it is trained here with the "
            f"same layers for {shape_text(spec.architecture.input_shape)}{size}."
        )


def train_here(spec: RunSpec, device: torch.device, *, half: bool = False, light: bool = False) -> Run:
    """The run of `spec`, trained in this process with a progress bar, or taken from the store."""
    if device.type == "cpu":
        keep_freed_memory()
    return follow(spec, execution.execute(spec, device=device, half=half, light=light))


def follow(spec: RunSpec, events: Iterable[Any]) -> Run:
    """Draw a progress bar from a run's events, and say in a line how it ended."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err()) as progress:
        bar = progress.add_task(spec.name, total=None, rate="")
        for event in events:
            match event:
                case Resumed(epoch, damage):
                    say(f"{spec.name}: {damage}{' G' if damage else 'g'}oing on after epoch {epoch}.")
                case Restarted(reason):
                    say(f"{reason} Training starts again from the first epoch.")
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
                case Finished(run, cached):
                    progress.remove_task(bar)
                    verb = "was in the store" if cached else "finished"
                    say(f"{run.path.name} {verb}: {totals_text(run)}")
                    return run
    raise AssertionError("a run's last event says that it finished")


def measured(spec: RunSpec, device: str, seconds: float = 1.0) -> float:
    """The pictures per second of a run on a device, which this process measures as a run from the queue would have it.

    The speed is recorded for later estimates.
    """
    if device == "cpu":
        keep_freed_memory()  # as in a run
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(machine.run_threads())  # as many as a run from the queue gets
    return costs.measure(spec, device, seconds=seconds)


def _measure(options: argparse.Namespace) -> None:
    start = zoo.from_text(options.name)
    recipe = start.recipe if options.batch_size is None else replace(start.recipe, batch_size=options.batch_size)
    spec = RunSpec(start.architecture, recipe, start.dataset, "", name=start.name)
    device = device_name(options.device)
    speed, accelerator = measured(spec, device), accelerator_of(device)
    if options.json:
        write_json(
            {
                "name": start.name,
                "architecture": str(start.architecture),
                "batch_size": recipe.batch_size,
                "device": device,
                "accelerator": accelerator,
                "images_per_second": round(speed, 1),
            }
        )
    else:
        batches = f"in batches of {recipe.batch_size}"
        write(f"{start.name} trains at {speed:,.0f} images/s {batches} on {device} ({accelerator}).")
