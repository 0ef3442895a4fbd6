"""The store: one folder per run, `checkpoints/<name>-<key>/`.

    run.json             the spec, the environment, sizes, totals and the checksum of every file; written last
    weights.safetensors  the trained weights; a light run is kept without them
    history.csv          one row per epoch
    scores.csv.gz        one row per test picture
    preview.png          test pictures above their reconstructions, at their own size
    state.safetensors    only while the run is unfinished: all that training needs to go on
    state-before.safetensors  the same after the epoch before, should that one be damaged

A file reaches its final name whole or not at all. What was damaged later is found by its checksum, renamed to
`….damaged`, and reported in one sentence; the rest of the store still loads.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from aecore import AecoreError, did_you_mean, printable
from aecore.data import noise
from aecore.files import folders
from aecore.files.whole import canonical, write_whole
from aecore.measuring.totals import Totals
from aecore.models import zoo
from aecore.models.recipe import KEY_DIGITS, RunSpec
from aecore.runs.outcome import Trained

if TYPE_CHECKING:
    import pandas as pd

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
# A file that changed less than this before it was read may change once more without a new time: file systems keep times
# in steps of up to two seconds.
SETTLED_NS = 2_000_000_000
_OWN = re.compile(rf".+-[0-9a-f]{{{KEY_DIGITS}}}")  # the folders that the store itself makes


class StoreError(AecoreError):
    """Something in the store is absent or damaged, or cannot be written; the text names the file."""


@dataclass(frozen=True)
class Run:
    """A finished run, as its `run.json` describes it."""

    path: Path
    spec: RunSpec
    environment: Mapping[str, Any]
    finished: str
    seconds: float
    dtype: str
    totals: Totals
    files: Mapping[str, Mapping[str, Any]]
    noise_version: int = noise.VERSION  # of the noise that it was scored under

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

    @property
    def is_comparable(self) -> bool:
        """Whether each picture was scored under the noise that it gets now; always so for a run without noise."""
        return self.noise_version == noise.VERSION or self.spec.recipe.noise is None

    def missing(self) -> list[str]:
        """Files that are absent or of another size than `run.json` says."""
        return [name for name, facts in self.files.items() if _size(f"{self.path}/{name}") != facts["bytes"]]

    def digest(self, name: str) -> str:
        """The SHA-256 of one of the run's files; `StoreError` for the weights of a light run."""
        if name == WEIGHTS and self.is_light:
            command = f": `python -m aecore train {self.name}`, given {self.spec.dataset}."
            raise StoreError(
                f"{self.path.name} was stored without its weights. Train it again in full to get them"
                + (command if zoo.is_own(self.spec) else ".")
            )
        digest: str = self.files[name]["sha256"]
        return digest

    def read(self, name: str) -> bytes:
        """The content of one of the run's files.

        Raises `StoreError` where it is damaged, and then sets it aside, or where another run has replaced this one.
        """
        digest = self.digest(name)
        try:
            content = (self.path / name).read_bytes()
        except FileNotFoundError:
            raise StoreError(f"{self.path.name}/{name} is missing. {self.remedy}") from None
        except IsADirectoryError:
            content = b""
        if _digest(content) != digest:
            if not self._is_current(name):
                raise StoreError(f"{self.path.name} was replaced since it was listed: look again.")
            raise StoreError(f"{_set_aside(self.path / name)} {self.remedy}")
        return content

    def _is_current(self, name: str) -> bool:
        """Whether `run.json` still names this file's digest. It is absent while a run is replaced."""
        try:
            return _read_run(self.path / RUN).files.get(name) == self.files[name]
        except OSError:
            return False

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
        """The trained model; `StoreError` for a light run, which has no weights."""
        model: Model = _tensors().read_model(self.spec, self.read(WEIGHTS))
        return model

    @property
    def remedy(self) -> str:
        """What to do about a damaged file."""
        if zoo.is_own(self.spec):
            return f"`python -m aecore train {self.name}` makes it again; it needs the data set {self.spec.dataset}."
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

    @property
    def full(self) -> list[Run]:
        """The finished runs that have weights, and so a model."""
        return [run for run in self.runs if not run.is_light]


