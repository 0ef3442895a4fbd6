"""The file of the gallery's first figure: what is read is what was written, and the second server needs no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from pages.components.gallery import figure_file

HEADER, PICTURE = {"side": 32, "psnr": [["27.3 dB"]]}, b"\x89PNG and so on"


def test_a_figure_comes_back(tmp_path: Path) -> None:
    path = figure_file.path(tmp_path, {"models": ["a"]})
    assert figure_file.read(path) is None
    figure_file.write(path, HEADER, PICTURE)
    assert figure_file.read(path) == (HEADER, PICTURE)
    assert figure_file.path(tmp_path, {"models": ["b"]}) != path


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content + b"."])
def test_a_damaged_figure_is_made_again(damage: object, tmp_path: Path) -> None:
    path = figure_file.path(tmp_path, {})
    figure_file.write(path, HEADER, PICTURE)
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    assert figure_file.read(path) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".fits").touch()
    figure_file.write(figure_file.path(tmp_path, {}), HEADER, PICTURE)


def test_whether_one_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    assert not figure_file.is_any_stored()
    figure_file.write(figure_file.path(tmp_path, {}), HEADER, PICTURE)
    assert figure_file.is_any_stored()


def test_the_first_screen_imports_no_torch() -> None:
    program = "import sys, pages.components.gallery.first; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"
