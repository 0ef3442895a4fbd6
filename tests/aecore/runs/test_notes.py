"""What a person wrote about a run comes back whole, and harms nothing else."""

from pathlib import Path

import pytest

from aecore.runs import notes
from aecore.runs.notes import FILE, Note
from aecore.runs.store import Store, StoreError
from tests.pages.copies import copied


def test_a_note_comes_back_and_the_run_stays_whole(tmp_path: Path) -> None:
    run = copied(Store().find("shallow-maxpool"), tmp_path, epochs=7)
    assert notes.read(run) == Note()
    note = Note("Seven epochs", "Longer: is it *better*?\n“Yes” ↑")
    notes.write(run, note)
    assert notes.read(run) == note
    (listed,) = Store(tmp_path).listing().runs
    assert listed == run
    assert not listed.missing()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"title": "x"}', b"\xff"])
def test_a_damaged_note_is_an_empty_one(content: bytes, tmp_path: Path) -> None:
    run = copied(Store().find("shallow-maxpool"), tmp_path, epochs=7)
    (run.path / FILE).write_bytes(content)
    assert notes.read(run) == Note()


def test_what_is_too_long_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    run = copied(Store().find("shallow-maxpool"), tmp_path, epochs=7)
    with pytest.raises(StoreError, match="The title has 61 characters: at most 60 are kept"):
        notes.write(run, Note("x" * 61))
    (run.path / FILE).mkdir()
    with pytest.raises(StoreError, match=r"note.json cannot be written"):
        notes.write(run, Note("x"))
