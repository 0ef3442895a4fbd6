"""Packers by name: at the published settings they give the published bytes."""

import shutil
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from aecore.data import datasets
from aecore.data.splits import Dataset, to_float
from aecore.files.fits import FOLDER
from aecore.measuring import budgets
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors.codecs import FORMATS
from aecore.reconstructors.packers import QuantisedCodes
from aecore.runs.store import Store
from aecore.studies import packing, rates
from aecore.studies.contestants import Contestant
from aecore.studies.packing import PackingError
from aecore.studies.rates import Rates
from tests.aecore.finished import finish
from tests.aecore.studies.published_rates import PUBLISHED


@pytest.fixture(scope="module")
def known() -> Rates:
    return rates.curves("cifar10", PUBLISHED)


def offered(known: Rates | None, label: str) -> Contestant:
    return next(one for one in packing.offered(known, Store(PUBLISHED).listing().runs) if one.label == label)


def thinned(known: Rates, name: str, points: slice) -> Rates:
    """The rates with a part of one curve's points, which take less time."""
    curve = known.curve(name)
    return replace(known, curves=(replace(curve, points=curve.points[points]),))


class Taught(NamedTuple):
    """A packer whose tables were fitted on an excerpt, and what it was made from; its fit is stored in `root`."""

    packer: QuantisedCodes
    data: Dataset
    rates: Rates
    root: Path


@pytest.fixture(scope="module")
def taught(known: Rates, tmp_path_factory: pytest.TempPathFactory) -> Taught:
    data, few, root = (
        datasets.load("cifar10-excerpt"),
        thinned(known, "compress-64", slice(None, None, 8)),
        tmp_path_factory.mktemp("fits"),
    )
    packer = packing.find(offered(known, "compress-64"), data, few, Store(root))
    assert isinstance(packer, QuantisedCodes)
    return Taught(packer, data, few, root)


def test_what_has_a_curve_is_offered_and_codecs_always(known: Rates) -> None:
    runs = Store(PUBLISHED).listing().runs
    labels = [one.label for one in packing.offered(known, runs)]
    assert labels[-4:] == ["PCA", "JPEG", "WebP", "AVIF"]
    assert set(labels[:-4]) == {curve.name for curve in known.curves if curve.kind == "autoencoder"}
    assert [one.label for one in packing.offered(None, runs)] == ["compress-rates", "JPEG", "WebP", "AVIF"]
    missing = {one.label: one.missing for one in packing.offered(known, runs, can_fit=False)}
    assert [label for label, why in missing.items() if why] == ["PCA"]


def test_what_has_no_settings_is_refused(known: Rates, tmp_path: Path) -> None:
    contestant = offered(known, "compress-64")
    with pytest.raises(PackingError, match="No settings are published for compress-64: `python -m aecore rates`"):
        packing.find(contestant, datasets.load("sample"), None, Store(tmp_path))


