"""Published curves of PCA: read without torch, and only whole ones of the right data set."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aecore.data import datasets
from aecore.files.figures import PublishedError
from aecore.runs.store import Store
from aecore.studies import pca_curves, pca_measurement
from aecore.studies.pca_curves import Curve, pca_curve

ROOT = Path(__file__).parents[3]


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


def test_between_two_points_a_curve_is_a_line_in_logarithms() -> None:
    curve = Curve("cifar10", "", "", (0, 1, 100, 200), (0.5, 0.1, 0.001, 0.0))
    assert curve.at(10) == pytest.approx(0.01)
    assert curve.at(0) is None
    assert curve.at(150) is None


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
