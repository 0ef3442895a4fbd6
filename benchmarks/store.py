"""How long it takes to list a store of many runs and to find one of them.

    python -m benchmarks.store [--runs 500] [--base CHECKOUT]

Cold is the first call in a fresh process; warm are the calls after it, as a page makes one at every rerun. `--base`
names a checkout of an earlier commit, which is asked about the same runs in turn with this one: trust the ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep

import pandas as pd
import torch

from aecore.files.whole import canonical
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs.outcome import Trained
from aecore.runs.store import RUN, SETTLED_NS, Store
from aecore.training.events import Epoch, State
from benchmarks import store_process
from benchmarks.store_process import QUESTIONS

ROOT = Path(__file__).parent.parent
PROCESSES = 5


def main() -> None:
    """Write the runs, measure, and print two lines for each question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="how many runs the store holds")
    parser.add_argument("--base", type=Path, help="a checkout to compare with")
    options = parser.parse_args()
    checkouts = {"here": ROOT} | ({"base": options.base.resolve()} if options.base else {})
    with TemporaryDirectory() as folder:
        write(Path(folder), options.runs)
        sleep(SETTLED_NS / 1e9)  # until then a run that was just written is not remembered
        print(f"{options.runs} runs; medians of {PROCESSES} processes (lowest–highest)")
        for question in QUESTIONS:
            turns = [
                {name: answered(path, Path(folder), question) for name, path in checkouts.items()}
                for _ in range(PROCESSES)
            ]
            for part, kind in enumerate(("cold", "warm")):
                times = {name: [turn[name][part] for turn in turns] for name in checkouts}
                print(f"{question}, {kind}: {in_words(times)}", flush=True)


def write(root: Path, count: int) -> None:
    """`count` finished runs with tiny weights: the systems of the zoo at seed 0, then at seed 1, and so on."""
    scores = pd.DataFrame({"picture": [0], "label": [0], "mse": [0.01], "psnr": [20.0], "ssim": [0.5]})
    environment = {"torch": torch.__version__, "device": "cpu", "threads": 2}
    trained = Trained({"bias": torch.zeros(3)}, scores, Totals.of(scores), b"not looked at", environment)
    systems = list(zoo.SYSTEMS.values())
    for number in range(count):
        system, epochs = systems[number % len(systems)], systems[number % len(systems)].recipe.epochs
        seed = number // len(systems)
        spec = RunSpec(system.architecture, system.recipe, system.dataset, "0" * 64, seed, system.name)
        history = tuple(Epoch(epoch, 0.1, 0.1, 0.1, 1000.0, 40.0) for epoch in range(1, epochs + 1))
        run = Store(root).finish(spec, State(epochs, {}, {}, history), trained)
        _make_readable_before(run.path / RUN)


def _make_readable_before(file: Path) -> None:
    """Leave out the settings that a recipe does not use: an earlier commit refuses those that it does not know."""
    facts = json.loads(file.read_bytes())
    del facts["sha256"]
    recipe = facts["spec"]["recipe"]
    facts["spec"]["recipe"] = {name: value for name, value in recipe.items() if value is not None}
    file.write_text(json.dumps(facts | {"sha256": hashlib.sha256(canonical(facts)).hexdigest()}, indent=2))


def answered(checkout: Path, root: Path, question: str) -> tuple[float, float]:
    """Milliseconds, cold and warm, that a question takes with the code of a checkout."""
    command = [sys.executable, store_process.__file__, str(root), question]
    variables = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    cold, warm = json.loads(done.stdout)
    return cold, warm


def in_words(times: dict[str, list[float]]) -> str:
    """The milliseconds of each checkout, and how many times as long the base takes in the same turn."""
    words = [f"{name} {_spread(values, '.2f')} ms" for name, values in times.items()]
    if "base" in times:
        ratios = [before / now for before, now in zip(times["base"], times["here"], strict=True)]
        words.append(f"ratio {_spread(ratios, '.1f')}")
    return ", ".join(words)


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


if __name__ == "__main__":
    main()
