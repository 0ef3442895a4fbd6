"""The store: a folder a run, `checkpoints/<name>-<key>/`.

    run.json             the spec, the environment, sizes, totals and the checksum of every file; written last
    weights.safetensors  the trained weights
    history.csv          a row an epoch
    scores.csv.gz        a row a test picture
    preview.png          test pictures above their reconstructions, at their own size
    state.safetensors    only while the run is unfinished: all that training needs to go on
    state-before.safetensors  the same after the epoch before, should that one be damaged

A file reaches its final name whole or not at all. What was damaged later is found by its checksum, renamed to
`….damaged`, and reported in one sentence; the rest of the store still loads.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from safetensors import SafetensorError, safe_open

from aecore import AecoreError
from aecore.files import folders
from aecore.files.whole import canonical, write_whole
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.recipe import KEY_DIGITS, RunSpec

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from aecore.reconstructors.trained import Model
    from aecore.training.events import State


FORMAT = 1
RUN, WEIGHTS, HISTORY, SCORES, PREVIEW = (
    "run.json",
    "weights.safetensors",
    "history.csv",
    "scores.csv.gz",
    "preview.png",
)
SCORES_BEFORE = SCORES.removesuffix(".gz")  # as runs were kept once: a third of a megabyte more for each
STATE, STATE_BEFORE = STATES = "state.safetensors", "state-before.safetensors"


class StoreError(AecoreError):
    """Something in the store is absent or damaged, or cannot be written; the text names the file."""


@dataclass(frozen=True)
class Run:
    """A finished run, as its `run.json` tells it."""

    path: Path
    spec: RunSpec
    environment: dict[str, Any]
    finished: str
    seconds: float
    dtype: str
    totals: Totals
    files: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        """What people call it."""
        return self.spec.name

    @property
    def key(self) -> str:
        """The spec's SHA-256."""
        return self.spec.key

    @property
    def is_light(self) -> bool:
        """Whether it was kept without weights: scores, curve and preview are all there is of it."""
        return WEIGHTS not in self.files

    def missing(self) -> list[str]:
        """Files that are absent or of another size than `run.json` says."""
        return [
            name
            for name, facts in self.files.items()
            if not (self.path / name).is_file() or (self.path / name).stat().st_size != facts["bytes"]
        ]

    def read(self, name: str) -> bytes:
        """The content of one of the run's files; a damaged one is set aside and raises `StoreError`."""
        try:
            content = (self.path / name).read_bytes()
        except FileNotFoundError:
            raise StoreError(f"{self.path.name}/{name} is missing. {self.remedy}") from None
        except IsADirectoryError:
            content = b""
        if _digest(content) != self.files[name]["sha256"]:
            raise StoreError(f"{_set_aside(self.path / name)} {self.remedy}")
        return content

    def history(self) -> pd.DataFrame:
        """The loss curves: one row per epoch."""
        table: pd.DataFrame = _tables().read(self.read(HISTORY))
        return table

    def scores(self) -> pd.DataFrame:
        """One row per test picture: picture, label and one column per metric."""
        plain = SCORES_BEFORE in self.files
        content = self.read(SCORES_BEFORE) if plain else gzip.decompress(self.read(SCORES))
        table: pd.DataFrame = _tables().read(content)
        return table

    def model(self) -> Model:
        """The trained model."""
        model: Model = _tensors().read_model(self.spec, self.read(WEIGHTS))
        return model

    @property
    def remedy(self) -> str:
        """What to do about a damaged file."""
        if zoo.is_own(self.spec):
            return f"`python -m aecore train {self.name}` makes it again, given {self.spec.dataset}."
        return "Train the same spec again to replace it."


@dataclass(frozen=True)
class Unfinished:
    """A run that stopped after `epoch` and can go on."""

    path: Path
    spec: RunSpec
    epoch: int


@dataclass(frozen=True)
class Listing:
    """What is in the store: finished runs by name, unfinished ones, and a sentence for each thing damaged."""

    runs: list[Run] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


