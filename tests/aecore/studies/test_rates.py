"""Rates: the bytes are real and as few as theory allows, and the curves are what a closed form or the model says."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import Dataset, Split, to_float
from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.measuring import entropy
from aecore.measuring.entropy import Alphabet, EntropyError
from aecore.measuring.metrics import mse
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import codecs
from aecore.reconstructors.pca import PCA, Projection, fit_pca
from aecore.reconstructors.trained import Model, NoCodeError
from aecore.runs.store import Store
from aecore.studies import rate_measurement, rates
from aecore.studies.rate_measurement import envelope
from aecore.studies.rates import Curve, Point, RateError, Rates, gain
from tests.aecore.rounding import EPS, of_sum

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "checkpoints"
SHAPE = (3, 8, 8)


def drawn(count: int, seed: int = 0) -> Tensor:
    """Pictures of 3×8×8 whose neighbours are alike, `[N, C, H, W]` uint8."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 3, 3, generator=draw) + torch.rand(count, 1, 3, 3, generator=draw)
    return (torch.nn.functional.interpolate(coarse, (8, 8), mode="bilinear") * 127).byte()


def laplace(components: int, samples: int, seed: int = 0) -> np.ndarray:
    """Codes of components of different widths, a fifth of the numbers zero, as after a ReLU."""
    draw = np.random.default_rng(seed)
    code = draw.laplace(size=(components, samples)) * np.geomspace(1, 0.01, components)[:, None]
    return np.where(draw.random(code.shape) < 0.2, 0, code).astype(np.float32)


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


# ---- a model is split at its code


