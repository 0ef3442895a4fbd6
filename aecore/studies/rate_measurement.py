"""Measures rate–distortion curves in real bytes: of every autoencoder, PCA and the image codecs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from math import isfinite, isnan, nan, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import key
from aecore.data.splits import Dataset, to_float
from aecore.files import figures
from aecore.files.fits import load_or_make
from aecore.measuring.entropy import Alphabet
from aecore.measuring.metrics import mse, psnr
from aecore.models import zoo
from aecore.models.packer import Packer
from aecore.models.reconstructor import Coder
from aecore.reconstructors.codecs import FORMATS, USUAL_QUALITY, Codec
from aecore.reconstructors.packers import Files, by_component
from aecore.reconstructors.pca import Components, Projection, fit_pca
from aecore.reconstructors.rate_coder import RateCoder
from aecore.runs.store import WEIGHTS, Store
from aecore.studies.equal_bits import lead
from aecore.studies.rates import COMPARED, PUBLISHED, VERSION, Curve, Kind, Lead, Point, Rates, path_of

LEARNING = 5_000  # training pictures that ranges and tables are taken from
CHOOSING = 1_000  # validation pictures that settings are chosen on
MEASURED = 2_000  # test pictures
PROBED = 32  # training pictures that gains are measured on
PROBE_STEP = 0.1  # how far a number is moved to measure its gain, in its standard deviations
BITS = (*(half / 2 for half in range(4, 25)), 16)
ZONES = (1, 1.25, 1.5, 2)  # widths of the dead zone in steps; 1 is plain rounding
Grid = Sequence[tuple[float, float]]
GRID: Grid = tuple(product(BITS, ZONES))
QUALITIES = (1, *range(5, 101, 5))


class Pictures(NamedTuple):
    """Float pictures `[N, C, H, W]` to fit ranges and tables on, to choose settings on, and to measure."""

    learning: Tensor
    choosing: Tensor
    measured: Tensor


@dataclass(frozen=True, eq=False)
class Measured:
    """The settings of a coder that were chosen on validation pictures, and what they do there and on test pictures.

    `settings` `[settings, 4]` holds what a `Point` calls setting, zone, numbers and header. `validation` and `test`
    `[settings, 2, pictures]` hold the bits and the MSE of each picture. `chosen` `[settings]` says which settings were
    chosen, and `plain` which would be chosen if there was no dead zone. `exact` is the MSE on the test pictures if the
    code is not quantised.
    """

    settings: Tensor
    validation: Tensor
    test: Tensor
    chosen: Tensor
    plain: Tensor
    exact: Tensor


def gains(coder: Coder, codes: Tensor, spread: Tensor) -> np.ndarray:
    """The squared error in the picture for each squared error in a component of the code, `[components]`.

    Measured by moving every number of a component in `codes` `[N, components, …]` by a small part of its standard
    deviation `spread` `[components]`, up or down at random. The gain of a component that never changes is 1.
    """
    pictures = coder.decode(codes)
    draw = torch.Generator().manual_seed(key(0, "gains"))
    signs = torch.randint(2, codes[:, 0].shape, generator=draw) * 2.0 - 1
    measured = []
    for component, deviation in enumerate((PROBE_STEP * spread).tolist()):
        if not deviation:
            measured.append(1.0)
            continue
        moved = codes.clone()
        moved[:, component] += deviation * signs
        measured.append(float((coder.decode(moved) - pictures).square().sum()) / (deviation**2 * signs.numel()))
    # A component that the decoder ignores has gain 0; the floor keeps its step finite.
    return np.maximum(measured, 1e-9 * max(measured))


def autoencoder(coder: Coder, pictures: Pictures, grid: Grid) -> Measured:
    """Measure a model with those settings of `grid` that are best on the pictures to choose on."""
    learned = coder.encode(pictures.learning)
    numbers = by_component(learned)
    weights = gains(coder, learned[:PROBED], torch.from_numpy(numbers.std((1, 2))))
    return _measured(coder, partial(Alphabet.fit, numbers, weights), [len(numbers)], pictures, grid)


def pca(projection: Projection, pictures: Pictures, grid: Grid) -> Measured:
    """Measure PCA with those settings of `grid`, and of two numbers of components per octave, that are best."""
    coder = Components(projection)
    numbers = by_component(coder.encode(pictures.learning))
    octaves = range(3, projection.code_size.bit_length())
    sizes = {*(2**octave for octave in octaves), *(3 * 2**octave // 2 for octave in octaves), projection.code_size}
    return _measured(coder, partial(Alphabet.fit, numbers, np.ones(len(numbers))), sorted(sizes), pictures, grid)


def _measured(
    coder: Coder, fit: Callable[[float, float], Alphabet], sizes: Sequence[int], pictures: Pictures, grid: Grid
) -> Measured:
    """Measure the best of all settings of `grid` with codes that are cut to each of `sizes` components."""
    codes = coder.encode(pictures.choosing)
    tried, outcomes = list[tuple[float, float, int]](), list[np.ndarray]()
    for bits, zone in grid:
        whole = fit(bits, zone)
        # Components after the last one with more than one level carry no information.
        live = max(index for index, table in enumerate(whole.tables, start=1) if len(table) > 1)
        for size in sizes:
            alphabet, cut = whole.first_components(size), codes[:, :size]
            levels = alphabet.levels(by_component(cut))
            promised = 8 * np.ceil(alphabet.promised_bits(levels) / 8)
            outcomes.append(np.stack([promised, _errors(coder, alphabet, levels, cut, pictures.choosing)]))
            tried.append((bits, zone, size))
            if size >= live:
                break
    means = np.stack(outcomes).mean(2)
    without = [index for index, (_, zone, _) in enumerate(tried) if zone == 1]
    chosen, plain = envelope(means), [without[index] for index in envelope(means[without])]
    used = sorted({*chosen, *plain})
    codes, measured = coder.encode(pictures.measured), list[np.ndarray]()
    for bits, zone, size in (tried[index] for index in used):
        alphabet, cut = fit(bits, zone).first_components(size), codes[:, :size]
        numbers = by_component(cut)
        packed = alphabet.pack(alphabet.levels(numbers))
        levels = alphabet.unpack(packed, numbers.shape[2])
        stored = 8 * np.array([len(stream) for stream in packed])
        measured.append(np.stack([stored, _errors(coder, alphabet, levels, cut, pictures.measured)]))
    places = prod(codes.shape[2:])
    return Measured(
        torch.tensor(
            [(bits, zone, size * places, 0) for bits, zone, size in (tried[index] for index in used)]
        ).double(),
        torch.from_numpy(np.stack([outcomes[index] for index in used])),
        torch.from_numpy(np.stack(measured)),
        torch.tensor([index in chosen for index in used]),
        torch.tensor([index in plain for index in used]),
        mse(coder.decode(codes), pictures.measured).double().mean(),
    )


def _errors(coder: Coder, alphabet: Alphabet, levels: np.ndarray, codes: Tensor, pictures: Tensor) -> np.ndarray:
    """The MSE of each picture, `[N]`, from the levels of its code."""
    values = torch.from_numpy(alphabet.values(levels)).transpose(0, 1)
    errors: np.ndarray = mse(coder.decode(values.reshape(codes.shape).contiguous()), pictures).double().numpy()
    return errors


def envelope(means: np.ndarray) -> list[int]:
    """Which of `means` `[settings, 2]`, bits and error, are corners of their lower convex hull, by rising bits.

    The line between two corners is reached by storing some pictures in one way and the rest in the other (Shoham &
    Gersho 1988).
    """
    corners: list[int] = []
    for index in np.lexsort((means[:, 1], means[:, 0])).tolist():
        if corners and means[index, 1] >= means[corners[-1], 1]:
            continue
        while len(corners) > 1 and _slope(*means[corners[-2:]]) >= _slope(means[corners[-1]], means[index]):
            corners.pop()
        corners.append(index)
    return corners


def _slope(one: np.ndarray, other: np.ndarray) -> float:
    return float((other[1] - one[1]) / (other[0] - one[0]))


def packed(packer: Packer, settings: Mapping[int, float], numbers: int, pictures: Pictures) -> Measured:
    """Measure a packer whose code has so many `numbers`; the bits are those of its streams without their headers.

    The keys of `settings` are those of the packer's to measure, and the values what a `Point` calls its setting.
    """
    every = torch.ones(len(settings), dtype=torch.bool)
    return Measured(
        torch.tensor([(said, nan, numbers, 8 * packer.header(index)) for index, said in settings.items()]).double(),
        torch.stack([_stored(packer, index, pictures.choosing) for index in settings]),
        torch.stack([_stored(packer, index, pictures.measured) for index in settings]),
        every,
        ~every,
        torch.tensor(nan),
    )


def _stored(packer: Packer, setting: int, pictures: Tensor) -> Tensor:
    """The bits of each picture's stream without its header, and its MSE, `[2, N]`."""
    streams, header = packer.pack(pictures, setting), packer.header(setting)
    bits = torch.tensor([8.0 * (len(stream) - header) for stream in streams]).double()
    return torch.stack([bits, mse(packer.unpack(streams, setting), pictures).double()])


