"""Measuring rates: the curves are what a closed form or the model says."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring.metrics import mse
from aecore.models import zoo
from aecore.reconstructors import codecs
from aecore.reconstructors.pca import PCA, Projection, fit_pca
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store
from aecore.studies import rate_measurement, rates
from aecore.studies.rate_measurement import envelope
from aecore.studies.rates import Curve, Point, RateError, Rates
from tests.aecore.rounding import EPS, of_sum
from tests.aecore.studies.published_rates import PUBLISHED, SMALL

SHAPE = (3, 8, 8)


def drawn(count: int, seed: int = 0) -> Tensor:
    """Pictures of 3×8×8 whose neighbours are alike, `[N, C, H, W]` uint8."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 3, 3, generator=draw) + torch.rand(count, 1, 3, 3, generator=draw)
    return (torch.nn.functional.interpolate(coarse, (8, 8), mode="bilinear") * 127).byte()


@pytest.fixture(scope="module")
def pca() -> PCA:
    return fit_pca(drawn(2000))


class Linear:
    """A decoder with a gain for each of three channels, and the encoder that it undoes."""

    name = "linear"

    def __init__(self, *scales: float) -> None:
        self.scales = torch.tensor(scales).reshape(1, -1, 1, 1)

    def encode(self, pictures: Tensor) -> Tensor:
        return pictures / self.scales

    def decode(self, codes: Tensor) -> Tensor:
        return codes * self.scales


def test_the_gain_of_a_linear_decoder_is_its_square() -> None:
    measured = rate_measurement.gains(Linear(1, 0.5, 3), torch.zeros(4, 3, 8, 8), torch.tensor([1.0, 2.0, 0.1]))
    # A sum of squares over pictures and places, of numbers that were rounded three times.
    assert measured == pytest.approx([1, 0.25, 9], rel=of_sum(4 * 64 + 6))


class InFloat64:
    """PCA's axes as they were fitted, for differences between pictures that are nearly equal."""

    name = "pca"

    def __init__(self, projection: Projection) -> None:
        self.mean, self.axes, self.shape = projection.mean, projection.axes, projection.shape

    def encode(self, pictures: Tensor) -> Tensor:
        return (pictures.double().flatten(1) - self.mean) @ self.axes.T

    def decode(self, codes: Tensor) -> Tensor:
        return (self.mean + codes @ self.axes).reshape(-1, *self.shape)


def test_the_axes_of_pca_have_gain_one(pca: PCA) -> None:
    coder = InFloat64(pca.keep(40))
    codes = coder.encode(to_float(drawn(8, seed=1)))
    # The push of a number is rounded to float32, and its square counts.
    assert rate_measurement.gains(coder, codes, codes.std(0)) == pytest.approx(np.ones(40), rel=2 * EPS)


def test_scaling_a_channel_up_and_the_weights_after_it_down_changes_no_curve() -> None:
    learning, pictures = to_float(drawn(200)), to_float(drawn(100, seed=1))
    plain, scaled = (
        rate_measurement.autoencoder_curve(Linear(*scales), learning, pictures, (3, 5))
        for scales in ((1, 1, 1), (1, 16, 0.125))
    )
    for one, other in zip(plain.points, scaled.points, strict=True):
        assert other.bits == pytest.approx(one.bits, rel=0.01)
        assert other.mse == pytest.approx(one.mse, rel=0.01)


@pytest.fixture(scope="module")
def learned() -> tuple[Model, Tensor, Tensor]:
    """A published model of 512 numbers, with photographs to learn levels from and others to measure on."""
    sample = datasets.load("sample")
    model = Store(PUBLISHED).load("deep-strided-4-bn")
    return model, to_float(sample.train.pixels[:1500]), to_float(sample.test.pixels[:250])


@pytest.fixture(scope="module")
def curve(learned: tuple[Model, Tensor, Tensor]) -> Curve:
    return rate_measurement.autoencoder_curve(*learned)


def test_sixteen_bits_are_as_good_as_exact_numbers(curve: Curve, learned: tuple[Model, Tensor, Tensor]) -> None:
    model, _, pictures = learned
    exact = float(mse(model(pictures), pictures).mean())
    assert curve.exact == pytest.approx(exact, rel=1e-5)
    assert curve.points[-1].setting == 16
    assert curve.points[-1].mse == pytest.approx(exact, rel=1e-3)


def test_fewer_bits_are_never_better_and_packing_always_pays(curve: Curve) -> None:
    assert [point.setting for point in curve.points] == list(rate_measurement.BITS)
    for fewer, more in pairwise(curve.points):
        assert fewer.bits < more.bits
        assert fewer.mse > more.mse * 0.998
    for point in curve.points:
        assert point.numbers == 512
        assert point.plain_bits is not None
        assert 0 < point.bits < point.plain_bits <= point.setting * 512
        assert point.psnr == pytest.approx(-10 * np.log10(point.mse))


