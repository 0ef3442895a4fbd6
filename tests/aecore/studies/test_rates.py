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
from typing import Any

import pytest

from aecore.data import datasets
from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.models import zoo
from aecore.reconstructors import codecs
from aecore.runs.store import Store
from aecore.studies import rate_measurement, rates
from aecore.studies.rates import VERSION, Curve, Lead, Point, RateError, Rates
from tests.aecore.studies.published_rates import PUBLISHED, SMALL

ROOT = Path(__file__).parents[3]


def test_a_lead_lies_clear_of_zero_and_of_differences_that_do_not_matter() -> None:
    for decibels, margin, counts in ((0.06, 0.01, True), (0.04, 0.01, False), (0.3, 0.31, False), (-0.3, 0.01, False)):
        assert Lead(decibels, margin).counts == counts
    assert Point(100, 1, 8, 10, 0).psnr == inf


def test_windows_are_the_neighbours_that_lead() -> None:
    leads = [0.0, 0.1, 0.2, None, 0.3, 0.04, 0.2, 0.2]
    points = [
        Point(4, 1, 8, 1000.4 * (index + 1), 0.01, over_pca=None if decibels is None else Lead(decibels, 0.01))
        for index, decibels in enumerate(leads)
    ]
    curve = Curve("one", "autoencoder", tuple(points), best=4)
    assert [[points.index(point) for point in window] for window in curve.windows] == [[1, 2], [4], [6, 7]]
    assert curve.windows_text == "2,001 to 3,001 and 5,002 to 5,002 and 7,003 to 8,003"
    assert curve.best_point == points[4]
    assert Curve("pca", "pca", tuple(points[:1])).windows_text == ""


def test_decibels_at_some_bits_lie_between_those_of_two_points() -> None:
    measured = ((100, 0.1, 11.0), (200, 0.01, 22.0), (400, 1e-3, 33.0))
    points = tuple(Point(4, 1, 8, bits, error, 50, psnr_mean=mean) for bits, error, mean in measured)
    curve = Curve("one", "codec", points)
    assert curve.decibels_at(200, headers=False) == pytest.approx((20, 22))
    assert curve.decibels_at(250, headers=True) == pytest.approx((20, 22))
    # Bits are doubled from point to point, so their root is halfway.
    assert curve.decibels_at(200 * 2**0.5, headers=False) == pytest.approx((25, 27.5))
    for bits, headers in ((99, False), (401, False), (149, True), (451, True)):
        assert curve.decibels_at(bits, headers=headers) is None
    exact = Point(4, 1, 8, 800, 1e-9)  # of some pictures, so that their mean PSNR is infinite
    assert Curve("one", "codec", (*points, exact)).decibels_at(500, headers=False) is None
    assert Curve("one", "codec", (exact,)).decibels_at(800, headers=False) is None


def test_the_published_curves_are_those_of_the_published_runs() -> None:
    """Exact errors of a fifth of the test pictures are near those of all, which the runs' folders tell."""
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
    # All of PCA's components in the finest steps lose only what lies beyond the range of the training pictures' codes.
    beyond = published.pca.points[-1].mse
    assert beyond < 5e-6
    for curve in published.curves:
        for fewer, more in pairwise(curve.points):
            assert fewer.bits <= more.bits
            # Their order in error is that of the validation pictures.
            assert fewer.mse > more.mse * 0.98
        if curve.name == "compress-rates":  # its numbers are always rounded, in its scores at the highest rate
            assert curve.exact is None
            assert curve.points[-1].mse == pytest.approx(Store(PUBLISHED).find(curve.name).totals.mse, rel=0.05)
        elif curve.kind == "autoencoder":
            assert curve.exact == pytest.approx(Store(PUBLISHED).find(curve.name).totals.mse, rel=0.05)
            # The curve ends at the setting with the lowest error, which rounding may even lower a little.
            assert curve.points[-1].mse == pytest.approx(curve.exact, rel=5e-3, abs=1.1 * beyond)


def test_curves_that_cannot_be_had_say_why(tmp_path: Path) -> None:
    with pytest.raises(RateError, match="cifar10 only, not for sample"):
        rates.curves("sample", tmp_path)
    with pytest.raises(PublishedError, match=r"rates-cifar10\.json is missing: `python -m aecore rates`"):
        rates.curves("cifar10", tmp_path)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of curves."""
    monkeypatch.setattr(rate_measurement, "measure", lambda dataset, models, root, progress: SMALL)
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


@pytest.mark.parametrize("change", [{"version": VERSION - 1}, {"version": None}, {"curves": [{"name": "dense"}]}])
def test_curves_of_another_version_are_refused(written: Path, change: dict[str, Any]) -> None:
    figures.write(written, figures.read(written, "cifar10", dict, "") | change)
    with pytest.raises(PublishedError, match="was written by another version of aecore"):
        rates.curves("cifar10", written.parent)


def test_the_curve_of_a_run_that_is_here_with_other_weights_is_left_out(tmp_path: Path) -> None:
    run = Store(PUBLISHED).find("compress-64")
    shutil.copytree(run.path, tmp_path / run.path.name)
    path, curve = tmp_path / "rates-cifar10.json", Curve("compress-64", "autoencoder", (Point(2, 1, 64, 100, 0.01),))
    for weights, seen in ((run.files["weights.safetensors"]["sha256"], ["compress-64"]), ("0" * 64, [])):
        rates_of = Rates("cifar10", "", "", (curve,), {"compress-64": weights})
        figures.write(path, {"version": VERSION, **asdict(rates_of)})
        assert [one.name for one in rates.curves("cifar10", tmp_path).curves] == seen


def test_curves_are_read_without_torch(written: Path) -> None:
    code = "import sys; from pathlib import Path; from aecore.studies import rates; "
    code += "rates.curves('cifar10', Path(sys.argv[1])); "
    code += "print('torch' in sys.modules)"
    call = [sys.executable, "-c", code, str(written.parent)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