def trained_for_rates(coder: RateCoder, pictures: Pictures) -> Measured:
    """Measure a model with an entropy model at every rate that it was trained for, and between each two of them."""
    settings = {index: rate for index, rate in enumerate(coder.rates) if not 2 * rate % 1}
    return packed(coder, settings, coder.code_size, pictures)


def curve(name: str, kind: Kind, measured: Measured, pca: Measured) -> Curve:
    """The chosen settings as a curve, compared with that of `pca`, which was measured on the same pictures."""
    chosen = measured.chosen.nonzero().flatten()
    chosen = chosen[measured.test[chosen, 0].mean(1).argsort(stable=True)]
    points = list[Point]()
    for index in chosen.tolist():
        setting, zone, numbers, header = measured.settings[index].tolist()
        bits, error = measured.test[index].mean(1).tolist()
        psnr_mean = float(psnr(measured.test[index, 1]).mean())
        points.append(
            Point(
                setting,
                None if isnan(zone) else zone,
                int(numbers),
                _rounded(bits),
                _rounded(error),
                header,
                None if kind == "pca" else _lead(measured.test[index], pca.test[pca.chosen]),
                _lead(measured.test[index], measured.test[measured.plain]),
                _rounded(psnr_mean) if isfinite(psnr_mean) else None,
            )
        )
    known = dict[int, float]()
    for index, outcome in enumerate(measured.validation[chosen]):
        over = _lead(outcome, pca.validation[pca.chosen])
        if kind != "pca" and over and COMPARED[0] <= outcome[0].mean() <= COMPARED[1]:
            known[index] = over.decibels
    return Curve(
        name,
        kind,
        tuple(points),
        None if measured.exact.isnan() or kind == "pca" else _rounded(float(measured.exact)),
        max(known, key=known.__getitem__, default=None),
    )


