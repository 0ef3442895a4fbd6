"""The command line: the whole of `aecore` without a browser."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from pkgutil import resolve_name

from aecore import AecoreError
from aecore.cli.output import say

INTERRUPTED = 130
# For each command the function of this package that adds its options, and one line of help. The function's module is
# imported only when its command is invoked, so that a command that needs no torch does not wait for it.
COMMANDS = {
    "list": ("listing:add_list", "List the systems that can be trained."),
    "show": ("listing:add_show", "Show a system or a run: its layers, recipe and results."),
    "check": ("checking:add_check", "Say everything that is wrong with a line of layers, what would help, its cost."),
    "look": ("looking:add_look", "Train for half a minute on a few thousand pictures, and store nothing."),
    "train": ("training:add_train", "Train systems, or take their runs from the store."),
    "sweep": ("sweeping:add_sweep", "Train systems with several seeds through the queue, and wait for all of them."),
    "claims": ("claims:add_claims", "Test the sentences of the study of 2018 over training seeds."),
    "runs": ("queued:add_runs", "List the runs in the store and the queue; show, stop or resume one of the queue."),
    "measure": ("training:add_measure", "Measure for about a second how fast an architecture trains here."),
    "bench": ("benching:add_bench", "Measure for a minute how fast this machine trains and reconstructs."),
    "work": ("queued:add_work", "Train what is queued; the dashboard starts this process itself when it is needed."),
    "score": ("scoring:add_score", "Score runs and baselines on test pictures."),
    "export": ("sharing:add_export", "Write a run to one .zip: weights, scores, model card, ONNX, curves."),
    "import": ("sharing:add_import", "Read exported runs, or ONNX models from elsewhere; all are verified."),
    "data": ("data:add_data", "List the data sets and where they are, or download one."),
    "publish": ("publishing:add_publish", "Train systems on the real data, in float16, and print the results table."),
    "baselines": ("publishing:add_baselines", "Measure PCA at every code size on the real data, and publish it."),
    "denoising": ("publishing:add_denoising", "Measure every denoiser at every noise level, and publish the curves."),
    "legibility": ("publishing:add_legibility", "Measure how much of the class every model leaves, and publish it."),
    "resolution": (
        "publishing:add_resolution",
        "Train three systems at three resolutions of one scene, and publish it.",
    ),
    "rates": ("publishing:add_rates", "Measure every code in bits, beside PCA, JPEG, WebP and AVIF, and publish it."),
}
UNLISTED = {"attempt": "queued:add_attempt"}  # started only by the supervisor, which holds its standard input


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0 if it succeeded, 1 after an error message, 2 for a usage error, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = argparse.Namespace(stopped="Stopped.")
    # A detached or supervised process is stopped by SIGTERM, which then does what Ctrl-C does.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a σ or an odd file name must not end the command
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _status(arguments, options)
    except KeyboardInterrupt:  # also while an error message is written
        say(options.stopped)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)  # no traceback if it comes while Python shuts down


def _status(arguments: Sequence[str], options: argparse.Namespace) -> int:
    try:
        _parser(arguments).parse_args(arguments, options)
        options.command(options)
    except AecoreError as error:
        say(str(error), style="red")
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows every command by name, and the options of the one that is invoked."""
    parser = argparse.ArgumentParser(
        prog="python -m aecore",
        description="Train, cache and compare autoencoder architectures.",
        epilog="Data sets lie in AECORE_DATA (default data/), runs in AECORE_CHECKPOINTS (default checkpoints/).",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    parsers = {name: commands.add_parser(name, help=text, description=text) for name, (_, text) in COMMANDS.items()}
    parsers |= {name: commands.add_parser(name) for name in UNLISTED}
    places = {name: place for name, (place, _) in COMMANDS.items()} | UNLISTED
    invoked = next((word for word in arguments if not word.startswith("-")), "")
    if invoked in places:
        resolve_name(f"aecore.cli.{places[invoked]}")(parsers[invoked])
    return parser
