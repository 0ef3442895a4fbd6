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
from aecore.measuring.intervals import margin
from aecore.measuring.metrics import mse
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import codecs
from aecore.reconstructors.packers import Files
from aecore.reconstructors.pca import PCA, Projection, fit_pca
from aecore.reconstructors.rate_coder import RateCoder
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store
from aecore.studies import rate_measurement, rates
from aecore.studies.rate_measurement import Measured, Pictures, envelope
from aecore.studies.rates import Curve, RateError, Rates
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


def pictures(learning: int, choosing: int = 100, measured: int = 100) -> Pictures:
    return Pictures(*(to_float(drawn(count, seed)) for seed, count in enumerate((learning, choosing, measured))))


def curve_of(measured: Measured) -> Curve:
    """Beside itself instead of PCA."""
    return rate_measurement.curve("one", "autoencoder", measured, measured)


def test_scaling_a_channel_up_and_the_weights_after_it_down_changes_no_curve() -> None:
    given = pictures(200)
    plain, scaled = (
        curve_of(rate_measurement.autoencoder(Linear(*scales), given, [(3, 1), (5, 1), (5, 1.5)]))
        for scales in ((1, 1, 1), (1, 16, 0.125))
    )
    for one, other in zip(plain.points, scaled.points, strict=True):
        assert other.bits == pytest.approx(one.bits, rel=0.01)
        assert other.mse == pytest.approx(one.mse, rel=0.01)


@pytest.fixture(scope="module")
def learned() -> tuple[Model, Pictures]:
    """A published model of 512 numbers, with photographs to learn from, to choose on and to measure."""
    sample = datasets.load("sample")
    parts = sample.train.pixels[:1500], sample.validation.pixels[:100], sample.test.pixels[:250]
    return Store(PUBLISHED).load("deep-strided-4-bn"), Pictures(*map(to_float, parts))


@pytest.fixture(scope="module")
def curve(learned: tuple[Model, Pictures]) -> Curve:
    grid = [(bits, zone) for bits in (2, 3, 4, 5, 6, 8, 10, 16) for zone in (1, 1.5)]
    return curve_of(rate_measurement.autoencoder(*learned, grid))


def test_sixteen_bits_are_as_good_as_exact_numbers(curve: Curve, learned: tuple[Model, Pictures]) -> None:
    model, given = learned
    exact = float(mse(model(given.measured), given.measured).mean())
    assert curve.exact == pytest.approx(exact, rel=1e-5)
    assert curve.points[-1].setting >= 8
    assert curve.points[-1].mse == pytest.approx(exact, rel=1e-3)


def test_fewer_bits_are_never_better_and_packing_always_pays(curve: Curve) -> None:
    for fewer, more in pairwise(curve.points):
        assert fewer.bits < more.bits
        # The order is that of the pictures they were chosen on: on others, two settings nearly alike may change places.
        assert fewer.mse > more.mse * 0.99
    for point in curve.points:
        assert point.numbers == 512
        assert 0 < point.bits < point.setting * 512
        assert point.psnr == pytest.approx(-10 * np.log10(point.mse))
        assert point.over_pca is not None  # here itself
        assert point.over_pca.decibels == pytest.approx(0, abs=1e-9)


def test_a_dead_zone_is_compared_with_plain_rounding(curve: Curve, learned: tuple[Model, Pictures]) -> None:
    plain = curve_of(rate_measurement.autoencoder(*learned, [(bits, 1) for bits in (2, 3, 4, 5, 6, 8, 10, 16)]))
    known = np.array([(np.log(point.bits), point.psnr) for point in plain.points]).T
    compared = [point for point in curve.points if point.over_plain]
    assert {point.zone for point in compared} == {1, 1.5}
    for point in compared:
        assert point.over_plain is not None
        assert point.over_plain.decibels == pytest.approx(point.psnr - np.interp(np.log(point.bits), *known), abs=1e-3)


