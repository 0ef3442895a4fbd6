"""Published rates: read without torch, and only where they belong to the data and the runs that are here."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from math import inf
from pathlib import Path

import pytest

from aecore.data import datasets
from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.models import zoo
from aecore.reconstructors import codecs
from aecore.runs.store import Store
from aecore.studies import rate_measurement, rates
from aecore.studies.rate_measurement import envelope
from aecore.studies.rates import Curve, Point, RateError, Rates, gain
from tests.aecore.studies.published_rates import PUBLISHED, SMALL

ROOT = Path(__file__).parents[3]


def test_the_gain_is_in_decibels_at_equal_bits_and_none_where_pca_was_not_measured() -> None:
    pca = Curve("pca", "pca", (Point(4, 8, 100, 0.1), Point(6, 8, 400, 0.001)))
    one = Curve("one", "autoencoder", tuple(Point(4, 8, bits, 0.01) for bits in (99, 100, 200, 400, 401)))
    assert list(gain(one, pca)) == [None, pytest.approx(10), pytest.approx(0), pytest.approx(-10), None]
    assert gain(pca, pca) == (0, 0)
    assert Point(100, 8, 10, 0).psnr == inf


def test_the_published_curves_are_those_of_the_published_runs() -> None:
    """Measured on a fifth of the test pictures: exact errors are near those of all, which the runs' folders tell."""
    published = rates.curves("cifar10", PUBLISHED)
    assert published.fingerprint == datasets.load("cifar10").fingerprint
    assert {curve.name for curve in published.curves if curve.kind != "autoencoder"} == {"pca", *codecs.FORMATS}
    assert {curve.name for curve in published.curves if curve.kind == "autoencoder"} == {
        name for name, system in zoo.SYSTEMS.items() if system.dataset == "cifar10" and system.recipe.noise is None
    }
    assert published.weights == {
        run.name: run.files["weights.safetensors"]["sha256"]
        for run in Store(PUBLISHED).listing().runs
        if run.name in published.weights
    }
    assert list(published.pca.points) == envelope(published.pca.points)
    # All of PCA's components in the finest steps lose only what lies beyond the range of the training pictures' codes.
    beyond = published.pca.points[-1].mse
    assert beyond < 5e-6
    for curve in published.curves:
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
    rate_measurement.publish(tmp_path, progress=lambda text: None)
    return rates.path_of("cifar10", tmp_path)


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
        assert [one.name for one in rates.curves("cifar10", tmp_path).curves] == seen


def test_curves_are_read_without_torch(written: Path) -> None:
    code = "import sys; from pathlib import Path; from aecore.studies import rates; "
    code += "rates.curves('cifar10', Path(sys.argv[1])); "
    code += "print('torch' in sys.modules, 'constriction' in sys.modules)"
    call = [sys.executable, "-c", code, str(written.parent)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
