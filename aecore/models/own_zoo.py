"""One's own zoo: named architectures in one file beside the runs, `architectures.toml`, that may be sent to others.

    slim = "conv16 | pool | up | conv3:k1:sigmoid"

Every entry is a line of its own. A line that is damaged, or that was written by hand and is no architecture, is left
out of what is read and stays in the file as it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from aecore import AecoreError, did_you_mean, printable
from aecore.files.whole import write_whole
from aecore.models.architecture import Architecture, ArchitectureError
from aecore.models.recipe import NAME_RULE, is_name

FILE = "architectures.toml"
_HEAD = "# Architectures of one's own: a name and its layers, one to a line.\n"


class OwnZooError(AecoreError):
    """An architecture cannot be saved, renamed or removed; the text says why."""


@dataclass(frozen=True)
class Contents:
    """The architectures by name, in the order of the file, and a sentence for whatever in it is none."""

    architectures: Mapping[str, Architecture]
    damaged: tuple[str, ...] = ()


class OwnZoo:
    """The file below `root`. Any number of processes may change it at once. Names in `reserved` are not given."""

    def __init__(self, root: Path, reserved: Collection[str] = ()) -> None:
        self.path = root / FILE
        self._reserved = reserved

    def read(self) -> Contents:
        """What is in the file; an absent one is empty. Raises nothing."""
        try:
            lines = _split(self.path.read_bytes())
        except FileNotFoundError:
            return Contents({})
        except OSError as error:
            return Contents({}, (f"{self.path} cannot be read ({error.strerror}).",))
        values, damaged = _values(lines)
        architectures, sentences = dict[str, Architecture](), list[str]()
        if damaged:
            where = f"line {damaged[0]}" if len(damaged) == 1 else f"lines {', '.join(map(str, damaged))}"
            sentences.append(f"{FILE} is damaged in {where}: what stands there is left out, and stays in the file.")
        for name, value in values.items():
            try:
                self._check_name(name)
                architectures[name] = _architecture(value)
            except AecoreError as error:
                sentences.append(f"{printable(name)!r} in {FILE} is left out: {error}")
        return Contents(architectures, tuple(sentences))

    def save(self, name: str, architecture: Architecture) -> None:
        """Add an architecture under a new name; saving the same one again changes nothing.

        Raises `OwnZooError` where the name is not allowed or names another architecture, or where the file cannot be
        written.
        """
        self._check_name(name)
        with self._editing(name) as lines:
            values = _values(lines)[0]
            if name not in values:
                _append(lines, _entry(name, str(architecture)))
            elif not _is_line_of(values[name], architecture):
                raise OwnZooError(
                    f"There is an architecture {name!r} already: choose another name, or remove that one."
                )

    def rename(self, name: str, new: str) -> None:
        """Give an architecture another name; its runs keep theirs. Raises `OwnZooError` as `save` does."""
        self._check_name(new)
        with self._editing(name, new) as lines:
            index, value = self._place(name, lines)
            if new != name and new in _values(lines)[0]:
                raise OwnZooError(f"There is an architecture {new!r} already: choose another name, or remove that one.")
            lines[index] = _entry(new, value)

    def remove(self, name: str) -> None:
        """Take an architecture out of the file; its runs stay. Raises `OwnZooError` if there is none of this name."""
        with self._editing(name) as lines:
            del lines[self._place(name, lines)[0]]

    def _check_name(self, name: str) -> None:
        if not is_name(name):
            raise OwnZooError(f"{printable(name)!r} cannot name an architecture: {NAME_RULE}.")
        if name in self._reserved:
            raise OwnZooError(f"{name!r} is the name of a system of the zoo: choose another.")
        if re.match(r"[0-9]+x", name):
            raise OwnZooError(f"{name!r} cannot name an architecture: it reads like the shape of pictures.")

    def _place(self, name: str, lines: list[str]) -> tuple[int, str]:
        """On which of the lines this name is, and its layers."""
        for index, line in enumerate(lines):
            value = (_parsed(line) or {}).get(name)
            if isinstance(value, str):
                return index, value
        values = _values(lines)[0]
        if name in values:
            raise OwnZooError(f"{name!r} is not on a line of its own in {self.path}: change it there by hand.")
        raise OwnZooError(
            f"There is no architecture {name!r} in {FILE}: {did_you_mean(name, values)}"
            f"Architectures: {', '.join(values) or 'none yet'}."
        )

    @contextmanager
    def _editing(self, *names: str) -> Iterator[list[str]]:
        """The lines of the file, in which these names may change; they are written then, and others wait meanwhile."""
        folder = self.path.parent / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / "architectures.lock"):
                lines = _split(self.path.read_bytes() if self.path.exists() else _HEAD.encode())
                before = list(lines)
                yield lines
                if lines != before:
                    _compare(before, lines, names)
                    write_whole(self.path, "\n".join(lines).encode(errors="surrogateescape"))
        except OSError as error:
            raise OwnZooError(
                f"{self.path} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
            ) from None


def _compare(before: list[str], after: list[str], names: Collection[str]) -> None:
    """Raise `OwnZooError` if an edit changes what the file says of any other than these names."""
    (values, damaged), (values_after, damaged_after) = _values(before), _values(after)
    changed = [name for name in values.keys() | values_after.keys() if values.get(name) != values_after.get(name)]
    if set(changed) - set(names) or len(damaged_after) > len(damaged):
        raise OwnZooError(f"{FILE} was written by hand in a way that only a hand can change.")


def _split(content: bytes) -> list[str]:
    """The lines; the last one is empty where the file ends as it should."""
    return content.decode(errors="surrogateescape").split("\n")


def _append(lines: list[str], entry: str) -> None:
    """Add an entry at the end, or before the first table that a hand has written, to which it would belong."""
    tables = [index for index, line in enumerate(lines) if line.lstrip().startswith("[")]
    index = tables[0] if tables else len(lines) - (not lines[-1].strip())
    lines[index:index] = [entry]
    if lines[-1].strip():
        lines.append("")


def _entry(name: str, line: str) -> str:
    """An entry in TOML. Names and layers contain no character that a quoted string would have to escape."""
    key = name if re.fullmatch(r"[a-z0-9-]+", name) else f'"{name}"'
    return f'{key} = "{line}"'


def _values(lines: list[str]) -> tuple[dict[str, Any], list[int]]:
    """What the file says of every name; and if it is not TOML as a whole, what its lines say, and which say nothing."""
    whole = _parsed("\n".join(lines))
    if whole is not None:
        return whole, []
    values, damaged = dict[str, Any](), list[int]()
    for number, line in enumerate(lines, start=1):
        parsed = _parsed(line)
        if parsed is None or parsed.keys() & values.keys():
            damaged.append(number)
        else:
            values |= parsed
    return values, damaged


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text.rstrip("\r"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _architecture(value: object) -> Architecture:
    if not isinstance(value, str):
        raise OwnZooError('its value is no line of layers, such as "conv3:k1:sigmoid".')
    try:
        return Architecture.parse(value)
    except ArchitectureError as error:
        raise OwnZooError(str(error)) from None


def _is_line_of(value: object, architecture: Architecture) -> bool:
    try:
        return _architecture(value) == architecture
    except OwnZooError:
        return False
