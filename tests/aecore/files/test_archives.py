"""Zip files: equal contents give equal bytes, and what is unpacked is what was packed."""

import io
import zipfile
from pathlib import Path

import pytest

from aecore.files import archives
from aecore.files.archives import ArchiveError, pack, quoted, unpack

CONTENTS = {"one": b"first", "two": bytes(1000)}
LARGEST = {"one": 10, "two": 1000, "three": 10}


def packed(contents: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    pack(file, "folder", contents)
    return file


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    assert unpack(packed(CONTENTS), tmp_path, LARGEST) == "folder"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == CONTENTS
    assert packed(CONTENTS).getvalue() == packed(dict(CONTENTS)).getvalue()
    with zipfile.ZipFile(packed(CONTENTS)) as archive:  # as other programs read it
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"folder/{name}": content for name, content in CONTENTS.items()
        }


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ({"one": bytes(11)}, "has 11 bytes: at most 10 are read"),
        ({"four": b""}, "'folder/four', which is no file of a run"),
        ({}, "does not hold one folder"),
    ],
)
def test_what_was_not_asked_for_is_refused(contents: dict[str, bytes], why: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=why):
        unpack(packed(contents), tmp_path, LARGEST)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 100)
    with pytest.raises(ArchiveError, match="at most"):
        unpack(packed(CONTENTS), tmp_path, LARGEST)


def test_what_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    """Stored and not compressed, so that only the count while unpacking and the checksum can tell."""
    content = packed(CONTENTS).getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        place = archive.start_dir
    # The size of the first file, unpacked, in the list of files.
    lying = content[: place + 24] + (3).to_bytes(4, "little") + content[place + 28 :]
    with pytest.raises(ArchiveError, match=r"larger than it says|damaged"):
        unpack(io.BytesIO(lying), tmp_path, LARGEST)


def test_a_name_in_a_sentence_is_short_and_plain() -> None:
    assert quoted("a\x1b[31m\u202eb\n") == "'a\ufffd[31m\ufffdb\ufffd'"
    assert len(quoted("x" * 1000)) < 70
