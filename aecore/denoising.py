"""How well pictures are denoised, level by level: every trained denoiser beside the classical ones.

    python -m aecore denoising      measure on the test pictures, publish, and print the tables of docs/results.md

Published as `checkpoints/denoising-<data set>.json`, which the page Denoise draws on any machine. What is measured is
kept by `fits`, so that a denoiser that is added later is measured alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore import denoisers, published, zoo
from aecore.fits import kept
from aecore.noise import Noise
from aecore.store import WEIGHTS, Run, Store

# torch and pandas are imported where pictures are touched: published figures are read without them.
if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from aecore.datasets import Dataset

VERSION = 1  # of what is measured: another one measures everything again
NOISY = "noisy"  # what every denoiser is given, as if it were one
TABLE = (15 / 255, 25 / 255, 50 / 255, 0.1, 0.3, 1.0)  # standard deviations of Gaussian noise
BETWEEN = (0.0, 0.03, 0.5, 0.7)  # for the curves alone
SUBSET = 200  # the first test pictures: the slow are measured on these, and everyone is compared with them there
FEWER = 2000  # test pictures at the levels between
REFERENCES = ("wiener", "bm3d")  # the best that is linear, and the best that is not learned
SEED = 0
_DECIMALS = 4


@dataclass(frozen=True)
class Point:
    """A denoiser at a level of Gaussian noise, on so many test pictures.

    `psnr` is the mean over pictures in dB, `margin` half its 95% interval, `psnr_pooled` that of the mean squared
    error; None where a picture comes back without any error. On the first `SUBSET` pictures alone, where the slow can
    be compared with the rest, `psnr_subset` and `ssim_subset` are the means, and `over` holds, for each of
    `REFERENCES`, the mean difference of PSNR in dB and its 95% interval.
    """

    name: str
    level: float
    pictures: int
    psnr: float | None
    margin: float | None
    psnr_pooled: float | None
    ssim: float
    psnr_subset: float | None
    ssim_subset: float
    over: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Curves:
    """What was measured on a data set, level by level, and the SHA-256 of the weights of every run that was."""

    dataset: str
    fingerprint: str
    points: tuple[Point, ...]
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Every denoiser, in the order of measuring."""
        return list(dict.fromkeys(point.name for point in self.points))

    def of(self, name: str) -> list[Point]:
        """One denoiser's points by rising level."""
        return sorted((point for point in self.points if point.name == name), key=lambda point: point.level)

    def at(self, name: str, level: float) -> Point | None:
        """One denoiser at one of the measured levels."""
        return next((point for point in self.of(name) if abs(point.level - level) < 1e-6), None)


def trained(store: Store, dataset_name: str) -> list[Run]:
    """The zoo's own denoisers that are in the store."""
    return [
        run
        for run in store.listing().runs
        if zoo.is_own(run.spec) and run.spec.recipe.noise and run.spec.dataset == dataset_name
    ]


def scored(name: str, dataset: Dataset, level: float, store: Store, pictures: int) -> Tensor:
    """MSE, PSNR and SSIM of the first `pictures` test pictures, `[N, 3]`, measured once."""
    from aecore import reconstructors

    noise = Noise("gaussian", level)
    facts: dict[str, Any] = {
        "version": [VERSION, denoisers.VERSION],
        # The weights and not the spec: a run made again elsewhere need not have the same.
        "name": name
        if name == NOISY or reconstructors.is_baseline(name)
        else store.find(name).files[WEIGHTS]["sha256"],
        "dataset": dataset.fingerprint,
        "level": level,
        "pictures": pictures,
        "seed": SEED,
    }
    if name in denoisers.METHODS and (choice := denoisers.METHODS[name].choice):
        facts["choice"] = asdict(choice)

    def measure() -> dict[str, Tensor]:
        import pandas as pd
        import torch

        from aecore.datasets import Split
        from aecore.scores import BASIC, score

        reconstruct = reconstructors.find("identity" if name == NOISY else name, dataset, noise, store)
        split = Split(dataset.test.pixels[:pictures], dataset.test.labels[:pictures])
        table = pd.concat(score(reconstruct, split, noise, SEED))
        return {"scores": torch.from_numpy(table[list(BASIC)].to_numpy("float64", copy=True))}

    return kept(store.root, "denoised", facts, measure)["scores"]


def measure(
    dataset: Dataset, store: Store, names: Sequence[str], levels: Mapping[float, int]
) -> Iterator[tuple[str, float, list[Point]]]:
    """Measure every denoiser at each of `levels` (and on so many test pictures there), yielding the points of a level
    once all are measured, and before that nothing but who is next."""
    import pandas as pd

    for level, pictures in levels.items():
        tables = dict[str, pd.DataFrame]()
        for name in names:
            yield name, level, []
            slow = name in denoisers.METHODS and denoisers.METHODS[name].slow
            rows = scored(name, dataset, level, store, min(SUBSET, pictures) if slow else pictures)
            tables[name] = pd.DataFrame(rows.numpy(), columns=["mse", "psnr", "ssim"])
        yield "", level, [_point(name, level, table, tables) for name, table in tables.items()]


