"""Whole files: one has its old content or its new content, whatever fails and whenever a process is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.files.whole import canonical, write_whole

ROOT = Path(__file__).parents[3]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that was there before."""
    path = tmp_path / "figures.json"
    path.write_bytes(b"old")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_file_gets_its_content_and_nothing_is_left_beside_it(path: Path) -> None:
    write_whole(path, b"new")
    write_whole(path.with_name("other.json"), b"")
    assert contents(path.parent) == {"figures.json": b"new", "other.json": b""}


def test_what_was_there_is_renamed_where_it_is_wanted(path: Path) -> None:
    before = path.with_name("before.json")
    write_whole(path, b"new", before)
    assert contents(path.parent) == {"figures.json": b"new", "before.json": b"old"}
    path.unlink()
    write_whole(path, b"newer", before)
    assert contents(path.parent) == {"figures.json": b"newer", "before.json": b"old"}


def test_a_file_may_be_read_by_those_whom_the_umask_admits(path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_whole(path, b"new")
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_where_a_step_fails_the_old_file_is_kept(step: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new", path.with_name("before.json"))
    assert contents(path.parent) == {"figures.json": b"old"}


def test_a_process_told_to_stop_while_it_writes_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert contents(path.parent) == {"figures.json": b"old"}


def test_a_folder_is_not_replaced_and_a_missing_one_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "folder", b"new")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "figures.json", b"new")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_a_reader_sees_a_whole_file_at_any_time_and_so_does_who_kills_the_writer(path: Path) -> None:
    size = 1 << 20
    code = f"""
import sys
from itertools import cycle
from pathlib import Path
from aecore.files.whole import write_whole

for letter in cycle("ab"):
    write_whole(Path(sys.argv[1]), letter.encode() * {size})
    print(letter, flush=True)
"""
    command = [sys.executable, "-c", code, str(path)]
    whole = {b"a" * size, b"b" * size}
    for kill in range(3):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"a\n"
            for _ in range(20 + 7 * kill):
                assert path.read_bytes() in whole
            writer.kill()
        assert path.read_bytes() in whole


@given(facts=st.dictionaries(st.text(), values, max_size=4))
def test_equal_values_have_equal_bytes(facts: dict[str, object]) -> None:
    assert canonical(dict(reversed(facts.items()))) == canonical(facts)


def test_canonical_bytes_are_those_that_were_hashed_before() -> None:
    assert canonical({"b": [1, 0.5, None], "a": {"d": "é", "c": True}}) == (
        b'{"a":{"c":true,"d":"\\u00e9"},"b":[1,0.5,null]}'
    )
