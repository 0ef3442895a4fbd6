"""Fits: made once for the facts that decide them, the same bits afterwards, and made again when damaged."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aecore.files import fits
from aecore.files.fits import load_or_make

ROOT = Path(__file__).parents[3]
FACTS = {"dataset": "0" * 64, "noise": "gaussian:0.1", "grid": [0.5, 1.0]}


class Maker:
    """Makes a fit with every shape and type that a real one has, and counts how often it was asked to."""

    def __init__(self, seed: int = 0) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.times = 0
        self.fit = {
            "axes": torch.randn(3, 4, generator=draw).T,  # not contiguous
            "width": torch.randn((), generator=draw, dtype=torch.float64),
            "counts": torch.randint(9, (5,), generator=draw),
        }

    def __call__(self) -> dict[str, Tensor]:
        self.times += 1
        return self.fit


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first
    )


def files(root: Path) -> list[str]:
    """The files of `root`, but for the locks."""
    return sorted(path.name for path in (root / fits.FOLDER).iterdir() if path.suffix != ".lock")


def test_a_fit_is_made_once_and_read_bit_for_bit(tmp_path: Path) -> None:
    make = Maker()
    made, read = load_or_make(tmp_path, "blur", FACTS, make), load_or_make(tmp_path, "blur", FACTS, make)
    assert make.times == 1
    assert same(made, make.fit)
    assert same(read, make.fit)
    assert len(files(tmp_path)) == 1


def test_the_order_of_the_facts_does_not_matter(tmp_path: Path) -> None:
    make = Maker()
    load_or_make(tmp_path, "blur", FACTS, make)
    load_or_make(tmp_path, "blur", dict(reversed(FACTS.items())), make)
    assert make.times == 1


@pytest.mark.parametrize("other", [("median", FACTS), ("blur", FACTS | {"noise": "gaussian:0.2"}), ("blur", {})])
def test_another_name_or_other_facts_are_another_fit(other: tuple[str, dict[str, object]], tmp_path: Path) -> None:
    load_or_make(tmp_path, "blur", FACTS, Maker())
    second = Maker(1)
    assert same(load_or_make(tmp_path, *other, second), second.fit)
    assert len(files(tmp_path)) == 2


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "no fit": lambda path: path.write_text("width: 0.7"),
    "no checksum": lambda path: path.write_bytes(b"\x02\0\0\0\0\0\0\0{}"),
    "another fit": lambda path: path.write_bytes(_another(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def _another(path: Path) -> bytes:
    """A whole fit of another name, under this one's."""
    load_or_make(path.parent / "elsewhere", "median", FACTS, Maker())
    return next((path.parent / "elsewhere" / fits.FOLDER).glob("*.safetensors")).read_bytes()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_fit_is_set_aside_and_made_again(damage: str, tmp_path: Path) -> None:
    load_or_make(tmp_path, "blur", FACTS, Maker())
    path = tmp_path / fits.FOLDER / files(tmp_path)[0]
    DAMAGE[damage](path)
    again = Maker()
    assert same(load_or_make(tmp_path, "blur", FACTS, again), again.fit)
    assert same(load_or_make(tmp_path, "blur", FACTS, again), again.fit)
    assert again.times == 1
    assert path.with_name(f"{path.name}.damaged").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    load_or_make(root, "blur", FACTS, Maker())
    return root


@given(place=st.integers(0, 2**16), mask=st.integers(1, 255))
def test_no_changed_byte_is_overlooked(place: int, mask: int, whole: Path) -> None:
    path = next((whole / fits.FOLDER).glob("*.safetensors"))
    changed = bytearray(path.read_bytes())
    changed[place % len(changed)] ^= mask
    path.write_bytes(changed)
    again = Maker()
    assert same(load_or_make(whole, "blur", FACTS, again), again.fit)


def test_what_was_read_does_not_change_with_the_file(tmp_path: Path) -> None:
    make = Maker()
    load_or_make(tmp_path, "blur", FACTS, make)
    read = load_or_make(tmp_path, "blur", FACTS, make)
    path = tmp_path / fits.FOLDER / files(tmp_path)[0]
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place, as no program of ours writes
        file.write(bytes(size))
    assert same(read, make.fit)


@pytest.mark.parametrize("blocked", [".", fits.FOLDER])
def test_where_nothing_can_be_kept_the_fit_is_made_all_the_same(blocked: str, tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.joinpath(blocked).parent.mkdir(exist_ok=True)
    root.joinpath(blocked).write_text("a file where a folder should be")
    make = Maker()
    assert same(load_or_make(root, "blur", FACTS, make), make.fit)
    assert same(load_or_make(root, "blur", FACTS, make), make.fit)
    assert make.times == 2


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    load_or_make(tmp_path, "blur", FACTS, Maker())
    path = tmp_path / fits.FOLDER / files(tmp_path)[0]
    path.rename(path.with_name(f".{path.name}.4194305.part"))  # no process has this number
    load_or_make(tmp_path, "blur", FACTS, Maker())
    assert files(tmp_path) == [path.name]


def test_a_fit_that_fails_is_told_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    def fail() -> dict[str, Tensor]:
        raise OSError("the pictures cannot be read")

    with pytest.raises(OSError, match="the pictures cannot be read"):
        load_or_make(tmp_path, "blur", FACTS, fail)
    assert files(tmp_path) == []
    make = Maker()
    other = threading.Thread(target=load_or_make, args=(tmp_path, "blur", FACTS, make), daemon=True)
    other.start()
    other.join(60)
    assert make.times == 1


def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
import torch
from aecore.files.fits import load_or_make

root = Path(sys.argv[1])

def make():
    with (root / "made").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(0.5)
    return {"process": torch.tensor(os.getpid())}

print("ready", flush=True)
sys.stdin.readline()
print(int(load_or_make(root, "blur", {}, make)["process"]))
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in started]
    assert answers[0] == answers[1] == (tmp_path / "made").read_text()
