"""The commands `export` and `import`, from a run to a file and back, and models from elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.files import folders
from aecore.reconstructors import foreign, foreign_process
from aecore.runs.store import Store
from tests.aecore.reconstructors import hostile_models

PUBLISHED = folders.home() / "checkpoints"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with two ONNX files."""
    for name, kind in (("Their Net.onnx", "convolution"), ("text.onnx", "a text")):
        (tmp_path / name).write_bytes(dict(hostile_models.files())[kind])
    return tmp_path


@pytest.mark.slow
def test_a_run_goes_out_and_comes_back(
    aecore: Any, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Store(PUBLISHED).find("shallow-maxpool")
    shutil.copytree(published.path, checkpoints / published.path.name)
    monkeypatch.chdir(tmp_path)
    done = aecore("export", "shallow-maxpool")
    assert (done.status, done.out.strip()) == (0, f"{published.path.name}.zip")
    assert (tmp_path / f"{published.path.name}.zip").is_file()
    shutil.rmtree(checkpoints)
    done = aecore("import", f"{published.path.name}.zip")
    assert (done.status, done.out.strip(), done.err) == (0, published.path.name, "")
    given = torch.rand(2, 3, 32, 32)
    assert torch.equal(Store(checkpoints).load("shallow-maxpool")(given), published.model()(given))
    again = aecore("import", f"{published.path.name}.zip")
    assert (again.status, again.err.strip()) == (0, f"{published.path.name} is in the store already.")


def test_a_model_from_elsewhere_is_named_after_its_file_and_scored(
    aecore: Any, checkpoints: Path, models: Path
) -> None:
    done = aecore("import", models / "Their Net.onnx", "--licence", "MIT")
    assert (done.status, done.out.strip()) == (0, "onnx-their-net: takes pictures of 3 channels, any size")
    assert foreign.find("onnx-their-net", checkpoints).facts.licence == "MIT"
    scored = aecore("score", "onnx-their-net", "identity", "--dataset", "sample", "--images", 4, "--json")
    theirs, identity = scored.json
    # Its kernel is the identity.
    assert theirs["MSE"] == pytest.approx(identity["MSE"], abs=1e-9)
    foreign_process.stop(foreign.find("onnx-their-net", checkpoints).facts.sha256)


def test_names_and_files_that_are_none_are_refused_in_one_sentence(
    aecore: Any, models: Path, checkpoints: Path
) -> None:
    for arguments, why in (
        (("import", models / "text.onnx"), "is not an ONNX file"),
        (("import", models / "nothing.onnx"), "cannot be read"),
        (("import", models / "nothing.zip"), "cannot be read"),
        (("import", models / "Their Net.onnx", "--name", "No Name"), "cannot name a model"),
        (("import", models / "a.zip", "--name", "mine"), "--name is for one ONNX model, not 0"),
        (("export", "nobody"), "There is no run 'nobody'"),
    ):
        done = aecore(*arguments)
        assert done.status == 1
        assert why in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert not list(checkpoints.glob("*"))


def test_listing_systems_imports_nothing_of_onnx() -> None:
    code = (
        "import sys; from aecore.cli.main import main; main(['list']); "
        "print({'onnx', 'onnxruntime', 'tensorboardX', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folders.home())
    assert done.stdout.splitlines()[-1] == "set()"
