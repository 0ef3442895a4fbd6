"""Readers of published files: what they read is what torchvision reads, without importing it."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aecore.data import catalog, datasets, published_files
from aecore.data.catalog import DatasetError, Part
from tests.aecore.data.reading import real


@pytest.mark.parametrize("part", ["learning", "test"])
@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_the_content_is_torchvisions(name: str, part: Part) -> None:
    import torchvision.datasets

    real(name)
    source, root = catalog.SOURCES[name], catalog.data_root(None)
    ours = published_files.read(source, root, part)
    theirs = getattr(torchvision.datasets, source.factory)(root, **source.parts[part])
    expected = np.asarray(theirs.data)
    if expected.ndim == 4:
        expected = expected.transpose(0, 3, 1, 2)  # torchvision puts the channels of CIFAR-10 last
    assert np.array_equal(ours.data, expected)
    assert np.array_equal(ours.targets, np.asarray(theirs.targets))


def test_reading_and_scoring_import_no_torchvision() -> None:
    """Its import takes seconds and 200 MB, among others for torch's compiler."""
    real("cifar10")
    real("mnist")
    program = (
        "import sys\n"
        "from aecore.data import datasets\n"
        "from aecore.data.splits import to_float\n"
        "from aecore.measuring.scoring import per_picture\n"
        "for name in ('cifar10', 'mnist'):\n"
        "    pictures = to_float(datasets.load(name).test.pixels[:2])\n"
        "    per_picture(pictures, pictures)\n"
        "print(sorted({'torchvision', 'piq', 'torch._dynamo'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


class Program:
    """A pickle that would write a file when it is read."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._target,)


def test_a_pickle_cannot_run_a_program(tmp_path: Path) -> None:
    source = catalog.SOURCES["cifar10"]
    (tmp_path / source.folder).mkdir()
    for file in source.files:
        content = {b"data": Program(tmp_path / "written"), b"labels": [0]}
        (tmp_path / source.folder / file).write_bytes(pickle.dumps(content))
    with pytest.raises(DatasetError, match=r"CIFAR-10 in .* is damaged"):
        _ = datasets.load("cifar10", tmp_path).test
    assert not (tmp_path / "written").exists()


def test_only_what_has_a_published_digest_is_read_here() -> None:
    assert [name for name, source in catalog.SOURCES.items() if published_files.is_readable(source)] == [
        "cifar10",
        "mnist",
    ]
