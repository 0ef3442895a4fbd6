"""Trains and measures the study of resolution, and publishes it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from math import log, prod

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.optimize import bisect
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import Dataset, to_float
from aecore.files import figures
from aecore.files.fits import load_or_make
from aecore.measuring.entropy import Alphabet
from aecore.measuring.metrics import mse
from aecore.measuring.totals import decibels
from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.reconstructors.codecs import Codec
from aecore.reconstructors.trained import Model
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies import rate_measurement
from aecore.studies.resolution import (
    BATCH_SIZE,
    BITS,
    EPOCHS,
    FIRST,
    LAST,
    NAMES,
    SEEDS,
    SIDES,
    VERSION,
    Cell,
    Reference,
    Resolution,
    Scene,
    path_of,
)
from aecore.training.speed import images_per_second

FOLDER = ".resolution"  # of the runs, below the checkpoints: a store of their own, so that no page lists them
LEARNING = 100  # training pictures that the levels of a code are fitted on
PROBED = 8  # of them, that gains are measured on
STORED = 210  # test pictures that are stored
WIDTHS = (1, 16)  # bits of the code's widest number: those at `BITS` per pixel lie between
PRECISION = 0.01  # of that number of bits
QUALITIES = range(80, 101)
SCENES = (255, 182, 96, 16)  # test pictures to show: of a motorcycle, an astronaut, a rocket and galaxies
ROUNDS = 5  # of measuring how fast every cell trains
DECIMALS = 4


def scenes(side: int) -> Dataset:
    """The scenes of this size."""
    return datasets.load(f"scenes-{side}")


def spec(name: str, side: int, seed: int) -> RunSpec:
    """The run of a system on the scenes of a size."""
    return execution.plan(zoo.SYSTEMS[name], dataset=scenes(side), seed=seed, epochs=EPOCHS, batch_size=BATCH_SIZE)


def trained(store: Store, name: str, side: int, seed: int) -> Run:
    """The run of a cell and a seed, from the store or trained now."""
    events = execution.execute(spec(name, side, seed), store=store)
    return next(event.run for event in events if isinstance(event, Finished))


def measured(store: Store, run: Run) -> Tensor:
    """The run's pooled PSNR when its code is stored in `BITS` bits per pixel, and when its outputs are reduced.

    Stored beside the runs, so that it is measured once.
    """
    side = run.spec.architecture.input_shape[-1]
    facts = {"version": VERSION, "weights": run.digest(WEIGHTS), "bits": BITS}
    facts |= {"dataset": run.spec.fingerprint, "pictures": [LEARNING, PROBED, STORED]}

    def measure() -> dict[str, Tensor]:
        model, dataset = run.model(), scenes(side)
        values = [stored(model, dataset), reduced(model(to_float(dataset.test.pixels)))]
        return {"psnr": torch.tensor(values, dtype=torch.float64)}

    return load_or_make(store.root, "resolution", facts, measure)["psnr"]


def stored(model: Model, dataset: Dataset) -> float:
    """The pooled PSNR when the numbers of codes are rounded so that they take `BITS` bits per pixel.

    The bits are those that the tables of an entropy coder promise (see `aecore.studies.rates`, here without dead zone).
    """
    learned = model.encode(to_float(dataset.train.pixels[:LEARNING]))
    pictures = to_float(dataset.test.pixels[:STORED])
    numbers, codes = _numbers(learned), model.encode(pictures)
    given = _numbers(codes)
    gains = rate_measurement.gains(model, learned[:PROBED], torch.from_numpy(numbers.std((1, 2))))

    def excess(width: float) -> float:
        alphabet = Alphabet.fit(numbers, gains, width)
        return float(alphabet.promised_bits(alphabet.levels(given)).mean()) - BITS * prod(dataset.shape[1:])

    alphabet = Alphabet.fit(numbers, gains, bisect(excess, *WIDTHS, xtol=PRECISION))
    values = torch.from_numpy(alphabet.values(alphabet.levels(given))).transpose(0, 1)
    return decibels(float(mse(model.decode(values.reshape(codes.shape).contiguous()), pictures).mean()))


def _numbers(codes: Tensor) -> np.ndarray:
    """Codes `[N, C, H, W]` as `[C, N, places]`."""
    numbers: np.ndarray = codes.flatten(2).transpose(0, 1).contiguous().numpy()
    return numbers


def reduced(outputs: Tensor) -> float:
    """The pooled PSNR of outputs `[N, C, side, side]` averaged by area to the smallest size, against its scenes."""
    small = F.interpolate(outputs.clamp(0, 1), size=(FIRST, FIRST), mode="area")
    return decibels(float(mse(small, to_float(scenes(FIRST).test.pixels)).mean()))


def reference(side: int) -> Reference:
    """JPEG at `BITS` bits per pixel, and the smallest scenes enlarged to this size by bicubic interpolation."""
    dataset = scenes(side)
    pictures = to_float(dataset.test.pixels[:STORED])
    bits, heights = list[float](), list[float]()
    for quality in QUALITIES:
        codec = Codec("jpeg", quality, dataset.shape)
        files = codec.encode(pictures)
        # As for the codes, what is the same for every picture is not counted.
        bits.append(8 * float(np.mean([len(file) - codec.header for file in files])) / side**2)
        heights.append(decibels(float(mse(codec.decode(files), pictures).mean())))
    # Between two qualities the curve is taken to be straight over the logarithm of bits, as in `equal_bits`.
    jpeg = _rounded(float(np.interp(log(BITS), np.log(bits), heights)))
    if side == FIRST:
        return Reference(side, jpeg, None)
    small = to_float(scenes(FIRST).test.pixels)
    enlarged = F.interpolate(small, size=(side, side), mode="bicubic", antialias=False)
    return Reference(side, jpeg, _rounded(decibels(float(mse(enlarged, to_float(dataset.test.pixels)).mean()))))


def seconds(progress: Callable[[str], None]) -> dict[tuple[str, int], float]:
    """Seconds of an epoch on one core by system and size, in the fastest of some rounds.

    What else the machine does can only slow a round, and each round measures every cell.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    measured: dict[tuple[str, int], list[float]] = {(name, side): [] for name in NAMES for side in SIDES}
    for done in range(ROUNDS):
        for (name, side), values in measured.items():
            values.append(len(scenes(side).train) / images_per_second(spec(name, side, SEEDS[0]), "cpu"))
        progress(f"Training speed: round {done + 1} of {ROUNDS}.")
    torch.set_num_threads(threads)
    return {place: min(values) for place, values in measured.items()}


