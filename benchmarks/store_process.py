"""A process that `benchmarks.store` starts: asks a store one question, with the code of whichever checkout it is in."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

QUESTIONS = ("listing", "find a system", "find a key", "find 8 digits of a key", "finished")
REPETITIONS = 15


def asked(root: Path, question: str, module: ModuleType) -> Callable[[], Any]:
    """The call that a question stands for; `module` defines `Store` and `RunSpec`."""
    store = module.Store(root)
    last = json.loads((max(root.glob("*-*")) / "run.json").read_bytes())
    key, spec = last["key"], module.RunSpec.from_json(last["spec"])
    calls: tuple[Callable[[], Any], ...] = (
        store.listing,
        lambda: store.find("shallow-strided"),
        lambda: store.find(key),
        lambda: store.find(key[:8]),
        lambda: store.finished(spec),
    )
    return dict(zip(QUESTIONS, calls, strict=True))[question]


def main() -> None:
    """Print the milliseconds of the first call and the median of the next ones, as JSON."""
    root, question = Path(sys.argv[1]), sys.argv[2]
    # Before the packages of the core were made, the store lay elsewhere.
    module = importlib.import_module("aecore.runs.store" if Path("aecore/runs").is_dir() else "aecore.store")
    call = asked(root, question, module)
    times = []
    for _ in range(1 + REPETITIONS):
        started = perf_counter()
        call()
        times.append((perf_counter() - started) * 1000)
    listing = module.Store(root).listing()
    assert len(listing.runs) == len(list(root.glob("*-*"))), "what cannot read the runs must not look fast"
    assert not listing.damaged
    print(json.dumps((times[0], median(times[1:]))))


if __name__ == "__main__":
    main()