def _point(name: str, level: float, table: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Point:
    import pandas as pd

    from aecore.scores import Totals, margin, paired_differences

    over = {}
    for other in REFERENCES:
        if other in tables and other != name:
            pair = pd.DataFrame({"one": table["psnr"][:SUBSET], "other": tables[other]["psnr"][:SUBSET]})
            (found,) = paired_differences(pair) if pair.map(isfinite).all(axis=None) else (None,)
            if found and found.low is not None and found.high is not None:
                over[other] = (_rounded(found.mean), _rounded(found.low), _rounded(found.high))
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
    return round(float(value), _DECIMALS)


def publish(
    store: Store, dataset_name: str = "cifar10", progress: Callable[[str], None] = print, most: int | None = None
) -> Curves:
    """Measure every denoiser, classical and trained, on the test pictures (or the first `most` of them), and write the
    curves beside the runs; who is next to `progress`.

    Raises what `datasets.load` and `denoisers.prepare` raise, `PublishedError` where nothing can be written.
    """
    from aecore import datasets

    path = _path(store.root, dataset_name)
    published.check(path)
    dataset, runs = datasets.load(dataset_name), trained(store, dataset_name)
    names = [NOISY, *denoisers.METHODS, *(run.name for run in runs)]
    count = min(most or len(dataset.test), len(dataset.test))
    levels = dict.fromkeys(TABLE, count) | dict.fromkeys(BETWEEN, min(FEWER, count))
    points = list[Point]()
    for name, level, found in measure(dataset, store, names, levels):
        points += found
        progress(f"σ {level:.4g}: {name}" if name else f"σ {level:.4g} is measured.")
    weights = {run.name: run.files[WEIGHTS]["sha256"] for run in runs}
    curves = Curves(dataset.name, dataset.fingerprint, tuple(points), weights)
    published.write(path, asdict(curves))
    return curves


def curves(dataset_name: str, root: Path) -> Curves:
    """What was published, but for runs that are here with other weights than were measured; raises `PublishedError`,
    one sentence, where that is missing or damaged, or of another data set or version."""
    path, again = _path(root, dataset_name), "`python -m aecore denoising` makes it again, given the data."

    def build(facts: dict[str, Any]) -> Curves:
        points = [
            Point(**(each | {"over": {name: tuple(values) for name, values in each["over"].items()}}))
            for each in facts["points"]
        ]
        return Curves(**(facts | {"points": tuple(points)}))

    found = published.read(path, dataset_name, build, again)
    others = Store(root).others(found.weights)
    return replace(found, points=tuple(point for point in found.points if point.name not in others))


def _path(root: Path, dataset_name: str) -> Path:
    return root / f"denoising-{dataset_name}.json"


def table(curves: Curves) -> str:
    """Mean PSNR in dB of each denoiser at the levels of `TABLE`, as a table of docs/results.md.

    Bold marks the best on the pictures that all of them were measured on.
    """
    lines = _head("denoiser", "pictures")
    best = {
        level: max((point.psnr_subset or 0 for name in curves.names if (point := curves.at(name, level))), default=0)
        for level in TABLE
    }
    for name in curves.names:
        points = [curves.at(name, level) for level in TABLE]
        cells = [
            "–" if point is None or point.psnr is None
            else f"**{point.psnr:.2f}**" if point.psnr_subset == best[level]
            else f"{point.psnr:.2f}"
            for level, point in zip(TABLE, points, strict=True)
        ]  # fmt: skip
        counts = sorted({point.pictures for point in points if point})
        lines.append(f"| {name} | {', '.join(f'{count:,}' for count in counts)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def comparison(curves: Curves) -> str:
    """What the trained denoisers gain over each of `REFERENCES` on the same pictures: the mean difference of PSNR in dB
    with its 95% interval, in bold where that lies above zero."""
    lines = _head("denoiser", "over")
    learned = [name for name in curves.names if name != NOISY and name not in denoisers.METHODS]
    for name in learned:
        for other in REFERENCES:
            points = [curves.at(name, level) for level in TABLE]
            cells = [_gain(point.over.get(other) if point else None) for point in points]
            lines.append(f"| {name} | {other} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _head(*columns: str) -> list[str]:
    levels = [_level_text(level) for level in TABLE]
    return [f"| {' | '.join([*columns, *levels])} |", f"|---|--:|{'--:|' * len(levels)}"]


def _gain(found: tuple[float, float, float] | None) -> str:
    if found is None:
        return "–"
    mean, low, high = found
    text = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})".replace("-", "−")
    return f"**{text}**" if low > 0 else text


def _level_text(level: float) -> str:
    part = level * 255
    return f"{part:.0f}/255" if abs(part - round(part)) < 1e-9 and level < 0.2 else f"{level:g}"