class Store:
    """The runs under one folder: `root`, or by default `folders.checkpoints()`."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or folders.checkpoints()

    def listing(self) -> Listing:
        """Everything in the store; reads no weights."""
        found = Listing()
        for path in sorted(self.root.glob("*-*")) if self.root.is_dir() else ():
            try:
                if (path / RUN).exists():
                    run = _read_run(path)
                    found.runs.append(run)
                    found.damaged.extend(
                        f"{path.name}/{name} is missing or cut short. {run.remedy}" for name in run.missing()
                    )
                elif state := _newest_state(path):
                    spec, epoch = _read_state_header(state)
                    found.unfinished.append(Unfinished(path, spec, epoch))
                elif aside := sorted(path.glob("*.damaged")):
                    found.damaged.append(f"{path.name}/{aside[0].name} was damaged and set aside.")
                elif (path / WEIGHTS).exists():
                    found.damaged.append(f"{path.name}/{RUN} is missing. Train the same spec again to replace it.")
            except FileNotFoundError:
                continue  # its process has finished or removed it since we looked
            except StoreError as error:
                found.damaged.append(str(error))
        order = {name: position for position, name in enumerate(zoo.SYSTEMS)}
        found.runs.sort(key=lambda run: (order.get(run.name, len(order)), run.name, run.finished))
        return found

    def find(self, name: str) -> Run:
        """The run of this name, folder or key (or the beginning of a key, at least 4 digits).

        Of several runs of one name it is the system's own recipe at seed 0, or else the newest. Raises `StoreError`
        with the nearest name.
        """
        runs = self.listing().runs
        named = [run for run in runs if name in (run.name, run.path.name)]
        if not named and len(name) >= 4:
            named = [run for run in runs if run.key.startswith(name)]
        if not named:
            names = sorted({run.name for run in runs})
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise StoreError(f"There is no run {name!r} in {self.root}: {hint}Runs: {', '.join(names) or 'none yet'}.")
        return max(named, key=lambda run: (zoo.is_own(run.spec), run.finished))

    def others(self, weights: Mapping[str, str]) -> set[str]:
        """Which of these systems' own runs here have other weights than these, SHA-256 by name: what was measured of
        them is not of what is here."""
        return {
            run.name
            for run in self.listing().runs
            if zoo.is_own(run.spec) and run.name in weights and weights[run.name] != run.files[WEIGHTS]["sha256"]
        }

    def load(self, name: str) -> Model:
        """The trained model of a run, by name or key."""
        return self.find(name).model()

    def finished(self, spec: RunSpec) -> Run | None:
        """The finished run of this spec, if the store holds all of it; `StoreError` where its `run.json` is damaged."""
        for path in self._folders(spec):
            if (path / RUN).exists():
                run = _read_run(path)
                if run.key == spec.key and not run.missing():
                    return run
        return None

    @contextmanager
    def lock(self, spec: RunSpec) -> Iterator[None]:
        """Held while a run is made, so that asking twice at once trains once; ends with the process."""
        folder = self.root / ".locks"
        lock = FileLock(folder / f"{spec.key}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise StoreError(f"{self.root} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS.") from None
        try:
            yield
        finally:
            lock.release()

    def read_state(self, spec: RunSpec) -> State | None:
        """Where the unfinished run of this spec stands.

        A damaged state is set aside and raises `StoreError`; asked again, it is the one of the epoch before.
        """
        for path in self._folders(spec):
            if newest := _newest_state(path):
                state: State | None = _tensors().read_state(newest)
                if state is None:
                    raise StoreError(_set_aside(newest))
                return state
        return None

    def write_state(self, spec: RunSpec, state: State) -> None:
        """Keep where a run stands, and where it stood before."""
        content = _tensors().pack_state(spec, state)
        _write(self._folder(spec) / STATE, content, before=self._folder(spec) / STATE_BEFORE)

    def drop_states(self, spec: RunSpec) -> None:
        """Remove where a run stood, once it is finished."""
        for path in self._folders(spec):
            for name in reversed(STATES):  # the newest last: a kill between the two leaves no older one alone
                (path / name).unlink(missing_ok=True)

    def finish(
        self,
        spec: RunSpec,
        state: State,
        *,
        weights: Mapping[str, Tensor],
        scores: pd.DataFrame,
        totals: Totals,
        preview: bytes,
        environment: dict[str, Any],
    ) -> Run:
        """Write a finished run; `run.json`, which makes it one, comes last."""
        folder = self._folder(spec)
        contents = {
            WEIGHTS: _tensors().pack_weights(weights),
            HISTORY: _tables().pack_history(state),
            SCORES: _tables().pack_scores(scores),
            PREVIEW: preview,
        }
        # While its files change it is no run; `run.json` of before would vouch for what is no longer there.
        _remove(folder / RUN)
        for name, content in contents.items():
            _write(folder / name, content)
        dtypes = {str(tensor.dtype) for tensor in weights.values() if tensor.is_floating_point()}
        facts = {
            "format": FORMAT,
            "spec": spec.to_json(),
            "key": spec.key,
            "environment": environment,
            "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": state.history[-1].seconds,
            "dtype": ", ".join(sorted(dtypes)).replace("torch.", ""),
            "totals": asdict(totals),
            "files": {name: {"bytes": len(content), "sha256": _digest(content)} for name, content in contents.items()},
        }
        _write(folder / RUN, json.dumps(facts | {"sha256": _digest(canonical(facts))}, indent=2).encode())
        self.drop_states(spec)
        return _read_run(folder)

    def tidy(self, spec: RunSpec) -> None:
        """Remove what a killed process left half-written; call it with the lock held."""
        for path in self._folders(spec):
            for left in path.glob(".*.part"):
                left.unlink(missing_ok=True)

    def _folders(self, spec: RunSpec) -> list[Path]:
        return sorted(self.root.glob(f"*-{spec.key[:KEY_DIGITS]}"))

    def _folder(self, spec: RunSpec) -> Path:
        """The folder that a spec already has, perhaps under another name, or else a new one."""
        folder = next(iter(self._folders(spec)), self.root / spec.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder} cannot be made ({error.strerror}): set AECORE_CHECKPOINTS.") from None
        return folder


def load(name: str, root: Path | None = None) -> Model:
    """The trained model of a run, by name or key: `load("shallow-strided")(pictures)`."""
    return Store(root).load(name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_run(path: Path) -> Run:
    try:
        facts = json.loads((path / RUN).read_bytes())
        intact = facts.pop("sha256") == _digest(canonical(facts))
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    except OSError as error:
        raise StoreError(f"{path.name}/{RUN} cannot be read ({error.strerror}).") from None
    if not intact:
        raise StoreError(_set_aside(path / RUN))
    spec = _read_spec(path / RUN, facts["spec"])
    if facts["format"] != FORMAT or spec.key != facts["key"]:
        raise StoreError(_of_another_version(path / RUN))
    return Run(
        path,
        spec,
        facts["environment"],
        facts["finished"],
        facts["seconds"],
        facts["dtype"],
        Totals(**facts["totals"]),
        facts["files"],
    )


def _newest_state(path: Path) -> Path | None:
    return next((path / name for name in STATES if (path / name).exists()), None)


def _tensors() -> ModuleType:
    # torch takes a second to import: listing the store must take milliseconds.
    from aecore.runs import tensors

    return tensors


def _tables() -> ModuleType:
    # A run trains before it is scored, so it starts without pandas.
    from aecore.runs import tables

    return tables


def _read_state_header(path: Path) -> tuple[RunSpec, int]:
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
        values, epoch = json.loads(metadata["spec"]), int(metadata["epoch"])
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        raise StoreError(_set_aside(path)) from None
    return _read_spec(path, values), epoch


def _read_spec(path: Path, values: dict[str, Any]) -> RunSpec:
    """The spec in an intact file; one that we cannot read is not damaged, only from elsewhere."""
    try:
        return RunSpec.from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError, AecoreError):
        raise StoreError(_of_another_version(path)) from None


def _of_another_version(path: Path) -> str:
    return f"{path.parent.name}/{path.name} was written by another version of aecore; it is left alone."


def _set_aside(path: Path) -> str:
    """Rename a damaged file out of the way, and the sentence that says so."""
    aside = path.with_name(path.name + ".damaged")
    try:
        path.replace(aside)
    except OSError:
        return f"{path.parent.name}/{path.name} is damaged and could not be set aside: remove it."
    return f"{path.parent.name}/{path.name} is damaged; it was set aside as {aside.name}."


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}).") from None


def _write(path: Path, content: bytes, before: Path | None = None) -> None:
    try:
        write_whole(path, content, before)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); what was there before is kept.") from None