@pytest.mark.parametrize("name", [name for name, system in zoo.SYSTEMS.items() if system.recipe.noise is None])
def test_a_system_decodes_its_own_code(name: str) -> None:
    architecture = zoo.SYSTEMS[name].architecture
    model = Model(RunSpec(architecture, Recipe(), "cifar10", "0"), architecture.module().state_dict())
    pictures = torch.rand(2, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    code = model.encode(pictures)
    assert code.shape == (2, *architecture.code.output_shape)
    torch.testing.assert_close(model.decode(code), model(pictures))


def test_a_model_that_skips_go_past_has_no_code() -> None:
    architecture = Architecture.parse("skip | conv8 | conv3:linear | add")
    model = Model(RunSpec(architecture, Recipe(), "cifar10", "0"), architecture.module().state_dict())
    with pytest.raises(NoCodeError, match="has no code"):
        model.encode(torch.rand(1, 3, 32, 32))


# ---- levels and bytes


@given(
    seed=st.integers(0, 2**32 - 1), components=st.integers(1, 12), samples=st.integers(1, 60), bits=st.integers(2, 16)
)
@settings(max_examples=60)
def test_what_was_packed_is_unpacked(seed: int, components: int, samples: int, bits: int) -> None:
    learned = laplace(components, 50, seed)
    learned[-1] = learned[-1, 0] if components > 1 else learned[-1]  # a number that never changes
    alphabet = Alphabet.fit(learned, np.ones(components), bits)
    levels = alphabet.levels(3 * laplace(components, samples, seed ^ 1))  # some lie outside the range
    assert np.array_equal(alphabet.unpack(alphabet.pack(levels), samples), levels)


@pytest.mark.parametrize("bits", [2, 5, 8, 12])
def test_the_bytes_are_those_that_the_tables_promise(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(20, 2000), np.ones(20), bits)
    levels = alphabet.levels(laplace(20, 2000, seed=1))
    ideal = -sum(np.log2(table[row]).sum() for table, row in zip(alphabet.tables, levels, strict=True))
    assert ideal <= 8 * len(alphabet.pack(levels)) + 1 <= 1.005 * ideal + 64


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_the_bytes_approach_the_entropy_of_what_was_packed(bits: int) -> None:
    alphabet = Alphabet.fit(laplace(6, 20_000), np.ones(6), bits)
    levels = alphabet.levels(laplace(6, 20_000, seed=1))
    entropy = 0.0
    for row in levels:
        share = np.unique(row, return_counts=True)[1] / row.size
        entropy -= row.size * float((share * np.log2(share)).sum())
    assert entropy < 8 * len(alphabet.pack(levels)) < 1.02 * entropy + 64
    assert 8 * len(alphabet.pack(levels)) < alphabet.plain_bits * levels.shape[1]


def test_a_rounded_number_is_off_by_a_step_over_the_root_of_twelve() -> None:
    code = np.random.default_rng(0).uniform(-1, 1, (3, 40_000)).astype(np.float32) * [[1], [0.5], [0.25]]
    alphabet = Alphabet.fit(code, np.array([1.0, 4.0, 1.0]), 8)
    assert alphabet.steps == pytest.approx([2 / 255, 1 / 255, 2 / 255], rel=1e-3)  # the gain halves the second's
    off = np.square(alphabet.values(alphabet.levels(code)) - code).mean(1)
    np.testing.assert_allclose(off, alphabet.steps**2 / 12, rtol=0.03)


def test_the_widest_number_has_the_levels_it_was_given_and_zero_stays_zero() -> None:
    code = laplace(8, 500)
    for bits in range(2, 17):
        alphabet = Alphabet.fit(code, np.ones(8), bits)
        assert max(map(len, alphabet.tables)) == 2**bits
        assert (alphabet.values(alphabet.levels(code))[code == 0] == 0).all()


def test_what_lies_outside_comes_in_at_the_end_of_the_range() -> None:
    code = np.linspace(-1, 1, 9, dtype=np.float32)[None]
    alphabet = Alphabet.fit(code, np.ones(1), 4)
    assert alphabet.values(alphabet.levels(np.array([[-50, 50]])))[0] == pytest.approx([-1, 1], abs=2 / 15)


def test_a_code_that_never_changes_is_refused() -> None:
    with pytest.raises(EntropyError, match="nothing to keep"):
        Alphabet.fit(np.ones((3, 10), np.float32), np.ones(3), 8)


@given(counts=st.integers(0, 6).flatmap(lambda n: st.lists(st.integers(0, 10**6), min_size=2**n, max_size=2**n)))
def test_every_level_is_possible_and_all_of_them_are_certain(counts: list[int]) -> None:
    likely = entropy.probabilities(np.array(counts))
    assert (likely > 0).all()
    assert likely.sum() == pytest.approx(1)


def test_levels_seen_often_are_as_likely_as_they_were_seen_and_unseen_ones_share() -> None:
    counts = np.array([600_000, 0, 100_000, 100_000, 0, 0, 200_000, 0])
    np.testing.assert_allclose(entropy.probabilities(counts), counts / counts.sum(), atol=1e-4)
    np.testing.assert_allclose(entropy.probabilities(np.zeros(16, int)), np.full(16, 1 / 16))
    few = entropy.probabilities(np.array([0, 0, 0, 0, 0, 1, 0, 1]))
    assert few[4] == few[6] > few[0] == few[3]


# ---- gains


def test_the_gain_of_a_linear_decoder_is_its_square() -> None:
    found = rate_measurement.gains(Linear(1, 0.5, 3), torch.zeros(4, 3, 8, 8), torch.tensor([1.0, 2.0, 0.1]))
    # A sum of squares over pictures and places, of numbers that were rounded three times.
    assert found == pytest.approx([1, 0.25, 9], rel=of_sum(4 * 64 + 6))


class InFloat64(rate_measurement._Components):
    """PCA's axes as they were fitted, for differences between pictures that are nearly equal."""

    @property
    def _single(self) -> tuple[Tensor, Tensor]:
        return self.projection.mean, self.projection.axes


def test_the_axes_of_pca_have_gain_one(pca: PCA) -> None:
    coder = InFloat64(pca.keep(40))
    codes = coder.encode(to_float(drawn(8, seed=1)).double())
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


# ---- curves


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
    codes = rate_measurement._Components(projection).encode(learning)
    for point in (each for each in curve.points if each.numbers == 12):
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
    found = envelope(points)
    assert set(found) <= set(points)
    bits, errors = np.array([(point.bits, point.mse) for point in found]).T
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
        whole = 8 * float(codec.bytes(pictures).double().mean())
        assert point.file_bits == pytest.approx(whole, rel=1e-5)
        assert point.bits == pytest.approx(whole - 8 * codec.header, rel=1e-5)
        assert point.mse == pytest.approx(float(mse(codec(pictures), pictures).mean()), rel=1e-5)
        assert point.numbers == 3072


def test_the_gain_is_in_decibels_at_equal_bits_and_none_where_pca_was_not_measured() -> None:
    pca = Curve("pca", "pca", (Point(4, 8, 100, 0.1), Point(6, 8, 400, 0.001)))
    one = Curve("one", "autoencoder", tuple(Point(4, 8, bits, 0.01) for bits in (99, 100, 200, 400, 401)))
    assert list(gain(one, pca)) == [None, pytest.approx(10), pytest.approx(0), pytest.approx(-10), None]
    assert gain(pca, pca) == (0, 0)
    assert Point(100, 8, 10, 0).psnr == inf


# ---- measured and published


def test_all_kinds_are_measured_on_the_test_pictures() -> None:
    def split(count: int, seed: int) -> Split:
        return Split(drawn(count, seed), torch.zeros(count, dtype=torch.int64))

    dataset = Dataset("small", "Small", ("one",), SHAPE, lambda: (split(300, 0), split(10, 1)), lambda: (split(40, 2),))
    told: list[str] = []
    found = rate_measurement.measure(dataset, [Linear(1, 2, 3)], told.append)
    assert [(curve.name, curve.kind) for curve in found.curves] == [
        ("linear", "autoencoder"), ("pca", "pca"), ("jpeg", "codec"), ("webp", "codec"), ("avif", "codec")
    ]  # fmt: skip
    assert "first 40 test pictures" in found.method
    assert "first 300 training pictures" in found.method
    assert found.fingerprint == dataset.fingerprint
    assert len(told) == len(found.curves)
    assert found.curve("linear").exact == pytest.approx(0, abs=1e-12)
    with pytest.raises(RateError, match="'liner': linear, pca, jpeg, webp, avif have one"):
        found.curve("liner")


POINTS = (Point(2, 8, 16.5, 0.25, plain_bits=24), Point(75, 8, 30, 0.125, file_bits=900))
SMALL = Rates("cifar10", "f", "How.", (Curve("dense", "autoencoder", POINTS, 0.1), Curve("pca", "pca", POINTS)))


def test_the_zoos_runs_without_noise_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in PUBLISHED.glob("*-*"):
        if folder.is_dir():
            (tmp_path / folder.name).symlink_to(folder)
    measured: list[str] = []

    def measure(dataset: Dataset, models: list[Model], progress: object) -> Rates:
        measured.extend(model.name for model in models)
        return replace(SMALL, fingerprint=dataset.fingerprint)

    monkeypatch.setattr(rate_measurement, "measure", measure)
    told: list[str] = []
    (path,) = rate_measurement.publish(tmp_path, progress=told.append)
    expected = [
        name
        for name, system in zoo.SYSTEMS.items()
        if system.dataset == "cifar10" and system.recipe.noise is None and [*PUBLISHED.glob(f"{name}-{'?' * 12}")]
    ]
    assert measured == expected
    assert {"dense", "deep-strided-8-bn"} <= set(measured)
    assert path == tmp_path / "rates-cifar10.json"
    weights = {name: Store(PUBLISHED).find(name).files["weights.safetensors"]["sha256"] for name in measured}
    fingerprint = datasets.load("cifar10").fingerprint
    assert rates.curves("cifar10", tmp_path) == replace(SMALL, fingerprint=fingerprint, weights=weights)
    assert told == ["rates-cifar10.json: 2 curves. How.."]


def test_the_published_curves_are_those_of_the_published_runs() -> None:
    """Measured on a fifth of the test pictures: exact errors are near those of all, which the runs' folders tell."""
    found = rates.curves("cifar10", PUBLISHED)
    assert found.fingerprint == datasets.load("cifar10").fingerprint
    assert {curve.name for curve in found.curves if curve.kind != "autoencoder"} == {"pca", *codecs.FORMATS}
    assert {curve.name for curve in found.curves if curve.kind == "autoencoder"} == {
        name for name, system in zoo.SYSTEMS.items() if system.dataset == "cifar10" and system.recipe.noise is None
    }
    assert found.weights == {
        run.name: run.files["weights.safetensors"]["sha256"]
        for run in Store(PUBLISHED).listing().runs
        if run.name in found.weights
    }
    assert list(found.pca.points) == envelope(found.pca.points)
    # All of PCA's components in the finest steps lose only what lies beyond the range of the training pictures' codes.
    beyond = found.pca.points[-1].mse
    assert beyond < 5e-6
    for curve in found.curves:
        for fewer, more in pairwise(curve.points):
            assert fewer.bits < more.bits
            assert fewer.mse > more.mse * 0.995
        if curve.kind == "autoencoder":
            assert curve.exact == pytest.approx(Store(PUBLISHED).find(curve.name).totals.mse, rel=0.05)
            assert curve.points[-1].mse == pytest.approx(curve.exact, rel=1e-3, abs=1.1 * beyond)


def test_curves_that_cannot_be_had_say_why(tmp_path: Path) -> None:
    with pytest.raises(RateError, match="cifar10 only, not for sample"):
        rates.curves("sample", tmp_path)
    with pytest.raises(PublishedError, match=r"rates-cifar10\.json is missing: `python -m aecore rates`"):
        rates.curves("cifar10", tmp_path)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of curves."""
    monkeypatch.setattr(rate_measurement, "measure", lambda dataset, models, progress: SMALL)
    return rate_measurement.publish(tmp_path, progress=lambda text: None)[0]


def test_a_changed_figure_is_found(written: Path) -> None:
    facts = json.loads(written.read_text())
    facts["curves"][0]["points"][0]["mse"] /= 2
    written.write_text(json.dumps(facts))
    with pytest.raises(PublishedError, match=r"rates-cifar10\.json is damaged: `python -m aecore rates`"):
        rates.curves("cifar10", written.parent)


def test_curves_of_another_data_set_are_refused(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "PUBLISHED", ("cifar10", "mnist"))
    shutil.copy(written, written.parent / "rates-mnist.json")
    with pytest.raises(PublishedError, match=re.escape("rates-mnist.json was measured on cifar10")):
        rates.curves("mnist", written.parent)


def test_curves_of_another_version_are_refused(written: Path) -> None:
    facts = figures.read(written, "cifar10", dict, "")
    facts["curves"][0]["points"][0].pop("bits")
    figures.write(written, facts)
    with pytest.raises(PublishedError, match="was written by another version of aecore"):
        rates.curves("cifar10", written.parent)


def test_the_curve_of_a_run_that_is_here_with_other_weights_is_left_out(tmp_path: Path) -> None:
    run = Store(PUBLISHED).find("compress-64")
    shutil.copytree(run.path, tmp_path / run.path.name)
    path, curve = tmp_path / "rates-cifar10.json", Curve("compress-64", "autoencoder", (Point(2, 64, 100.0, 0.01),))
    for weights, seen in ((run.files["weights.safetensors"]["sha256"], ["compress-64"]), ("0" * 64, [])):
        figures.write(path, asdict(Rates("cifar10", "", "", (curve,), {"compress-64": weights})))
        assert [each.name for each in rates.curves("cifar10", tmp_path).curves] == seen


def test_curves_are_read_without_torch(written: Path) -> None:
    code = "import sys; from pathlib import Path; from aecore.studies import rates; "
    code += "rates.curves('cifar10', Path(sys.argv[1])); "
    code += "print('torch' in sys.modules, 'constriction' in sys.modules)"
    call = [sys.executable, "-c", code, str(written.parent)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