def _lead(one: Tensor, others: Tensor) -> Lead | None:
    known = lead(one.numpy(), others.numpy()) if len(others) else None
    return known and Lead(_rounded(known.decibels), _rounded(known.margin))


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def measure(
    dataset: Dataset, models: Mapping[str, Coder | RateCoder], root: Path, progress: Callable[[str], None] = print
) -> Rates:
    """The curves of `models`, of PCA and of every codec.

    `models` are named by a hash of their weights: what was measured of them is stored under `root`. Takes half an hour
    for CIFAR-10 on one core, and some minutes from what is stored; `progress` gets a sentence per curve.
    """
    for kind in FORMATS:
        _ = Codec(kind, USUAL_QUALITY).header  # reports a format that is missing here now, not after minutes
    pictures = Pictures(
        to_float(dataset.train.pixels[:LEARNING]),
        to_float(dataset.validation.pixels[:CHOOSING]),
        to_float(dataset.test.pixels[:MEASURED]),
    )

    def stored(coder: str, make: Callable[[], Measured]) -> Measured:
        facts: dict[str, Any] = {
            "version": VERSION,
            "coder": coder,
            "dataset": dataset.fingerprint,
            "pictures": [LEARNING, CHOOSING, MEASURED],
            "settings": [*map(list, GRID)],
        }
        return Measured(**load_or_make(root, "rates", facts, lambda: vars(make())))

    curves = list[Curve]()

    def add(name: str, kind: Kind, measured: Measured) -> None:
        one = curve(name, kind, measured, linear)
        first, last = one.points[0], one.points[-1]
        progress(
            f"{name}: {first.bits:,.0f} bits per picture at {first.psnr:.1f} dB "
            f"to {last.bits:,.0f} at {last.psnr:.1f} dB."
        )
        curves.append(one)

    linear = stored("pca", lambda: pca(fit_pca(dataset.train.pixels).keep(prod(dataset.shape)), pictures, GRID))
    for digest, model in models.items():
        if isinstance(model, RateCoder):
            make = partial(trained_for_rates, model, pictures)
        else:
            make = partial(autoencoder, model, pictures, GRID)
        add(model.name, "autoencoder", stored(digest, make))
    add("pca", "pca", linear)
    for kind in FORMATS:
        files = Files(kind, QUALITIES, dataset.shape)
        add(kind, "codec", packed(files, dict(enumerate(QUALITIES)), prod(dataset.shape), pictures))
    method = (
        f"Measured on the first {len(pictures.measured):,} test pictures, each of which becomes whole bytes of its "
        f"own. The coder's tables come from the first {len(pictures.learning):,} training pictures and are not "
        "counted. Step sizes, dead zones and PCA's numbers of components were chosen on "
        f"{len(pictures.choosing):,} validation pictures"
    )
    if any(isinstance(model, RateCoder) for model in models.values()):
        method += "; models that were trained for their rate have learned steps and tables"
    return Rates(dataset.name, dataset.fingerprint, method, tuple(curves))


def publish(root: Path, progress: Callable[[str], None] = print) -> list[Rates]:
    """Measure the zoo's runs under `root` that were trained without noise, and write their curves there.

    Raises `DatasetError` if a data set is not here, `StoreError` if a run is damaged, and `PublishedError` if the file
    cannot be written.
    """
    runs = [run for run in Store(root).listing().full if zoo.is_own(run.spec) and run.spec.recipe.noise is None]
    published = list[Rates]()
    for name in PUBLISHED:
        path = path_of(name, root)
        figures.check(path)
        dataset = datasets.load(name)
        measured = [run for run in runs if run.spec.fingerprint == dataset.fingerprint]
        weights = {run.name: run.digest(WEIGHTS) for run in measured}
        models = {
            weights[run.name]: RateCoder(run.model()) if run.spec.architecture.entropy_model else run.model()
            for run in measured
        }
        rates = replace(measure(dataset, models, root, progress), weights=weights)
        figures.write(path, {"version": VERSION, **asdict(rates)})
        progress(f"{path.name}: {len(rates.curves)} curves. {rates.method}.")
        published.append(rates)
    return published