def cell(store: Store, name: str, side: int, epoch: float) -> Cell:
    """A system at a size, over all seeds; `epoch` is the seconds of one."""
    runs = [trained(store, name, side, seed) for seed in SEEDS]
    architecture = runs[0].spec.architecture
    values = torch.stack([measured(store, run) for run in runs])
    return Cell(
        name,
        side,
        psnr=tuple(_rounded(run.totals.psnr_pooled) for run in runs),
        ssim=tuple(_rounded(run.totals.ssim) for run in runs),
        stored=tuple(map(_rounded, values[:, 0].tolist())),
        reduced=tuple(map(_rounded, values[:, 1].tolist())),
        numbers=(architecture.code_size or 0) / side**2,
        macs=architecture.macs,
        seconds=_rounded(epoch),
    )


def scene(store: Store, number: int) -> Scene:
    """A test picture at every size with the systems' outputs."""
    sheet = Image.new("RGB", (sum(SIDES), (1 + len(NAMES)) * LAST))
    left = 0
    for side in reversed(SIDES):
        picture = to_float(scenes(side).test.pixels[number : number + 1])
        outputs = [trained(store, name, side, SEEDS[0]).model()(picture) for name in NAMES]
        for row, shown in enumerate([picture, *outputs]):
            pixels = (shown[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            sheet.paste(Image.fromarray(pixels), (left, row * LAST))
        left += side
    file = BytesIO()
    sheet.save(file, "WEBP", lossless=True, quality=100, method=6)
    test = scenes(FIRST)
    return Scene(test.classes[int(test.test.labels[number])], number, base64.b64encode(file.getvalue()).decode())


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)


def publish(store: Store, progress: Callable[[str], None] = print) -> Resolution:
    """Train what is missing, measure it, and write the study beside the runs of `store`.

    `progress` gets a sentence per run and per size. It takes half an hour on one core; stopped, it goes on after the
    last complete epoch. Raises `DatasetError` if the photographs are not here, and `PublishedError` if the file cannot
    be written.
    """
    path = path_of(store.root)
    figures.check(path)
    inner = Store(store.root / FOLDER)
    for seed in SEEDS:
        for name in NAMES:
            for side in SIDES:
                run = trained(inner, name, side, seed)
                progress(f"{name}, {side}×{side}, seed {seed}: {run.totals.psnr_pooled:.2f} dB")
    cells, epochs = [], seconds(progress)
    for name in NAMES:
        for side in SIDES:
            cells.append(cell(inner, name, side, epochs[name, side]))
            progress(f"{name}, {side}×{side}: {cells[-1].mean():.2f} dB over {len(SEEDS)} seeds.")
    study = Resolution(
        {f"scenes-{side}": scenes(side).fingerprint for side in SIDES},
        len(scenes(FIRST).test),
        tuple(cells),
        tuple(map(reference, SIDES)),
        tuple(scene(inner, number) for number in SCENES),
    )
    figures.write(path, {"version": VERSION, **asdict(study)})
    return study
