"""What happens while a run is made, besides training itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from aecore.runs.store import Run


@dataclass(frozen=True)
class Resumed:
    """The run goes on after this epoch; `damage` names the file that would have told of a later one."""

    epoch: int
    damage: str = ""


@dataclass(frozen=True)
class Restarted:
    """What was kept of the run is damaged, so it starts anew; `reason` names the file."""

    reason: str


@dataclass(frozen=True)
class Previewed:
    """What the model makes of the first test pictures after this epoch: a PNG, as `preview` makes it."""

    epoch: int
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Scored:
    """So many of the test pictures are scored."""

    pictures: int
    of: int


@dataclass(frozen=True)
class Finished:
    """The run is in the store; `cached` if it was there before."""

    run: Run
    cached: bool