def test_pca_with_all_its_components_loses_a_twelfth_of_a_squared_step(pca: PCA) -> None:
    given = pictures(2000, 200, 200)
    projection = Projection("pca-12", SHAPE, pca.mean, pca.axes[:12])
    exact = float((projection(given.measured) - given.measured).square().mean())
    curve = curve_of(rate_measurement.pca(projection, given, [(8, 1), (10, 1)]))
    codes = InFloat64(projection).encode(given.learning)
    whole_code = [point for point in curve.points if point.numbers == 12]
    assert whole_code
    for point in whole_code:
        step = float((codes.amax(0) - codes.amin(0)).max()) / (2**point.setting - 1)
        assert point.mse == pytest.approx(exact + 12 * step**2 / 12 / 192, rel=0.05)


def test_pca_is_chosen_among_every_size_step_and_zone(pca: PCA) -> None:
    """On the pictures to choose on, no single size or zone lies above the curve."""
    given = pictures(1000, 200, 200)
    grid = [(bits, zone) for bits in (3, 4, 5, 6) for zone in (1, 1.5)]
    measured = rate_measurement.pca(pca.keep(192), given, grid)
    means = measured.validation[measured.chosen].mean(2)
    bits, errors = means[means[:, 0].argsort()].T.numpy()
    assert (np.diff(bits) > 0).all()
    assert (np.diff(errors) < 0).all()
    assert set(measured.settings[:, 1].tolist()) == {1, 1.5}
    for size, zone in ((8, 1), (48, 1), (48, 1.5)):
        other = rate_measurement.pca(pca.keep(size), given, [(most, zone) for most in (4, 6)])
        for rate, error in other.validation.mean(2).tolist():
            if bits[0] <= rate <= bits[-1]:
                assert error > np.interp(rate, bits, errors) - 1e-9


def test_what_is_chosen_does_not_depend_on_the_pictures_that_are_measured(pca: PCA) -> None:
    given, grid = pictures(300), [(bits, zone) for bits in (3, 4, 5, 6) for zone in (1, 1.5, 2)]
    others = given._replace(measured=1 - given.measured[torch.randperm(100, generator=torch.Generator())] ** 2)
    for measure, coder in ((rate_measurement.autoencoder, Linear(1, 2, 3)), (rate_measurement.pca, pca.keep(192))):
        one, other = measure(coder, given, grid), measure(coder, others, grid)  # type: ignore[operator]
        for part in ("settings", "validation", "chosen", "plain"):
            assert torch.equal(getattr(one, part), getattr(other, part))
        assert not torch.equal(one.test, other.test)
        assert curve_of(one).best == curve_of(other).best


def test_other_pictures_to_choose_on_lead_to_other_choices() -> None:
    given, grid = pictures(300), [(bits, zone) for bits in (2, 3, 4, 5, 6) for zone in (1, 1.25, 1.5, 2)]
    faint = given._replace(choosing=given.choosing / 20)
    one, other = (rate_measurement.autoencoder(Linear(1, 2, 3), some, grid) for some in (given, faint))
    assert one.settings[one.chosen].tolist() != other.settings[other.chosen].tolist()


def by_hand(errors: list[list[float]], bits: list[list[float]] | None = None) -> Measured:
    """Settings whose pictures have these errors, on validation and test alike; 100, 200, … bits for every picture."""
    sizes = bits or [[100.0 * (index + 1)] * len(row) for index, row in enumerate(errors)]
    outcome = torch.tensor([sizes, errors], dtype=torch.float64).transpose(0, 1)
    every = torch.ones(len(errors), dtype=torch.bool)
    settings = torch.tensor([[8, 1, 64, 0]] * len(errors), dtype=torch.float64)
    return Measured(settings, outcome, outcome, every, every, torch.tensor(0.001))


