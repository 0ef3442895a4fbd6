"""The catalog of data sets: what it says of each is what torchvision knows, and no file is read for it."""

from pathlib import Path

import pytest

from aecore.data import catalog, datasets
from aecore.data.catalog import DatasetError
from tests.aecore.data.reading import as_nobody


@pytest.mark.parametrize("name", catalog.SOURCES)
def test_sources_name_what_torchvision_knows(name: str) -> None:
    import torchvision.datasets

    source, factory = catalog.SOURCES[name], getattr(torchvision.datasets, catalog.SOURCES[name].factory)
    if hasattr(factory, "classes") and name != "mnist":
        assert source.classes.split(", ") == factory.classes
    if hasattr(factory, "base_folder"):
        assert source.folder == factory.base_folder
        assert {file for file, _ in factory.train_list + factory.test_list} <= set(source.files)
    if hasattr(factory, "resources"):
        assert {file.removesuffix(".gz") for file, _ in factory.resources} == set(source.files)
    assert len(datasets.load(name).classes) == (100 if name == "cifar100" else 10)


def test_the_root_is_given_or_in_the_environment_or_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "elsewhere"))
    assert catalog.status()[0].path == tmp_path / "elsewhere" / "cifar-10-batches-py"
    assert catalog.status(tmp_path)[0].path == tmp_path / "cifar-10-batches-py"
    assert catalog.status(tmp_path)[0].size == "170 MB to download"
    monkeypatch.delenv("AECORE_DATA")
    assert catalog.status()[0].path == Path(datasets.__file__).parents[2] / "data" / "cifar-10-batches-py"


def test_the_numbers_of_pictures_are_known_without_reading_them(real_data: Path) -> None:
    for name in ("cifar10", "mnist"):
        dataset = datasets.load(name, real_data)
        assert catalog.SOURCES[name].learning_pictures == (len(dataset.train), len(dataset.validation))


def test_a_data_set_in_a_folder_that_may_not_be_entered_is_absent(public: Path) -> None:
    folder = public / catalog.SOURCES["cifar10"].folder
    folder.mkdir()
    for file in catalog.SOURCES["cifar10"].files:
        (folder / file).touch()
    assert catalog.available("cifar10", public)
    folder.chmod(0)
    with as_nobody():
        assert not catalog.available("cifar10", public)
        assert not catalog.status(public)[0].available
        with pytest.raises(DatasetError, match=r"CIFAR-10 is not in .*: run .*, or set AECORE_DATA to the folder"):
            _ = datasets.load("cifar10", public).test
    folder.chmod(0o755)


def test_data_sets_are_known_by_the_shape_of_their_pictures() -> None:
    for name in (*catalog.SOURCES, *catalog.CROPS):
        shape = datasets.load(name).shape
        assert name in catalog.with_shape(shape)
        assert catalog.embedded(shape) == {32: "sample", 64: "scenes-64", 96: "scenes-96"}.get(shape[1])
    assert catalog.with_shape((3, 96, 96)) == ["stl10", "scenes-96"]
    assert catalog.with_shape((3, 48, 48)) == []


@pytest.mark.parametrize("name", [*catalog.NAMES, "folder:{pictures}", "folder@48:{pictures}"])
def test_the_shape_that_is_known_by_the_name_is_that_of_the_data_set(name: str, pictures: Path) -> None:
    name = name.format(pictures=pictures)
    assert catalog.shape_of(name) == datasets.load(name).shape


def test_the_name_of_a_folder_without_its_path_leads_nowhere(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    for name, short in ((f"folder:{pictures}", "folder:"), (f"folder@64:{pictures}", "folder@64:")):
        assert catalog.available(name)
        assert catalog.without_path(name) == short
        assert not catalog.available(short)
        with pytest.raises(DatasetError, match="There is no folder"):
            datasets.load(short)
    assert catalog.without_path("cifar10") == "cifar10"