def test_a_model_with_an_entropy_model_needs_no_curve(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for line in ("conv8:s4 | entropy3:h4 | up4 | conv3", "1x28x28 | conv8:s4 | entropy3:h4 | up4 | conv1"):
        architecture = Architecture.parse(line)
        spec = RunSpec(architecture, Recipe(), "sample", "0" * 64)
        finish(store, spec, architecture.module().state_dict())
    trained, *codecs = packing.offered(None, store.listing().runs)
    assert trained.run is not None
    assert trained.run.spec.architecture.input_shape == (3, 32, 32)
    assert len(codecs) == len(FORMATS)
    packer = packing.find(trained, datasets.load("sample"), None, store)
    clean = to_float(datasets.load("sample").test.pixels[:3])
    outcomes = budgets.measure(packer, clean, settings=[0, 16])
    reconstructed = (trained.run.model()(clean).clamp(0, 1) * 255).round()
    assert torch.equal(outcomes.pixels[1].float(), reconstructed)


def test_codecs_have_the_published_qualities(known: Rates, tmp_path: Path) -> None:
    for kind, rule in FORMATS.items():
        packer = packing.find(offered(None, rule.title), datasets.load("sample"), None, Store(tmp_path))
        assert list(packer.settings) == [f"quality {point.setting:g}" for point in known.curve(kind).points]


@pytest.mark.slow
def test_streams_have_the_published_mean_length(known: Rates, real_data: Path, tmp_path: Path) -> None:
    few, data = thinned(known, "compress-64", slice(None, None, 20)), datasets.load("cifar10")
    packer = packing.find(offered(known, "compress-64"), data, few, Store(tmp_path))
    outcomes = budgets.measure(packer, to_float(data.test.pixels[:2000]))
    for setting, point in enumerate(few.curve("compress-64").points):
        # Steps follow from differences of float32 pictures, of which four digits are exact. Where every step is wider
        # by a thousandth, each number takes log2(1.001) bits less, and the error grows with the square of the step.
        bits = 8 * float(outcomes.sizes[setting].double().mean())
        assert bits == pytest.approx(point.bits, abs=point.numbers * log2(1.001))
        assert float(outcomes.errors[setting].mean()) == pytest.approx(point.mse, rel=2e-3)


def test_an_excerpt_teaches_tables_by_its_validation_pictures(taught: Taught) -> None:
    pixels, split = packing.learning_pictures(taught.data)
    assert (split, len(pixels)) == ("validation", 300)
    numbers = taught.packer.coder.encode(to_float(pixels))
    for alphabet in taught.packer.alphabets:
        # The ranges are those of the pictures that were learned from: none of their numbers is clipped by a step.
        highest = (alphabet.lowest + [len(table) - 1 for table in alphabet.tables]) * alphabet.steps
        assert (numbers.amax(0).numpy() <= highest + alphabet.steps).all()
        assert (numbers.amin(0).numpy() >= (alphabet.lowest - 1) * alphabet.steps).all()
    means = budgets.measure(taught.packer, to_float(taught.data.test.pixels[:50])).sizes.double().mean(1)
    assert (means.diff() > 0).all(), "settings go from few bytes to many"


def test_tables_are_fitted_once(taught: Taught, known: Rates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(taught.root, tmp_path / "store")
    (stored,) = (tmp_path / "store" / FOLDER).glob("alphabets-*.safetensors")
    monkeypatch.setattr(packing, "gains", None)  # whatever is fitted again fails
    contestant, store = offered(known, "compress-64"), Store(tmp_path / "store")
    again, clean = packing.find(contestant, taught.data, taught.rates, store), to_float(taught.data.test.pixels[:4])
    for setting in range(len(taught.packer.settings)):
        streams = again.pack(clean, setting)
        assert streams == taught.packer.pack(clean, setting)
        assert torch.equal(again.unpack(streams, setting), taught.packer.unpack(streams, setting))
    stored.write_bytes(b"damaged")
    with pytest.raises(TypeError):
        packing.find(contestant, taught.data, taught.rates, store)
    assert stored.with_name(f"{stored.name}.damaged").is_file()


def test_pca_has_the_published_numbers_of_components(known: Rates, sample_fits: Path, tmp_path: Path) -> None:
    shutil.copytree(sample_fits / FOLDER, tmp_path / FOLDER)
    few = thinned(known, "pca", slice(10, 60, 20))
    packer = packing.find(offered(known, "PCA"), datasets.load("sample"), few, Store(tmp_path))
    assert isinstance(packer, QuantisedCodes)
    assert [len(alphabet.tables) for alphabet in packer.alphabets] == [p.numbers for p in few.pca.points]
    clean = to_float(datasets.load("sample").test.pixels[:30])
    outcomes = budgets.measure(packer, clean)
    assert (outcomes.sizes.double().mean(1).diff() > 0).all()
    assert (outcomes.errors.mean(1).diff() < 0).all()