def test_the_best_point_is_the_one_that_is_best_on_validation_pictures() -> None:
    pca = by_hand([[0.04, 0.04], [0.02, 0.02], [0.01, 0.01]])
    one = by_hand([[0.03, 0.03], [0.01, 0.01], [0.009, 0.009]])
    misled = replace(one, validation=one.validation * torch.tensor([[[1.0], [0.1]], [[1.0], [1.0]], [[1.0], [1.0]]]))
    for measured, best in ((one, 1), (misled, 0)):
        curve = rate_measurement.curve("one", "autoencoder", measured, pca)
        assert curve.best == best
        leads = [point.over_pca.decibels for point in curve.points if point.over_pca]
        assert leads == pytest.approx([10 * np.log10(ratio) for ratio in (4 / 3, 2, 10 / 9)], rel=1e-5)


def test_the_best_point_is_not_sought_where_pictures_are_hardly_recognisable_or_the_loss_is_invisible() -> None:
    leading = [[0.01, 0.01], [0.01, 0.01], [0.0001, 0.0001], [0.000001, 0.000001]]
    sizes = [[float(bits)] * 2 for bits in (50, 100, 9000, 11000)]
    pca = by_hand([[0.04, 0.04], [0.02, 0.02], [0.0002, 0.0002], [0.00005, 0.00005]], sizes)
    assert rate_measurement.curve("one", "autoencoder", by_hand(leading, sizes), pca).best in (1, 2)
    for lowest in (50.0, 11000.0):
        one = by_hand([[0.01, 0.01]], [[lowest] * 2])
        assert rate_measurement.curve("one", "autoencoder", one, pca).best is None


def test_the_interval_is_over_pictures() -> None:
    draw = np.random.default_rng(0)
    alike = 0.01 * draw.normal(1, 1e-4, (2, 50))
    pca = by_hand([(2 * alike[0]).tolist(), alike[0].tolist()])
    curve = rate_measurement.curve("one", "autoencoder", by_hand([(2 * alike[1]).tolist(), alike[1].tolist()]), pca)
    over = curve.points[1].over_pca
    assert over is not None
    assert over.margin == pytest.approx(margin(10 * np.log10(alike[0] / alike[1])), rel=1e-3)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=30).map(np.array))
def test_none_of_the_points_lies_below_their_envelope(points: np.ndarray) -> None:
    bits, errors = points[envelope(points)].T
    assert (np.diff(bits) > 0).all()
    assert (np.diff(errors) < 0).all()
    assert (np.diff(np.diff(errors) / np.diff(bits)) > 0).all(), "it is convex"
    assert (points[:, 0] >= bits[0]).all()
    assert (points[:, 1] >= np.interp(points[:, 0], bits, errors) - 1e-9).all()


@pytest.mark.parametrize("kind", codecs.FORMATS)
def test_a_codec_costs_its_files_less_the_header(kind: str) -> None:
    pixels = to_float(datasets.load("sample").test.pixels[:16])
    files = Files(kind, (20, 80))
    measured = rate_measurement.packed(files, {1: 80, 0: 20}, 3072, Pictures(pixels[:0], pixels[:8], pixels[8:]))
    curve = rate_measurement.curve(kind, "codec", measured, measured)
    assert [point.setting for point in curve.points] == [20, 80]
    for point in curve.points:
        codec = codecs.Codec(kind, int(point.setting))
        whole = 8 * float(codec.file_sizes(pixels[8:]).double().mean())
        assert point.header == 8 * codec.header
        assert point.bits == pytest.approx(whole - point.header, rel=1e-5)
        assert point.mse == pytest.approx(float(mse(codec(pixels[8:]), pixels[8:]).mean()), rel=1e-5)
        assert point.numbers == 3072
        assert (point.zone, point.over_plain) == (None, None)


