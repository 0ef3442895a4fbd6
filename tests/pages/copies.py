"""Runs that nobody trained: copies of published ones under another seed or recipe, or without their weights."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from aecore.files.whole import canonical
from aecore.measuring.totals import decibels
from aecore.runs.store import RUN, WEIGHTS, Run, Store


def copied(
    run: Run,
    root: Path,
    *,
    seed: int = 0,
    dataset: str = "",
    mse: float | None = None,
    light: bool = False,
    **recipe: Any,
) -> Run:
    """A copy of `run` in the store at `root`, with other settings; a `light` one has no weights."""
    dataset = dataset or run.spec.dataset
    spec = replace(run.spec, seed=seed, dataset=dataset, recipe=replace(run.spec.recipe, **recipe))
    path = root / spec.folder
    shutil.copytree(run.path, path)
    facts = json.loads((path / RUN).read_text()) | {"spec": spec.to_json(), "key": spec.key}
    del facts["sha256"]
    if mse is not None:
        facts["totals"] |= {"mse": mse, "psnr_pooled": decibels(mse)}
    if light:
        (path / WEIGHTS).unlink()
        del facts["files"][WEIGHTS]
    (path / RUN).write_text(json.dumps(facts | {"sha256": hashlib.sha256(canonical(facts)).hexdigest()}))
    return Store(root).find(spec.key)
