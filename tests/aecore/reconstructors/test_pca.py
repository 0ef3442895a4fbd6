"""PCA: the best linear autoencoder, its curve, and the curves that are published."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aecore.cli.main import main
from aecore.data import catalog, datasets
from aecore.data.splits import Dataset, Split, to_float
from aecore.files.figures import PublishedError
from aecore.measuring.metrics import mse
from aecore.reconstructors.pca import PCA, BaselineError, fit_pca
from aecore.runs.store import Store
from aecore.studies import pca_curves, pca_measurement
from aecore.studies.pca_curves import Curve, pca_curve
from tests.aecore.rounding import of_sum

ROOT = Path(__file__).parents[3]


def drawn(count: int, seed: int = 0, shape: tuple[int, int, int] = (2, 3, 4)) -> Tensor:
    """Pictures whose values depend on each other, `[N, C, H, W]` uint8."""
    draw = np.random.default_rng(seed)
    size = int(np.prod(shape))
    mixed = draw.normal(size=(count, size)) @ draw.normal(size=(size, size))
    return torch.from_numpy((128 + 20 * mixed).clip(0, 255).astype(np.uint8).reshape(count, *shape))


def test_components_and_errors_are_those_of_a_singular_value_decomposition() -> None:
    learned, unseen = drawn(200), drawn(50, seed=1)
    pca = fit_pca(learned)
    flat, other = (pixels.flatten(1).numpy() / 255 for pixels in (learned, unseen))
    mean = flat.mean(0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2]
    expected = []
    for count in range(25):
        output = mean + (other - mean) @ axes[:count].T @ axes[:count]
        expected.append(np.square(output - other).mean())
    np.testing.assert_allclose(pca.errors(unseen), expected, atol=1e-12)


def off_at_most(pca: PCA, pictures: Tensor) -> float:
    """The most that a number of `pictures` is off after they were projected in float32.

    The axes are of length 1. Without signs, the sum that makes a component is then at most the picture's distance from
    the mean, and the sum over all components at most that times the root of their number (Cauchy & Schwarz).
    """
    distance = float((pictures.flatten(1) - pca.mean).norm(dim=1).max())
    return of_sum(len(pca.mean) + 2) * (1 + len(pca.mean) ** 0.5) * distance


def test_the_curve_is_the_error_of_the_reconstructor() -> None:
    learned, unseen = drawn(200), drawn(50, seed=1)
    pca = fit_pca(learned)
    target = to_float(unseen)
    for count, error in zip((0, 3, 7), pca.clamped_errors(unseen, [0, 3, 7]), strict=True):
        model = pca.keep(count)
        assert (model.name, model.code_size) == (f"pca-{count}", count)
        output = model(target)
        assert output.shape == target.shape
        exact, off = float(pca.errors(unseen)[count]), off_at_most(pca, target)
        for errors, expected in ((mse(output, target), error), ((output - target).square(), exact)):
            bound = 2 * off * expected**0.5 + off**2 + of_sum(output.numel()) * expected
            assert float(errors.mean()) == pytest.approx(expected, abs=bound)


def test_more_components_never_do_worse_and_all_of_them_give_the_picture_back() -> None:
    pca, unseen = fit_pca(drawn(200)), drawn(50, seed=1)
    errors = pca.errors(unseen)
    assert (errors.diff() <= 0).all()
    assert float(errors[-1]) == 0
    pictures = to_float(unseen)
    torch.testing.assert_close(pca.keep(24)(pictures), pictures, rtol=0, atol=off_at_most(pca, pictures))


def test_clamping_never_does_worse() -> None:
    pca, unseen = fit_pca(drawn(200)), drawn(50, seed=1)
    assert (np.array(pca.clamped_errors(unseen, range(24))) <= pca.errors(unseen)[:24].numpy() + 1e-12).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 23))
@settings(max_examples=50)
def test_no_other_projection_of_the_same_size_does_better_on_the_training_pictures(seed: int, count: int) -> None:
    pictures = drawn(60, seed % 7)
    best = float(fit_pca(pictures).errors(pictures)[count])
    flat = pictures.flatten(1).numpy() / 255
    draw = np.random.default_rng(seed)
    axes = np.linalg.qr(draw.normal(size=(24, count)))[0].T
    offset = flat.mean(0) + draw.normal(scale=draw.choice([0.0, 0.01, 0.1]), size=24)
    output = offset + (flat - offset) @ axes.T @ axes
    assert best <= np.square(output - flat).mean() + 1e-12


@pytest.mark.parametrize("count", [-1, 25])
def test_components_that_are_not_there_are_refused(count: int) -> None:
    with pytest.raises(BaselineError, match="0 to 24 components"):
        fit_pca(drawn(30)).keep(count)


def test_pictures_too_large_to_fit_are_refused() -> None:
    with pytest.raises(BaselineError, match=r"at most 4,096 numbers, .*; these have 4,800"):
        fit_pca(torch.zeros(2, 3, 40, 40, dtype=torch.uint8))


def test_the_published_sizes_rise_from_the_mean_picture_to_one_short_of_all() -> None:
    sizes = pca_measurement.curve_sizes(3072)
    assert sizes == sorted(set(sizes))
    assert (sizes[0], sizes[-1]) == (0, 3071)
    assert {64, 100, 256, 512, 1024, 2048} <= set(sizes)
    assert max(pca_measurement.curve_sizes(784)) == 783


# ---- published


@pytest.mark.parametrize("name", pca_curves.PUBLISHED)
def test_a_published_curve_belongs_to_its_data_set_and_falls(name: str) -> None:
    curve = pca_curve(name, ROOT / "checkpoints")
    assert curve.fingerprint == datasets.load(name).fingerprint
    assert list(curve.components) == pca_measurement.curve_sizes(int(np.prod(datasets.load(name).shape)))
    assert (np.diff(curve.mse) <= 0).all()


def test_the_reference_figures_are_met() -> None:
    """Measured before this module was there, with other code and on 50,000 training pictures: within 1%."""
    curve = pca_curve("cifar10", ROOT / "checkpoints")
    for size, error in {64: 0.00831, 256: 0.00258}.items():
        assert curve.at(size) == pytest.approx(error, rel=0.01)
    assert curve.at(1024) == pytest.approx(0.00022, abs=0.000005)  # given to two digits
    assert curve.mse[0] == pytest.approx(0.0618, rel=0.01)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("mnist", [0, 64, 256, 512]), pytest.param("cifar10", [0, 64, 256, 1024], marks=pytest.mark.slow)],
)
def test_the_real_pictures_give_the_published_curve(name: str, sizes: list[int], real_data: Path) -> None:
    if not catalog.available(name, real_data):
        pytest.skip(f"the real {name} is not in AECORE_DATA ({real_data}): `python -m aecore data fetch {name}`")
    dataset = datasets.load(name, real_data)
    errors = fit_pca(dataset.train.pixels).clamped_errors(dataset.test.pixels, sizes)
    curve = pca_curve(name, ROOT / "checkpoints")
    known = dict(zip(curve.components, curve.mse, strict=True))
    assert errors == pytest.approx([known[size] for size in sizes], rel=5e-6)  # six digits are published


def test_between_two_points_a_curve_is_a_line_in_logarithms() -> None:
    curve = Curve("cifar10", "", "", (0, 1, 100, 200), (0.5, 0.1, 0.001, 0.0))
    assert curve.at(10) == pytest.approx(0.01)
    assert curve.at(0) is None
    assert curve.at(150) is None


def test_a_curve_is_measured_on_the_test_pictures() -> None:
    train, validation, test = (
        Split(drawn(count, seed, (3, 8, 8)), torch.zeros(count, dtype=torch.int64))
        for seed, count in enumerate((33, 3, 4))
    )
    dataset = Dataset("small", "Small", (), (3, 8, 8), lambda: (train, validation), lambda: (test,))
    curve = pca_measurement.measure(dataset)
    assert curve.fingerprint == dataset.fingerprint
    assert "33 training pictures" in curve.method
    assert curve.mse[0] > curve.mse[20]


def test_the_command_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = Curve("cifar10", "f", "PCA", (0, 1), (0.5, 0.25))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "new"))
    monkeypatch.setattr(pca_measurement, "measure", lambda dataset: replace(curve, dataset=dataset.name))
    assert main(["baselines"]) == 0
    assert "pca-mnist.json" in capsys.readouterr().err
    assert pca_curve("cifar10", tmp_path / "new") == curve
    assert not list((tmp_path / "new").glob(".*")), "nothing half-written is left"


def test_a_curve_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pca_measurement, "measure", lambda dataset: Curve(dataset.name, "", "", (0,), (0.5,)))
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishedError, match="AECORE_CHECKPOINTS"):
        pca_measurement.publish(tmp_path / "file")


def test_a_missing_curve_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match=r"missing: `python -m aecore baselines`"):
        pca_curve("cifar10", tmp_path)


def test_a_data_set_without_a_curve_is_told(tmp_path: Path) -> None:
    with pytest.raises(PublishedError, match="cifar10 and mnist only, not for sample"):
        pca_curve("sample", tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_curve_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "pca-cifar10.json").write_bytes(content)
    with pytest.raises(PublishedError, match=r"pca-cifar10\.json is damaged"):
        pca_curve("cifar10", tmp_path)


def test_a_changed_figure_is_found(tmp_path: Path) -> None:
    facts = json.loads((ROOT / "checkpoints/pca-cifar10.json").read_text())
    facts["mse"][3] /= 2
    (tmp_path / "pca-cifar10.json").write_text(json.dumps(facts))
    with pytest.raises(PublishedError, match="damaged"):
        pca_curve("cifar10", tmp_path)


def test_a_curve_of_another_data_set_is_refused(tmp_path: Path) -> None:
    shutil.copy(ROOT / "checkpoints/pca-cifar10.json", tmp_path / "pca-mnist.json")
    with pytest.raises(PublishedError, match="was measured on cifar10"):
        pca_curve("mnist", tmp_path)


def test_the_store_lists_no_curve(tmp_path: Path) -> None:
    for name in pca_curves.PUBLISHED:
        shutil.copy(ROOT / f"checkpoints/pca-{name}.json", tmp_path)
    listing = Store(tmp_path).listing()
    assert (listing.runs, listing.unfinished, listing.damaged) == ([], [], [])


def test_a_curve_is_read_without_torch() -> None:
    code = "import sys; from pathlib import Path; from aecore.studies import pca_curves; "
    code += "pca_curves.pca_curve('cifar10', Path('checkpoints')); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