class Store:
    """The runs under one folder: `root`, or by default `folders.checkpoints()`."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or folders.checkpoints()

    def listing(self) -> Listing:
        """Everything in the store; reads no weights, and leaves alone what the store did not write."""
        listing, runs = Listing(), dict[str, list[Run]]()
        for folder in self._names():
            try:
                if run := self._run_in(folder):
                    runs.setdefault(run.key, []).append(run)
                elif _OWN.fullmatch(folder):
                    self._list_unfinished(folder, listing)
            except FileNotFoundError:
                continue  # its process has finished or removed it since we looked
            except StoreError as error:
                listing.damaged.append(str(error))
            except OSError as error:
                listing.damaged.append(f"{printable(folder)} cannot be read ({error.strerror}).")
        for copies in runs.values():
            run = next((run for run in copies if run.path.name == run.spec.folder), copies[0])
            folder = printable(run.path.name)
            listing.runs.append(run)
            listing.damaged.extend(f"{folder}/{name} is missing or cut short. {run.remedy}" for name in run.missing())
            listing.damaged.extend(
                f"{printable(other.path.name)} holds the same run as {folder} and is left out: remove one of them."
                for other in copies
                if other is not run
            )
        order = {name: position for position, name in enumerate(zoo.SYSTEMS)}
        listing.runs.sort(key=lambda run: (order.get(run.name, len(order)), run.name, run.finished))
        return listing

    def _list_unfinished(self, folder: str, listing: Listing) -> None:
        """Add a folder without a `run.json` to the `listing`."""
        if state := _newest_state(path := self.root / folder):
            spec, epoch = _read_state_header(state)
            listing.unfinished.append(Unfinished(path, spec, epoch))
        elif aside := sorted(path.glob("*.damaged")):
            listing.damaged.append(f"{folder}/{aside[0].name} was damaged and set aside.")
        elif (path / WEIGHTS).exists() or (path / SCORES).exists():
            listing.damaged.append(f"{folder}/{RUN} is missing. Train the same spec again to replace it.")

    def find(self, name: str) -> Run:
        """The run of this name, folder or key (or the beginning of a key, at least 4 digits).

        Of several runs of one name it is the system's own recipe at seed 0, or else the newest, those with weights
        before light ones. Raises `StoreError` with the nearest name.
        """
        folders, ending = self._names(), f"-{name[:KEY_DIGITS]}"
        likely = [folder for folder in folders if folder.startswith(f"{name}-") or folder.endswith(ending)]
        run = _best(self._readable(likely), name)
        # A folder may carry another name than its run, so only these two are certain without reading every run.
        if run and (run.key == name or zoo.is_own(run.spec)):
            return run
        runs = self._readable(folders)
        if run := _best(runs, name):
            return run
        names = sorted({run.name for run in runs})
        hint = did_you_mean(name, names)
        raise StoreError(f"There is no run {name!r} in {self.root}: {hint}Runs: {', '.join(names) or 'none yet'}.")

    def with_other_weights(self, weights: Mapping[str, str]) -> set[str]:
        """Names of zoo runs in this store whose weights differ from the given digests (name → SHA-256).

        Figures published for those digests do not describe them.
        """
        return {
            run.name
            for run in self._readable(self._names())
            if run.name in weights
            and zoo.is_own(run.spec)
            and not run.is_light
            and weights[run.name] != run.digest(WEIGHTS)
        }

    def load(self, name: str) -> Model:
        """The trained model of a run, by name or key."""
        return self.find(name).model()

    def finished(self, spec: RunSpec, light: bool = False) -> Run | None:
        """The finished run of this spec, if the store holds all of it; `StoreError` where its `run.json` is damaged.

        A light run is returned only if `light` is enough.
        """
        for folder in self._names(spec):
            run = self._run_in(folder)
            if run and run.key == spec.key and (light or not run.is_light) and not run.missing():
                return run
        return None

    @contextmanager
    def lock(self, spec: RunSpec, patience: float = -1) -> Iterator[None]:
        """Held while a run is made, so that asking twice at once trains once; ends with the process.

        Raises `StoreError` where somebody else holds it for longer than `patience` seconds; a negative one never ends.
        """
        folder = self.root / ".locks"
        lock = FileLock(folder / f"{spec.key}.lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(patience)
        except Timeout:
            raise StoreError(f"{spec.folder} is being trained or changed at this moment: try again later.") from None
        except OSError as error:
            raise StoreError(
                f"{self.root} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
            ) from None
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
                _remove(path / name)

    def finish(self, spec: RunSpec, state: State, trained: Trained, light: bool = False) -> Run:
        """Write a finished run, without its weights if `light`; `run.json`, which makes it one, comes last."""
        folder = self._folder(spec)
        contents = {} if light else {WEIGHTS: _tensors().pack_weights(trained.weights)}
        contents |= {
            HISTORY: _tables().pack_history(state),
            SCORES: _tables().pack_scores(trained.scores),
            PREVIEW: trained.preview,
        }
        # While its files change it is no run; `run.json` of before would vouch for what is no longer there.
        _remove(folder / RUN)
        if light:
            _remove(folder / WEIGHTS)
        for name, content in contents.items():
            _write(folder / name, content)
        dtypes = {str(tensor.dtype) for tensor in trained.weights.values() if tensor.is_floating_point()}
        facts = {
            "format": FORMAT,
            "spec": spec.to_json(),
            "key": spec.key,
            "environment": trained.environment,
            "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": state.history[-1].seconds,
            "dtype": ", ".join(sorted(dtypes)).replace("torch.", ""),
            "totals": asdict(trained.totals),
            "files": _files(contents),
            "noise_version": noise.VERSION,
        }
        run = _write_run(folder, facts)
        self.drop_states(spec)
        return run

    def rescore(self, run: Run, scores: pd.DataFrame, preview: bytes) -> Run:
        """Replace the scores and the preview of a finished run; call it with the lock held."""
        contents = {SCORES: _tables().pack_scores(scores), PREVIEW: preview}
        for name, content in contents.items():
            _write(run.path / name, content)
        facts = json.loads((run.path / RUN).read_bytes())
        del facts["sha256"]
        facts["files"].pop(SCORES_BEFORE, None)
        facts["files"] |= _files(contents)
        return _write_run(run.path, facts | {"totals": asdict(Totals.of(scores)), "noise_version": noise.VERSION})

    def remove(self, run: Run) -> None:
        """Delete a run and everything in its folder; raises `StoreError` where that may not be done.

        The folder is renamed first: half of it never passes for a run.
        """
        with self.lock(run.spec):
            gone = run.path.with_name(f".removed-{run.path.name}")
            try:
                shutil.rmtree(gone, ignore_errors=True)  # what a killed process left
                run.path.rename(gone)
                shutil.rmtree(gone)
            except FileNotFoundError:
                return  # somebody else has removed it
            except OSError as error:
                raise StoreError(f"{run.path.name} cannot be deleted ({error.strerror}).") from None

    def admit(self, spec: RunSpec, folder: Path, keep: Iterable[str] = ()) -> Run:
        """Move the complete `folder` of a run, made elsewhere below the root, to its place; call it with the lock held.

        Whatever was there of the same run is removed, but for the files to `keep`.
        """
        place, before = self._folder(spec), folder.with_name(f"{folder.name} before")
        try:
            for name in keep:
                if (place / name).is_file():
                    shutil.copy2(place / name, folder / name)
            place.rename(before)
            folder.rename(place)
            shutil.rmtree(before)
        except OSError as error:
            raise StoreError(f"{place} cannot be written ({error.strerror}).") from None
        return _read_run(place / RUN)

    def tidy(self, spec: RunSpec) -> None:
        """Remove what a killed process left half-written; call it with the lock held."""
        for path in self._folders(spec):
            for left in path.glob(".*.part"):
                _remove(left)

    def _names(self, spec: RunSpec | None = None) -> list[str]:
        """The names, in order, of what may be runs' folders: all of them, or those of a spec."""
        ending = f"-{spec.key[:KEY_DIGITS]}" if spec else ""
        try:
            with os.scandir(self.root) as entries:
                return sorted(entry.name for entry in entries if "-" in entry.name and entry.name.endswith(ending))
        except OSError:
            return []  # the first run makes the store

    def _folders(self, spec: RunSpec) -> list[Path]:
        return [self.root / name for name in self._names(spec)]

    def _readable(self, folders: Iterable[str]) -> list[Run]:
        """The runs in these folders; what is damaged is left to the listing."""
        runs = []
        for folder in folders:
            with suppress(StoreError):
                if run := self._run_in(folder):
                    runs.append(run)
        return runs

    def _run_in(self, folder: str) -> Run | None:
        """The run in a folder, or None where there is no `run.json`; a damaged one is set aside, with a `StoreError`.

        A file that has not changed since it was read is not read again: pages list the store at every rerun.
        """
        path = f"{self.root}/{folder}/{RUN}"
        try:
            facts = os.stat(path)  # noqa: PTH116 - making a Path of each of 500 takes longer than asking the system
            if time.time_ns() - facts.st_ctime_ns < SETTLED_NS:
                return _read_run(Path(path))
            # No program can set the time of a change (`ctime`) back, as it can that of a modification.
            return _unchanged(path, (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{folder}/{RUN} cannot be read ({error.strerror}).") from None

    def _folder(self, spec: RunSpec) -> Path:
        """The folder that a spec already has, perhaps under another name, or else a new one."""
        folder = next(iter(self._folders(spec)), self.root / spec.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
            ) from None
        return folder


def load(name: str, root: Path | None = None) -> Model:
    """The trained model of a run, by name or key: `load("shallow-strided")(pictures)`."""
    return Store(root).load(name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _best(runs: Iterable[Run], name: str) -> Run | None:
    """The run that `Store.find` gives for a name, folder or key."""
    runs = list(runs)
    matches = [run for run in runs if name in (run.name, run.path.name)]
    if not matches and len(name) >= 4:
        matches = [run for run in runs if run.key.startswith(name)]
    return preferred(matches)


def preferred(runs: Iterable[Run]) -> Run | None:
    """Which of several runs a name stands for: the system's own recipe at seed 0, then one with weights, the newest."""
    return max(runs, key=lambda run: (zoo.is_own(run.spec), not run.is_light, run.finished), default=None)


@lru_cache(maxsize=4096)
def _unchanged(path: str, stamp: tuple[int, ...]) -> Run:
    """The run in a file, read once for each `stamp`, which differs whenever the content may."""
    return _read_run(Path(path))


def _read_run(path: Path) -> Run:
    try:
        facts = json.loads(path.read_bytes())
        intact = facts.pop("sha256") == _digest(canonical(facts))
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact and not _OWN.fullmatch(path.parent.name):
        raise FileNotFoundError(path)  # another program's, or a person's
    if not intact:
        raise StoreError(_set_aside(path))
    spec = _read_spec(path, facts["spec"])
    if facts["format"] != FORMAT or spec.key != facts["key"]:
        raise StoreError(_of_another_version(path))
    return Run(
        path.parent,
        spec,
        facts["environment"],
        facts["finished"],
        facts["seconds"],
        facts["dtype"],
        Totals(**facts["totals"]),
        facts["files"],
        facts.get("noise_version", 1),  # not recorded at first
    )


def _write_run(folder: Path, facts: dict[str, Any]) -> Run:
    _write(folder / RUN, sealed(facts))
    return _read_run(folder / RUN)


def sealed(facts: dict[str, Any]) -> bytes:
    """The content of a `run.json`: the facts of a run, and their checksum."""
    return json.dumps(facts | {"sha256": _digest(canonical(facts))}, indent=2).encode()


def _files(contents: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """What `run.json` says of the files."""
    return {name: {"bytes": len(content), "sha256": _digest(content)} for name, content in contents.items()}


def _size(path: str) -> int | None:
    """The bytes of a file, or None where there is none."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


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
