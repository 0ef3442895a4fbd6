"""Zip files from anywhere: written so that equal contents give equal bytes, read so that nothing in them is trusted.

A file is unpacked only as far as its names, kinds and sizes are those that were asked for. Sizes are counted while a
file is unpacked, whatever the archive says of them.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from aecore import AecoreError, printable

MOST_FILES = 32
MOST_BYTES = 2**29  # of an archive as a whole
LARGEST_DIRECTORY = 2**16  # bytes of the list of files at its end
LARGEST_RATIO = 100  # of what is unpacked to what is packed, in files of more than a megabyte
LONGEST_NAME = 60  # characters of a name in a sentence
_CHUNK = 2**18
_END, _LARGE_END = b"PK\x05\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES = 22, 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


class ArchiveError(AecoreError):
    """An archive is damaged, or is not what it should be; the text says why."""


def pack(file: IO[bytes], folder: str, contents: Mapping[str, bytes]) -> None:
    """Write a zip with `contents` in one folder, in this order: equal contents give equal bytes."""
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # dated 1980-01-01
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            # Weights and what is compressed already hardly shrink.
            packed.writestr(entry, content, zipfile.ZIP_STORED)


def unpack(file: IO[bytes], folder: Path, largest: Mapping[str, int]) -> str:
    """Unpack a zip of one folder into `folder`, and return the name that its folder has.

    `largest` has the most bytes of every file that may be in it. Raises `ArchiveError`, and `OSError` where `folder`
    cannot be written; what was unpacked by then is left to the caller.
    """
    _check_end(file)
    try:
        with zipfile.ZipFile(file) as packed:
            entries = packed.infolist()
            top = _check_names(entries, largest)
            _check_places(entries, packed.start_dir)
            for entry in entries:
                if not entry.is_dir():
                    name = entry.filename.rpartition("/")[2]
                    _unpack_one(packed, entry, folder / name, largest[name])
    except _BROKEN:
        raise ArchiveError("The zip file is damaged or cut short: export it again.") from None
    return top


def quoted(name: str) -> str:
    """A name from a file as a sentence shows it: short, and without anything that a terminal or page acts on."""
    plain = "".join(letter if letter.isprintable() else "\ufffd" for letter in printable(name))
    return repr(plain if len(plain) <= LONGEST_NAME else plain[:LONGEST_NAME] + "…")


def _check_end(file: IO[bytes]) -> None:
    """Check the archive's size and the size of its list of files, before Python reads that list into memory."""
    size = file.seek(0, os.SEEK_END)
    if size > MOST_BYTES:
        raise ArchiveError(f"The file has {size / 2**20:,.0f} MB: at most {MOST_BYTES / 2**20:,.0f} MB are read.")
    file.seek(max(0, size - _END_BYTES - _LOCATOR_BYTES))
    end = file.read()
    if end[-_END_BYTES:][:4] != _END:
        raise ArchiveError("The file is not a zip file, or it is cut short.")
    count, directory = int.from_bytes(end[-12:-10], "little"), int.from_bytes(end[-10:-6], "little")
    if end[:4] == _LARGE_END or count > MOST_FILES or directory > LARGEST_DIRECTORY:
        raise ArchiveError(f"The zip file holds more than {MOST_FILES} files: an exported run holds fewer.")


def _check_names(entries: list[zipfile.ZipInfo], largest: Mapping[str, int]) -> str:
    """Check the names, kinds and declared sizes of all files; returns the name of their folder."""
    seen, tops = set[str](), set[str]()
    for entry in entries:
        top, _, name = entry.orig_filename.partition("/")
        is_folder = entry.orig_filename == f"{top}/"
        if not (is_folder or name in largest) or not _is_plain(top):
            raise ArchiveError(f"The zip file holds {quoted(entry.orig_filename)}, which is no file of a run.")
        if entry.orig_filename in seen:
            raise ArchiveError(f"The zip file holds {quoted(entry.orig_filename)} twice.")
        seen.add(entry.orig_filename)
        tops.add(top)
        _check_kind(entry, largest.get(name, 0))
    if len(tops) != 1:
        raise ArchiveError("The zip file does not hold one folder with the files of a run.")
    return tops.pop()


def _is_plain(folder: str) -> bool:
    return folder not in ("", ".", "..") and folder.isprintable() and not set(folder) & set('\\:<>"')


def _check_kind(entry: zipfile.ZipInfo, most: int) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        raise ArchiveError(f"{quoted(entry.filename)} in the zip file is a link or a device and not a file.")
    if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
        raise ArchiveError(f"{quoted(entry.filename)} in the zip file is encrypted or packed in an unusual way.")
    if entry.file_size > most:
        raise ArchiveError(
            f"{quoted(entry.filename)} in the zip file has {entry.file_size:,} bytes: at most {most:,} are read."
        )
    if entry.file_size > max(2**20, LARGEST_RATIO * entry.compress_size):
        raise ArchiveError(
            f"{quoted(entry.filename)} in the zip file unpacks to more than {LARGEST_RATIO} times its size."
        )


def _check_places(entries: list[zipfile.ZipInfo], end: int) -> None:
    """Check that the files lie one after another, as those that are packed twice in one place do not."""
    places = sorted((entry.header_offset, entry.header_offset + 30 + entry.compress_size) for entry in entries)
    starts = [*(start for start, _ in places[1:]), end]
    if places[0][0] < 0 or any(stop > start for (_, stop), start in zip(places, starts, strict=True)):
        raise ArchiveError("Files overlap in the zip file: it is damaged or was made to harm.")


def _unpack_one(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> None:
    with packed.open(entry) as source, path.open("xb") as target:
        size = 0
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > min(most, entry.file_size):
                raise ArchiveError(f"{quoted(entry.filename)} in the zip file is larger than it says.")
            target.write(chunk)
        if size != entry.file_size:
            raise ArchiveError(f"{quoted(entry.filename)} in the zip file is cut short.")
        target.flush()
        os.fsync(target.fileno())
