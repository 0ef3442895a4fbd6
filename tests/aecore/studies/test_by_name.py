"""Whatever gives pictures back is found by its name, and is called in the same way."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import Dataset, to_float
from aecore.reconstructors import codecs, denoisers, foreign, pca
from aecore.runs.store import Store
from aecore.studies import by_name
from aecore.studies.contestants import FOREIGN
from tests import optional
from tests.aecore.reconstructors import hostile_models

PUBLISHED = Store(Path(__file__).parents[3] / "checkpoints")


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


@pytest.fixture(scope="module")
def pictures(sample: Dataset) -> Tensor:
    return to_float(sample.test.pixels[:3])


# Of the methods that are tuned, one: their own tests try them all.
KINDS = [*pca.EXAMPLES, *codecs.EXAMPLES, "pca-7", *optional.methods(["blur", "wiener", "bm3d"]), "shallow-strided"]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_called_alike(name: str, sample: Dataset, pictures: Tensor, fits: Store) -> None:
    store = PUBLISHED if not by_name.is_baseline(name) else fits
    reconstructor = by_name.find(name, sample, Noise("gaussian", 0.1), store)
    output = reconstructor(pictures)
    assert reconstructor.name == name
    assert reconstructor.code_size >= 0
    assert (output.shape, output.dtype) == (pictures.shape, torch.float32)
    assert (output.clamp(0, 1) - pictures).square().mean() < 0.1


@pytest.fixture(scope="module")
def fits(sample_fits: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("fits") / "store"
    shutil.copytree(sample_fits, root)
    return Store(root)


def test_the_mean_is_the_mean_training_picture_and_identity_the_picture(
    sample: Dataset, pictures: Tensor, fits: Store
) -> None:
    mean = by_name.find("mean", sample, None, fits)(pictures)
    expected = sample.train.pixels.double().mean(0) / 255
    torch.testing.assert_close(mean, expected.float().expand_as(mean))
    assert torch.equal(by_name.find("identity", sample, None, fits)(pictures), pictures)


def test_pca_is_fitted_once(sample: Dataset, fits: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = by_name.find("pca-5", sample, None, fits)
    monkeypatch.setattr(pca, "fit_pca", None)
    again = by_name.find("pca-9", sample, None, fits)
    assert (first.code_size, again.code_size) == (5, 9)


def test_without_noise_a_denoiser_is_prepared_for_none(sample: Dataset, pictures: Tensor, fits: Store) -> None:
    assert torch.equal(by_name.find("blur", sample, None, fits)(pictures), pictures)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shallow-stride", "did you mean shallow-strided"),
        ("bm4d", "Baselines: identity, mean, pca-64, jpeg-75"),
        ("bm4d", "did you mean bm3d"),
        ("JPG-75", "did you mean jpeg-75"),
        ("pca-4000", "0 to 3,072 components, not 4,000"),
        ("jpeg-101", "nearest is jpeg-100"),
    ],
)
def test_what_is_not_there_is_told(name: str, message: str, sample: Dataset, fits: Store) -> None:
    store = fits if by_name.is_baseline(name) else PUBLISHED
    with pytest.raises(AecoreError, match=message):
        by_name.find(name, sample, None, store)


def test_a_baseline_whose_package_is_not_installed_is_listed_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    missing = {contestant.key: contestant.missing for contestant in by_name.baselines((3, 32, 32))}
    assert missing["bm3d"] == denoisers.METHODS["bm3d"].missing != ""
    assert not any(sentence for name, sentence in missing.items() if name != "bm3d")
    with pytest.raises(AecoreError, match="BM3D is not installed"):
        by_name.check("bm3d", (3, 32, 32))


def test_no_baseline_has_the_name_of_a_run() -> None:
    names = {run.name for run in PUBLISHED.listing().runs}
    assert names
    assert not any(by_name.is_baseline(name) for name in names)
    assert {*denoisers.METHODS, *codecs.EXAMPLES, *pca.EXAMPLES} == set(by_name.KNOWN)


def test_a_model_from_elsewhere_is_one_of_those_that_take_its_pictures(
    sample: Dataset, pictures: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    added = foreign.add(tmp_path, "grey", dict(hostile_models.files())["grey"], "CC0")
    assert added.label not in [contestant.label for contestant in by_name.contestants([], (3, 32, 32))]
    (contestant,) = [one for one in by_name.contestants([], (1, 28, 28)) if one.family == FOREIGN]
    assert contestant == by_name.baseline("onnx-grey") == by_name.baseline(contestant.key)
    assert (contestant.label, contestant.run, contestant.is_instant) == ("onnx-grey", None, False)
    assert "licence: CC0" in contestant.knowledge
    by_name.check("onnx-grey", (1, 28, 28))
    with pytest.raises(AecoreError, match="takes pictures of 1×28×28, not 3×32×32"):
        by_name.check("onnx-grey", (3, 32, 32))
    model = by_name.find(contestant.key, sample, Noise("gaussian", 0.1), Store(tmp_path))
    assert torch.equal(model(pictures[:, :1, :28, :28]), pictures[:, :1, :28, :28])
    foreign.remove(tmp_path, "grey")
    with pytest.raises(AecoreError, match="any more"):
        by_name.find(contestant.key, sample, None, Store(tmp_path))
