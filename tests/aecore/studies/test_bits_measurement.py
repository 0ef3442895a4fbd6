"""Bits per value from the errors of denoisers: of values that are known, and of a real network on real pictures."""

from dataclasses import replace
from math import log, log2
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad, trapezoid
from scipy.special import xlogy
from scipy.stats import norm

from aecore.data import datasets
from aecore.data.noise import Noise, key
from aecore.data.splits import Dataset, Split
from aecore.measuring.scoring import joined, score
from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.store import Run, Store
from aecore.studies import bits_measurement
from aecore.studies.denoising import NO_NETWORK
from tests.aecore.finished import finish

ROOT = Path(__file__).parents[3]
PICTURES = 12


def uniform(count: int, what: str) -> Split:
    generator = torch.Generator().manual_seed(key("uniform values", what))
    pixels = torch.randint(0, 256, (count, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Split(pixels, torch.zeros(count, dtype=torch.int64))


def test_independent_uniform_values_have_eight_bits_and_what_the_wiener_filter_adds(tmp_path: Path) -> None:
    learning, test = (uniform(20_000, "training"), uniform(500, "validation")), uniform(2000, "test")
    dataset = Dataset("uniform", "Uniform values", ("all",), (1, 4, 4), lambda: learning, lambda: (test,))
    (bits,) = bits_measurement.measure(dataset, Store(tmp_path), [])
    assert (bits.name, bits.pictures, bits.levels) == (NO_NETWORK, 2000, None)
    # From this level on only the Wiener filter is offered; below it the posterior mean of a value is the best there is.
    level = bits_measurement.LEVELS[bits_measurement.GRID_LEVELS - 1]
    linear = log2(1 + (256**2 - 1) / 12 / 255**2 / level**2) / 2
    # Of so much noise, the noisy values of the grid are as those of a continuous uniform number of the grid's width.
    width = 256 / 255

    def spread(value: float) -> float:
        density = (norm.cdf(value / level) - norm.cdf((value - width) / level)) / width
        return float(-xlogy(density, density) / log(2))

    received = quad(spread, -7 * level, width + 7 * level, points=[0, width], limit=200)[0]
    best = received - norm(scale=level).entropy() / log(2)
    assert bits.bits > 8
    assert bits.bits == pytest.approx(8 + linear - best, abs=2 * bits.margin)
    assert bits.margin < 0.01


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, sample_fits: Path) -> Store:
    """A store with the published U-Net, as a run on the embedded sample."""
    store = Store(tmp_path_factory.mktemp("store"))
    (store.root / ".fits").symlink_to(sample_fits / ".fits")
    spec = execution.plan(zoo.find("denoise-unet"), dataset="sample", epochs=1, images=100)
    published = Store(ROOT / "checkpoints").find("denoise-unet").model()
    finish(store, spec, published.module.state_dict())
    return store


@pytest.mark.slow
def test_a_networks_bits_are_the_integral_of_the_least_errors(sample: Dataset, store: Store) -> None:
    run = store.find("denoise-unet")
    alone, bits = bits_measurement.measure(sample, store, [run], PICTURES)
    assert (bits.name, bits.pictures) == ("denoise-unet", PICTURES)
    assert bits.levels
    low, high = bits.levels
    assert 0.01 < low < high <= 2
    # Where the network is taken, its errors replace those of the Wiener filter; the rest of the integral stays.
    levels = np.array([level for level in bits_measurement.LEVELS if low - 1e-6 < level < high + 1e-6])
    split = Split(sample.test.pixels[:PICTURES], sample.test.labels[:PICTURES])
    own = [
        joined(score(run.model(), split, Noise("gaussian", level), bits_measurement.SEED, ["mse"]))["mse"].mean()
        for level in levels
    ]
    linear = wiener_errors(sample, split, levels)
    gained = trapezoid((linear - np.array(own)) / levels**2, np.log2(levels))
    assert bits.bits < alone.bits
    # Here the Wiener filter's part is summed by the trapezoidal rule, which is off by at most h² / 12 times the change
    # of the slope. The slope of e / σ² over ln σ lies between −2 e / σ² and 0, and e / σ² is at most 1.
    assert alone.bits - bits.bits == pytest.approx(gained, abs=(log(2) / 4) ** 2 / 12 * 2 / log(2))


def wiener_errors(sample: Dataset, split: Split, levels: np.ndarray) -> np.ndarray:
    """The mean squared error of the Wiener filter at each level, not clamped: its mean over the noise, exactly."""
    learned, tested = (pixels.flatten(1).numpy() / 255.0 for pixels in (sample.train.pixels, split.pixels))
    variances, axes = np.linalg.eigh(np.cov(learned, rowvar=False, bias=True))
    gains = variances / (variances + levels[:, None] ** 2)  # [L, D]
    squared = (((tested - learned.mean(0)) @ axes) ** 2).mean(0)
    return ((1 - gains) ** 2 * squared + gains**2 * levels[:, None] ** 2).mean(1)


@pytest.mark.slow
def test_errors_are_measured_once(sample: Dataset, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.find("denoise-unet")
    before = list(bits_measurement.measure(sample, store, [run], PICTURES))
    monkeypatch.setattr(bits_measurement, "noisy", None)
    assert list(bits_measurement.measure(sample, store, [run], PICTURES)) == before


def test_those_trained_at_many_levels_of_gaussian_noise_are_blind() -> None:
    def trained_with(noise: str | None) -> Run:
        run = Store(ROOT / "checkpoints").find("denoise-unet")
        recipe = replace(run.spec.recipe, noise=Noise.parse(noise) if noise else None)
        return replace(run, spec=replace(run.spec, recipe=recipe))

    blind = {noise: bits_measurement.is_blind(trained_with(noise)) for noise in ("gaussian:0..1", "gaussian:0.3")}
    assert blind == {"gaussian:0..1": True, "gaussian:0.3": False}
    assert not bits_measurement.is_blind(trained_with("poisson:0.1..1"))
    assert not bits_measurement.is_blind(trained_with(None))
