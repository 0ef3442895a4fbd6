"""The command `bench`: how fast this machine trains and reconstructs, and how much of what it could do that is.

The speeds of training are recorded, as `measure` does, for estimates of how long a run takes.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch

from aecore.cli.output import add_json, say, write_json, write_table
from aecore.cli.training import DEVICES, measured
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.scheduling.places import accelerator, device_name
from aecore.training import speed
from aecore.training.devices import autocasts, multiplies_bfloat16

SYSTEMS = ("dense", "shallow-strided", "deep-strided-4-bn", "denoise-unet")  # one of each kind
SECONDS = 2.0  # of each measurement
FEW, MANY = 12, 100  # pictures at once: those of a page, and those of a batch in scoring
FLOPS_PER_MAC, MACS_PER_TRAINING = 2, 3  # the backward pass takes twice the multiplications of the forward one


def add_bench(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help=f"systems, or lines of layers (default: {', '.join(SYSTEMS)})"
    )
    parser.add_argument("--device", metavar="NAME", help=DEVICES)
    add_json(parser)
    parser.set_defaults(command=_bench)


def _bench(options: argparse.Namespace) -> None:
    device = device_name(options.device)
    starts = [zoo.from_text(name) for name in options.names or SYSTEMS]
    rows = []
    for start in starts:
        say(f"Measuring {start.name}.")
        rows.append(_row(RunSpec(start.architecture, start.recipe, start.dataset, "", name=start.name), device))
    kinds = {"float32": torch.float32}
    if multiplies_bfloat16(torch.device(device)):  # elsewhere it takes very long, or ends the process
        kinds["bfloat16"] = torch.bfloat16
    rates = {
        name: FLOPS_PER_MAC * speed.multiplications_per_second(device, dtype, SECONDS) / 1e9
        for name, dtype in kinds.items()
    }
    for row in rows:
        row["share"] = row["GFLOP/s"] / rates[row["in"]]
    machine = {"device": accelerator(device), "torch": torch.__version__, "matrices, GFLOP/s": rates}
    if options.json:
        write_json(machine | {"systems": rows})
        return
    write_table(
        [{name: _cell(name, value) for name, value in row.items()} for row in rows],
        ["name", "training, images/s", "in", "GFLOP/s", "share", f"{MANY} at once, images/s", f"{FEW} at once, ms"],
    )
    said = " and ".join(f"{rate:,.0f} GFLOP/s in {name}" for name, rate in rates.items())
    say(
        f"{accelerator(device)}, torch {torch.__version__}. The share is that of products of matrices, which it takes "
        f"at {said}."
    )


def _row(spec: RunSpec, device: str) -> dict[str, Any]:
    architecture = spec.architecture
    images = measured(spec, device, SECONDS)
    return {
        "name": spec.name,
        "training, images/s": images,
        "in": "bfloat16" if autocasts(spec, torch.device(device)) else "float32",
        "GFLOP/s": FLOPS_PER_MAC * MACS_PER_TRAINING * architecture.macs * images / 1e9,
        f"{MANY} at once, images/s": speed.reconstructions_per_second(architecture, device, MANY, SECONDS),
        f"{FEW} at once, ms": 1000 * FEW / speed.reconstructions_per_second(architecture, device, FEW, SECONDS),
    }


def _cell(name: str, value: Any) -> Any:
    if name == "share":
        return f"{value:.0%}"
    if not isinstance(value, float):
        return value
    return f"{value:.1f}" if name.endswith("ms") else f"{value:,.0f}"
