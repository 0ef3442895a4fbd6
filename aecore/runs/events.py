"""The events of a run that do not come from training itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from aecore.runs.store import Run


@dataclass(frozen=True)
class Resumed:
    """The run continues after this epoch; `damage` names a damaged file with a later one."""

    epoch: int
    damage: str = ""


@dataclass(frozen=True)
class Restarted:
    """The stored state of the run is damaged, so it starts again; `reason` names the file."""

    reason: str


@dataclass(frozen=True)
class Previewed:
    """The preview of the model after this epoch: a PNG, as `execution.preview` makes it."""

    epoch: int
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Scored:
    """Scoring progress: `pictures` of `of` test pictures."""

    pictures: int
    of: int


@dataclass(frozen=True)
class Finished:
    """The run is in the store; `cached` if it was there before."""

    run: Run
    cached: bool
