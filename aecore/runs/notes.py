"""What a person wrote about a run of their own: a title and a text, in `note.json` beside the run's files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from aecore.files.whole import write_whole
from aecore.runs.store import Run, StoreError

FILE = "note.json"
LONGEST_TITLE, LONGEST_TEXT = 60, 2000  # characters


@dataclass(frozen=True)
class Note:
    """A title, which stands in place of the run's own, and a text; both may be empty."""

    title: str = ""
    text: str = ""


def read(run: Run) -> Note:
    """The note of a run, an empty one where there is none or where it cannot be read."""
    try:
        facts = json.loads((run.path / FILE).read_bytes())
        return Note(str(facts["title"])[:LONGEST_TITLE], str(facts["text"])[:LONGEST_TEXT])
    except (OSError, ValueError, KeyError, TypeError):
        return Note()


def write(run: Run, note: Note) -> None:
    """Keep the note of a run; raises `StoreError` where it is too long or cannot be written."""
    for name, text, longest in (("title", note.title, LONGEST_TITLE), ("text", note.text, LONGEST_TEXT)):
        if len(text) > longest:
            raise StoreError(f"The {name} has {len(text):,} characters: at most {longest:,} are kept.")
    try:
        write_whole(run.path / FILE, json.dumps(asdict(note)).encode())
    except OSError as error:
        raise StoreError(f"{run.path.name}/{FILE} cannot be written ({error.strerror}).") from None
