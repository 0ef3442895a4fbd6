"""The pictures that come with the package are the first ones of the real data sets, and are checked when read."""

import shutil
from pathlib import Path

import pytest
import torch

from aecore.data import catalog, datasets, excerpts
from aecore.data.catalog import EXCERPTS, SHIPPED, DatasetError
from aecore.data.splits import digest
from tests.aecore.data.reading import real


@pytest.mark.parametrize("name", EXCERPTS)
def test_every_excerpt_holds_the_first_pictures_of_the_whole(name: str) -> None:
    excerpt = EXCERPTS[name]
    part, whole = datasets.load(name), real(excerpt.whole)
    for split in ("test", "validation"):
        count = excerpt.counts[split]
        assert torch.equal(getattr(part, split).pixels, getattr(whole, split).pixels[:count])
        assert torch.equal(getattr(part, split).labels, getattr(whole, split).labels[:count])
    assert part.fingerprint == whole.fingerprint


@pytest.mark.slow
def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = excerpts.write(real("mnist"), EXCERPTS["mnist-excerpt"], tmp_path)
    monkeypatch.setattr(excerpts, "SHIPPED", tmp_path)
    assert digests == EXCERPTS["mnist-excerpt"].digests
    assert digest(datasets.load("mnist-excerpt").test) == digests["test"]


@pytest.mark.parametrize("name", EXCERPTS)
def test_every_excerpt_is_read_without_a_data_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    excerpt, dataset = EXCERPTS[name], datasets.load(name)
    source = catalog.SOURCES[excerpt.whole]
    assert (dataset.shape, list(dataset.classes)) == (source.shape, source.classes.split(", "))
    for part in ("test", "validation"):
        split = getattr(dataset, part)
        assert split.pixels.shape == (excerpt.counts[part], *source.shape)
        assert (split.pixels.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert digest(split) == excerpt.digests[part]
    assert catalog.here(excerpt.whole) == name
    with pytest.raises(DatasetError, match=f"none to train on .* `python -m aecore data fetch {excerpt.whole}`"):
        _ = dataset.train


def test_all_of_it_takes_little_room() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 2.5e6


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("cifar10-test.webp", lambda content: content[:1000], "cannot be read. Install the package again."),
        ("cifar10-test.txt", lambda content: b"x" + content[1:], "cannot be read. Install the package again."),
        ("cifar10-test.txt", lambda content: b"0" + content[1:], "is damaged. Install the package again."),
    ],
)
def test_damage_is_noticed(
    file: str, damage: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(damage)
    shutil.copytree(SHIPPED, tmp_path / "shipped")
    changed = tmp_path / "shipped" / file
    changed.write_bytes(damage(changed.read_bytes()))
    monkeypatch.setattr(excerpts, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(DatasetError, match=said):
        _ = datasets.load("cifar10-excerpt").test
