"""Measures every denoiser at every noise level, and the bits that follow, and publishes the curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import Dataset, Split
from aecore.files import figures
from aecore.files.fits import load_or_make
from aecore.measuring.intervals import margin, paired_differences
from aecore.measuring.metrics import BASIC
from aecore.measuring.scoring import score
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.reconstructors import denoisers
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies import bits_measurement, by_name
from aecore.studies.denoising import (
    CURVE_LEVELS,
    CURVE_PICTURES,
    NOISY,
    REFERENCES,
    SEED,
    SUBSET,
    TABLE_LEVELS,
    VERSION,
    Bits,
    Curves,
    Point,
    path_of,
)

DECIMALS = 4


def trained(store: Store, dataset_name: str) -> list[Run]:
    """The zoo's own denoisers that are in the store."""
    return [
        run
        for run in store.listing().full
        if zoo.is_own(run.spec) and run.spec.recipe.noise and run.spec.dataset == dataset_name
    ]


def scored(name: str, dataset: Dataset, level: float, store: Store, pictures: int) -> Tensor:
    """MSE, PSNR and SSIM of the first `pictures` test pictures, `[N, 3]`; stored, so that it is measured once."""
    noise = Noise("gaussian", level)
    facts: dict[str, Any] = {
        "version": [VERSION, denoisers.VERSION],
        # The weights and not the spec: the same spec trained on another machine may give other weights.
        "name": name if name == NOISY or by_name.is_baseline(name) else store.find(name).digest(WEIGHTS),
        "dataset": dataset.fingerprint,
        "level": level,
        "pictures": pictures,
        "seed": SEED,
    }
    if name in denoisers.METHODS and (choice := denoisers.METHODS[name].choice):
        facts["choice"] = asdict(choice)

    def measure() -> dict[str, Tensor]:
        reconstruct = by_name.find("identity" if name == NOISY else name, dataset, noise, store)
        split = Split(dataset.test.pixels[:pictures], dataset.test.labels[:pictures])
        table = pd.concat(score(reconstruct, split, noise, SEED))
        return {"scores": torch.from_numpy(table[list(BASIC)].to_numpy("float64", copy=True))}

    return load_or_make(store.root, "denoised", facts, measure)["scores"]


def measure(
    dataset: Dataset, store: Store, names: Sequence[str], levels: Mapping[float, int]
) -> Iterator[tuple[str, float, list[Point]]]:
    """Measure the denoisers `names` at each of `levels`, on the number of test pictures that it maps the level to.

    Yields a denoiser's name and the level before it is measured, without points. Then yields the points of the level.
    """
    for level, pictures in levels.items():
        tables = dict[str, pd.DataFrame]()
        for name in names:
            yield name, level, []
            slow = name in denoisers.METHODS and denoisers.METHODS[name].slow
            rows = scored(name, dataset, level, store, min(SUBSET, pictures) if slow else pictures)
            tables[name] = pd.DataFrame(rows.numpy(), columns=["mse", "psnr", "ssim"])
        yield "", level, [_point(name, level, table, tables) for name, table in tables.items()]


def _point(name: str, level: float, table: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Point:
    over = dict[str, tuple[float, float, float]]()
    for other in REFERENCES:
        if other in tables and other != name:
            pair = pd.DataFrame({"one": table["psnr"][:SUBSET], "other": tables[other]["psnr"][:SUBSET]})
            (gain,) = paired_differences(pair) if pair.map(isfinite).all(axis=None) else (None,)
            if gain and gain.low is not None and gain.high is not None:
                over[other] = (_rounded(gain.mean), _rounded(gain.low), _rounded(gain.high))
    totals, subset = Totals.of(table), Totals.of(table[:SUBSET])
    return Point(
        name,
        round(level, 6),
        len(table),
        _finite(totals.psnr_mean),
        _rounded(margin(table["psnr"]) or 0) if isfinite(totals.psnr_mean) else None,
        _finite(totals.psnr_pooled),
        _rounded(totals.ssim),
        _finite(subset.psnr_mean),
        _rounded(subset.ssim),
        over,
    )


def _finite(value: float) -> float | None:
    return _rounded(value) if isfinite(value) else None


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)


def publish(
    store: Store, dataset_name: str = "cifar10", progress: Callable[[str], None] = print, most: int | None = None
) -> Curves:
    """Measure every denoiser on the test pictures (or the first `most` of them), and write the curves beside the runs.

    `progress` gets a sentence per denoiser and level. Raises what `datasets.load` and `denoisers.prepare` raise, and
    `PublishedError` if the file cannot be written.
    """
    path = path_of(store.root, dataset_name)
    figures.check(path)
    dataset, runs = datasets.load(dataset_name), trained(store, dataset_name)
    for name in denoisers.METHODS:
        denoisers.find_method(name)  # reports one that cannot run here now, not after minutes of measuring
    names = [NOISY, *denoisers.METHODS, *(run.name for run in runs)]
    count = min(most or len(dataset.test), len(dataset.test))
    levels = dict.fromkeys(TABLE_LEVELS, count) | dict.fromkeys(CURVE_LEVELS, min(CURVE_PICTURES, count))
    points = list[Point]()
    for name, level, measured in measure(dataset, store, names, levels):
        points += measured
        progress(f"σ {level:.4g}: {name}" if name else f"σ {level:.4g} is measured.")
    bits = list[Bits]()
    for one in bits_measurement.measure(dataset, store, [run for run in runs if bits_measurement.is_blind(run)], count):
        bits.append(one)
        progress(f"{one.name}: {one.bits:.3f} bits per value")
    weights = {run.name: run.digest(WEIGHTS) for run in runs}
    curves = Curves(dataset.name, dataset.fingerprint, tuple(points), weights, tuple(bits))
    figures.write(path, asdict(curves))
    return curves