def test_pca_with_all_its_components_loses_a_twelfth_of_a_squared_step(pca: PCA) -> None:
    learning, pictures = to_float(drawn(2000)), to_float(drawn(200, seed=1))
    projection = Projection("pca-12", SHAPE, pca.mean, pca.axes[:12])
    exact = float((projection(pictures) - pictures).square().mean())
    curve = rate_measurement.pca_curve(projection, learning, pictures, (8, 10))
    codes = InFloat64(projection).encode(learning)
    whole_code = [point for point in curve.points if point.numbers == 12]
    assert whole_code
    for point in whole_code:
        step = float((codes.amax(0) - codes.amin(0)).max()) / (2**point.setting - 1)
        assert point.mse == pytest.approx(exact + 12 * step**2 / 12 / 192, rel=0.05)


def test_the_curve_of_pca_is_the_best_of_every_size_and_step(pca: PCA) -> None:
    learning, pictures = to_float(drawn(1000)), to_float(drawn(200, seed=1))
    curve = rate_measurement.pca_curve(pca.keep(192), learning, pictures, (3, 4, 5, 6))
    for fewer, more in pairwise(curve.points):
        assert fewer.bits < more.bits
        assert fewer.mse > more.mse
    for size in (8, 48):
        for point in rate_measurement.pca_curve(pca.keep(size), learning, pictures, (4, 6)).points:
            best = curve.psnr_at(point.bits)
            assert best is None or best > point.psnr - 0.01


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=30).map(
        lambda pairs: [Point(8, 1, bits, error) for bits, error in pairs]
    )
)
def test_none_of_the_points_lies_below_their_envelope(points: list[Point]) -> None:
    lowest = envelope(points)
    assert set(lowest) <= set(points)
    bits, errors = np.array([(point.bits, point.mse) for point in lowest]).T
    assert (np.diff(bits) > 0).all()
    assert (np.diff(errors) < 0).all()
    assert (np.diff(np.diff(errors) / np.diff(bits)) > 0).all(), "it is convex"
    for point in points:
        assert point.bits >= bits[0]
        assert point.mse >= np.interp(point.bits, bits, errors) - 1e-9


@pytest.mark.parametrize("kind", codecs.FORMATS)
def test_a_codec_costs_its_files_less_the_header(kind: str) -> None:
    pictures = to_float(datasets.load("sample").test.pixels[:8])
    curve = rate_measurement.codec_curve(kind, pictures, (80, 20))
    assert [point.setting for point in curve.points] == [20, 80]
    for point in curve.points:
        codec = codecs.Codec(kind, int(point.setting))
        whole = 8 * float(codec.file_sizes(pictures).double().mean())
        assert point.file_bits == pytest.approx(whole, rel=1e-5)
        assert point.bits == pytest.approx(whole - 8 * codec.header, rel=1e-5)
        assert point.mse == pytest.approx(float(mse(codec(pictures), pictures).mean()), rel=1e-5)
        assert point.numbers == 3072


def test_all_kinds_are_measured_on_the_test_pictures() -> None:
    def split(count: int, seed: int) -> Split:
        return Split(drawn(count, seed), torch.zeros(count, dtype=torch.int64))

    dataset = Dataset("small", "Small", ("one",), SHAPE, lambda: (split(300, 0), split(10, 1)), lambda: (split(40, 2),))
    messages: list[str] = []
    measured = rate_measurement.measure(dataset, [Linear(1, 2, 3)], messages.append)
    assert [(curve.name, curve.kind) for curve in measured.curves] == [
        ("linear", "autoencoder"),
        ("pca", "pca"),
        ("jpeg", "codec"),
        ("webp", "codec"),
        ("avif", "codec"),
    ]
    assert "first 40 test pictures" in measured.method
    assert "first 300 training pictures" in measured.method
    assert measured.fingerprint == dataset.fingerprint
    assert len(messages) == len(measured.curves)
    assert measured.curve("linear").exact == pytest.approx(0, abs=1e-12)
    with pytest.raises(RateError, match="'liner': linear, pca, jpeg, webp, avif have one"):
        measured.curve("liner")


def test_the_zoos_runs_without_noise_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in PUBLISHED.glob("*-*"):
        if folder.is_dir():
            (tmp_path / folder.name).symlink_to(folder)
    measured: list[str] = []

    def measure(dataset: Dataset, models: list[Model], progress: object) -> Rates:
        measured.extend(model.name for model in models)
        return replace(SMALL, fingerprint=dataset.fingerprint)

    monkeypatch.setattr(rate_measurement, "measure", measure)
    messages: list[str] = []
    rate_measurement.publish(tmp_path, progress=messages.append)
    expected = [
        name
        for name, system in zoo.SYSTEMS.items()
        if system.dataset == "cifar10" and system.recipe.noise is None and [*PUBLISHED.glob(f"{name}-{'?' * 12}")]
    ]
    assert measured == expected
    assert {"dense", "deep-strided-8-bn"} <= set(measured)
    weights = {name: Store(PUBLISHED).find(name).files["weights.safetensors"]["sha256"] for name in measured}
    fingerprint = datasets.load("cifar10").fingerprint
    assert rates.curves("cifar10", tmp_path) == replace(SMALL, fingerprint=fingerprint, weights=weights)
    assert messages == ["rates-cifar10.json: 2 curves. How.."]
