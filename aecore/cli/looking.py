"""The command `look`: what an architecture makes of a few pictures while it trains for some seconds.

Its speed is recorded, as `measure` does, for estimates of how long an epoch takes.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
from contextlib import suppress
from statistics import median

import torch

from aecore import AecoreError
from aecore.cli.output import add_json, write
from aecore.cli.training import DEVICES
from aecore.data import datasets
from aecore.files.allocator import keep_freed_memory
from aecore.measuring.totals import psnr_text
from aecore.models import zoo
from aecore.models.diagnosis import diagnose
from aecore.models.layers import shape_text
from aecore.models.recipe import RunSpec
from aecore.runs import execution, looks
from aecore.runs.looks import SECONDS
from aecore.scheduling.places import device_name
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from aecore.training import machine
from aecore.training.devices import find_device

LONGEST = 600.0  # seconds


class LookError(AecoreError):
    """A look cannot be taken; the text says why."""


def add_look(parser: argparse.ArgumentParser) -> None:
    """The options of `look`."""
    parser.add_argument("line", metavar="LINE", help="layers, such as 'conv8 | pool | up | conv3:sigmoid', or a name")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="N", help="of training (default 30)")
    parser.add_argument("--device", metavar="NAME", help=DEVICES)
    add_json(parser, "print a line of JSON per glance, with the pictures as a PNG in base64")
    parser.set_defaults(command=_look)


def _look(options: argparse.Namespace) -> None:
    if not 0 < options.seconds <= LONGEST:
        raise LookError(f"A look takes more than 0 and at most {LONGEST:g} seconds, not {options.seconds:g}.")
    spec = looks.affordable(_spec(options.line))
    device = find_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(machine.run_threads())
    speeds = list[float]()
    for glance in looks.look(spec, datasets.load(spec.dataset), device, options.seconds):
        speeds.append(glance.images_per_second)
        if options.json:
            facts = {"seconds": glance.seconds, "pictures": glance.pictures, "psnr": glance.psnr}
            # A reader draws each line as it comes.
            print(json.dumps(facts | {"png": base64.b64encode(glance.png).decode()}), flush=True)
        else:
            write(f"{glance.seconds:5.1f} s  {glance.pictures:>9,} pictures  {psnr_text(glance.psnr)}")
    # Without the untrained model and, if there are others, the first pass, in which memory is taken for the first time.
    if measured := speeds[2:] or speeds[1:]:
        with suppress(AecoreError):  # a folder that cannot be written must not spoil what was seen
            Speeds(Queue().database).record(spec, device_name(str(device)), median(measured))


def _spec(text: str) -> RunSpec:
    """What to train; raises for what costs more than `rules.Limits`, since many may share the machine."""
    start = zoo.from_text(text)
    if problems := diagnose(str(start.architecture)).problems:
        raise LookError(problems[0].sentence)
    spec = execution.plan(start)
    if spec.architecture != start.architecture:
        raise LookError(f"No data set here has pictures of {shape_text(start.architecture.input_shape)}.")
    return spec
