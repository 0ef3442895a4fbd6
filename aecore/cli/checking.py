"""The command `check`: everything there is to say of a line of layers before it is trained."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from aecore import AecoreError
from aecore.cli.listing import code_text
from aecore.cli.output import add_json, say, write, write_json, write_table
from aecore.data.catalog import SOURCES
from aecore.models import zoo
from aecore.models.diagnosis import Diagnosis, diagnose
from aecore.models.layers import shape_text
from aecore.models.recipe import RunSpec
from aecore.models.zoo import Start
from aecore.scheduling import costs
from aecore.scheduling.costs import Estimate
from aecore.scheduling.places import accelerator, device_name
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds


class NotLegalError(AecoreError):
    """A line of layers has problems; they are printed."""


def add_check(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.add_argument("line", metavar="LINE", help="layers, such as 'conv8 | pool | up | conv3:sigmoid', or a name")
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="measure the speed on this device, unless it is known: cpu, cuda, cuda:1, mps",
    )
    add_json(parser, "print JSON instead of text and tables")
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    """Print the diagnosis; raises `NotLegalError` after it, so that the exit status says whether the line is legal."""
    diagnosis = diagnose(_line(options.line))
    start = zoo.of(diagnosis.architecture) if diagnosis.architecture else None
    epochs = _epochs(start, options.device) if start else {}
    if options.json:
        write_json(_facts(diagnosis, start, epochs))
    else:
        _write(diagnosis, start, epochs)
    if count := len(diagnosis.problems):
        raise NotLegalError(f"The line has {count} problem{'s' if count > 1 else ''} and cannot be trained.")


def _line(text: str) -> str:
    """The layers of a system or a saved architecture, or the text itself."""
    known = zoo.SYSTEMS.get(text) or zoo.saved_systems().get(text)
    return str(known.architecture) if known else text


def _write(diagnosis: Diagnosis, start: Start | None, epochs: dict[str, Estimate]) -> None:
    for problem in diagnosis.problems:
        write(problem.sentence)
        for repair in problem.repairs:
            write(f"    {repair.label}: {repair.line}")
    if rows := _layers(diagnosis):
        write_table(rows, list(rows[0]))
    if start is None:
        return
    summary = start.architecture.summary()
    write(f"{summary.parameters:,} parameters, {summary.macs:,} MACs per picture. {code_text(summary)}")
    for advice in diagnosis.advice:
        where = f"Layer {advice.position}: " if advice.position else ""
        write(f"{where}{advice.sentence} {advice.reason}{f' ({advice.source})' if advice.source else ''}")
        for repair in advice.repairs:
            write(f"    {repair.label}: {repair.line}")
    _write_epochs(start, epochs)


def _write_epochs(start: Start, epochs: dict[str, Estimate]) -> None:
    source = _source(start)
    if source is None:
        write(f"No data set has pictures of {shape_text(start.architecture.input_shape)}.")
    elif not epochs:
        write("Seconds per epoch are not known: `--device cpu` measures the speed.")
    else:
        for device, estimate in epochs.items():
            write(
                f"{estimate.seconds:,.3g} s per epoch of {SOURCES[source].title} on {device}: "
                f"{estimate.images_per_second:,.0f} images/s in batches of {start.recipe.batch_size}, "
                f"{estimate.source}."
            )


def _layers(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """A row per legal layer; what it sees of the picture is known only before the first that is not legal."""
    fields = {row.step.position: row.receptive_field for row in diagnosis.rows}
    return [
        {
            "position": step.position,
            "layer": str(step.layer),
            "output": shape_text(step.output_shape),
            "parameters": step.parameters,
            "MACs": step.macs,
            "receptive field": shape_text(fields[step.position]) if step.position in fields else None,
        }
        for step in diagnosis.steps
    ]


def _facts(diagnosis: Diagnosis, start: Start | None, epochs: dict[str, Estimate]) -> dict[str, Any]:
    summary = start.architecture.summary() if start else None
    return {
        "line": diagnosis.text,
        "legal": diagnosis.is_legal,
        "words": [asdict(word) for word in diagnosis.words],
        "problems": [asdict(problem) for problem in diagnosis.problems],
        "advice": [asdict(advice) for advice in diagnosis.advice],
        "layers": _layers(diagnosis),
        "parameters": summary and summary.parameters,
        "macs": summary and summary.macs,
        "code_shape": summary and summary.code_shape,
        "code_size": summary and summary.code_size,
        "code_ratio": summary and summary.code_ratio,
        "name": start and start.name,
        "dataset": start and _source(start),
        "batch_size": start and start.recipe.batch_size,
        "epochs": [{"device": device, **asdict(estimate)} for device, estimate in epochs.items()],
    }


def _source(start: Start) -> str | None:
    """The data set that would be trained on, if it has pictures of this shape."""
    return start.dataset if SOURCES[start.dataset].shape == start.architecture.input_shape else None


def _epochs(start: Start, device: str | None) -> dict[str, Estimate]:
    """How long an epoch takes on the device, by its name, or on all of which something is known."""
    source = _source(start)
    if source is None:
        return {}
    spec = RunSpec(start.architecture, start.recipe, source, "", name=start.name)
    pictures = SOURCES[source].learning_pictures
    if device is None:
        return costs.per_epoch(spec, pictures)
    device = device_name(device)
    speed = Speeds(Queue().database).find(spec, device) or _measured(spec, device)
    if speed is None:
        return {}
    name = f"{device} ({accelerator(device)})"
    return {name: costs.of_epoch(pictures, speed, "measured", measured_here=True)}


def _measured(spec: RunSpec, device: str) -> float | None:
    """The speed of a run on the device; None, and a sentence, where it cannot be trained there."""
    # Brings torch, which takes a second to import and is not needed for what is known.
    from aecore.cli.training import measured

    try:
        return measured(spec, device)
    except AecoreError as error:
        say(str(error), style="yellow")
        return None