def test_a_model_that_was_trained_for_its_rate_costs_its_streams_less_the_byte_that_names_the_rate() -> None:
    torch.manual_seed(0)
    architecture = Architecture.parse("conv8:s2 | conv6:s2:linear | entropy3:h8 | up4 | conv3")
    weights = architecture.module().state_dict()
    weights["2.gains"].add_(4)  # so that numbers other than 0 occur
    coder = RateCoder(Model(RunSpec(architecture, Recipe(), "sample", "0" * 64), weights))
    pixels = to_float(datasets.load("sample").test.pixels[:12])
    measured = rate_measurement.trained_for_rates(coder, Pictures(pixels[:0], pixels[:4], pixels[4:]))
    curve = rate_measurement.curve("one", "autoencoder", measured, measured)
    assert sorted(point.setting for point in curve.points) == [0, 0.5, 1, 1.5, 2]
    assert curve.exact is None
    for point in curve.points:
        streams = coder.pack(pixels[4:], coder.rates.index(point.setting))
        decoded = coder.unpack(streams, coder.rates.index(point.setting))
        assert point.header == 8
        assert point.bits + 8 == pytest.approx(8 * np.mean([len(stream) for stream in streams]))
        assert point.mse == pytest.approx(float(mse(decoded, pixels[4:]).mean()), rel=1e-5)
        assert (point.numbers, point.zone, point.over_plain) == (6 * 8 * 8, None, None)


def test_all_kinds_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def split(count: int, seed: int) -> Split:
        return Split(drawn(count, seed), torch.zeros(count, dtype=torch.int64))

    monkeypatch.setattr(rate_measurement, "GRID", [(3, 1), (5, 1), (5, 1.5), (8, 1)])
    monkeypatch.setattr(rate_measurement, "QUALITIES", (10, 90))
    dataset = Dataset("small", "Small", ("one",), SHAPE, lambda: (split(300, 0), split(30, 1)), lambda: (split(40, 2),))
    messages: list[str] = []
    measured = rate_measurement.measure(dataset, {"ab": Linear(1, 2, 3)}, tmp_path, messages.append)
    assert [(curve.name, curve.kind) for curve in measured.curves] == [
        ("linear", "autoencoder"),
        ("pca", "pca"),
        ("jpeg", "codec"),
        ("webp", "codec"),
        ("avif", "codec"),
    ]
    assert "first 40 test pictures" in measured.method
    assert "first 300 training pictures" in measured.method
    assert "30 validation pictures" in measured.method
    assert measured.fingerprint == dataset.fingerprint
    assert len(messages) == len(measured.curves)
    assert measured.curve("linear").exact == pytest.approx(0, abs=1e-12)
    assert measured.pca.best is None
    assert all(point.over_pca is None for point in measured.pca.points)
    with pytest.raises(RateError, match="'liner': linear, pca, jpeg, webp, avif have one"):
        measured.curve("liner")
    monkeypatch.setattr(rate_measurement, "_measured", None)  # whatever is measured again fails
    again = {"ab": Linear(1, 2, 3)}
    assert rate_measurement.measure(dataset, again, tmp_path, messages.append) == measured
    monkeypatch.setattr(rate_measurement, "VERSION", rates.VERSION + 1)
    with pytest.raises(TypeError):
        rate_measurement.measure(dataset, again, tmp_path, messages.append)


def test_the_zoos_runs_without_noise_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in PUBLISHED.glob("*-*"):
        if folder.is_dir():
            (tmp_path / folder.name).symlink_to(folder)
    measured: dict[str, str] = {}

    def measure(dataset: Dataset, models: dict[str, Model], root: Path, progress: object) -> Rates:
        measured.update({model.name: digest for digest, model in models.items()})
        return replace(SMALL, fingerprint=dataset.fingerprint)

    monkeypatch.setattr(rate_measurement, "measure", measure)
    messages: list[str] = []
    (published,) = rate_measurement.publish(tmp_path, progress=messages.append)
    expected = [
        name
        for name, system in zoo.SYSTEMS.items()
        if system.dataset == "cifar10" and system.recipe.noise is None and [*PUBLISHED.glob(f"{name}-{'?' * 12}")]
    ]
    assert [*measured] == expected
    assert {"dense", "deep-strided-8-bn"} <= set(measured)
    weights = {name: Store(PUBLISHED).find(name).files["weights.safetensors"]["sha256"] for name in measured}
    assert measured == weights
    fingerprint = datasets.load("cifar10").fingerprint
    assert rates.curves("cifar10", tmp_path) == published == replace(SMALL, fingerprint=fingerprint, weights=weights)
    assert messages == ["rates-cifar10.json: 2 curves. How.."]
