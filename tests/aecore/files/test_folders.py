"""Data sets and runs lie where a variable says, in the checkout, or in the current folder of an installed package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import aecore
from aecore.files import folders
from aecore.scheduling import supervision

ROOT = Path(__file__).parents[3]


def test_the_checkout_holds_them_whatever_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AECORE_DATA", raising=False)
    monkeypatch.delenv("AECORE_CHECKPOINTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert (folders.data(), folders.checkpoints()) == (ROOT / "data", ROOT / "checkpoints")


def test_a_variable_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AECORE_DATA", "~/pictures")
    monkeypatch.setenv("AECORE_CHECKPOINTS", "runs")
    assert (folders.data(), folders.checkpoints()) == (tmp_path / "pictures", Path("runs"))


@pytest.mark.parametrize("beside", [[], ["pyproject.toml"], ["checkpoints/"]])
def test_an_installed_package_uses_the_current_folder(beside: list[str], tmp_path: Path) -> None:
    """A copy of the package where no checkout is, asked from another folder."""
    site, current = tmp_path / "site-packages", tmp_path / "here"
    shutil.copytree(Path(aecore.__file__).parent, site / "aecore", ignore=shutil.ignore_patterns("__pycache__"))
    current.mkdir()
    for name in beside:
        (site / name).mkdir() if name.endswith("/") else (site / name).touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AECORE_")}
    code = "from aecore.files import folders; print(folders.data(), folders.checkpoints(), folders.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=current,
        env=environment | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    *paths, module = done.stdout.split()
    assert module.startswith(str(site))
    assert paths == [str(current / "data"), str(current / "checkpoints")]


def test_a_process_started_elsewhere_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AECORE_DATA", "pictures")
    variables = supervision.variables(Path("runs"))
    assert variables["AECORE_DATA"] == str(tmp_path / "pictures")
    assert variables["AECORE_CHECKPOINTS"] == str(tmp_path / "runs")
    monkeypatch.delenv("AECORE_DATA")
    assert supervision.variables(Path("runs"))["AECORE_DATA"] == str(ROOT / "data")
