"""A run as one `.zip` that can be sent to others, and the way back into a store.

    shallow-strided-e2296c079711/
        run.json              the manifest, as in the store
        weights.safetensors   and what else the store has of the run: its curve, its scores, its preview
        README.md             a model card
        model.onnx            the model for ONNX Runtime, compared with torch
        events.out.tfevents.0 the curve for TensorBoard

Where the folder of pictures of a run lies is in no bundle, and what a bundle says of it is not stored. The last three
files follow from the others: who imports a run does not rely on them, and they are not stored.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from aecore.data.catalog import without_path
from aecore.files import archives
from aecore.files.whole import write_whole
from aecore.models.recipe import RunSpec
from aecore.runs import notes
from aecore.runs.bundle_checks import FILES, BundleError, check
from aecore.runs.store import HISTORY, PREVIEW, RUN, SCORES, SCORES_BEFORE, WEIGHTS, Run, Store, StoreError, sealed

__all__ = ["BundleError", "Imported", "contents", "file_name", "packed", "read", "write"]

CARD, ONNX, EVENTS = "README.md", "model.onnx", "events.out.tfevents.0"
LARGEST = {
    RUN: 2**20,
    WEIGHTS: 2**28,
    HISTORY: 2**22,
    SCORES: 2**24,
    PREVIEW: 2**23,
    CARD: 2**20,
    ONNX: 2**29,
    EVENTS: 2**24,
}
_INCOMING = ".incoming"  # without a dash, so that the store does not take it for a run
_ABANDONED = 3600  # seconds after which what a killed import left is removed
_PATIENCE = 5.0  # seconds to wait for a run that is being trained or removed


@dataclass(frozen=True)
class Imported:
    """A run that was read from a bundle; `was_here` says that the store had it already."""

    run: Run
    was_here: bool


def file_name(run: Run) -> str:
    """What the bundle of a run is called."""
    return f"{run.spec.folder}.zip"


def contents(run: Run) -> dict[str, bytes]:
    """The files of a run's bundle, in their order.

    Raises an `AecoreError` where a file of the run is damaged or missing, or where its ONNX file is not exact.
    """
    from aecore.reconstructors import onnx_export
    from aecore.runs import model_cards, tensorboard

    if SCORES_BEFORE in run.files:
        raise BundleError(f"{run.path.name} was scored by an old version of aecore: train it again to export it.")
    files = {name: run.read(name) for name in FILES}
    multiple = onnx_export.multiple(run.spec.architecture)
    return {
        CARD: model_cards.card(run, file_name(run), multiple).encode(),
        RUN: _without_path((run.path / RUN).read_bytes()),
        **files,
        ONNX: onnx_export.export(run.model()),
        EVENTS: tensorboard.events(run),
    }


def packed(run: Run) -> bytes:
    """A run's bundle: equal runs give equal bytes. Raises as `contents`."""
    archive = io.BytesIO()
    archives.pack(archive, run.spec.folder, contents(run))
    return archive.getvalue()


def write(run: Run, path: Path) -> None:
    """Write a run's bundle, whole or not at all. Raises as `contents`."""
    content = packed(run)
    try:
        write_whole(path, content)
    except OSError as error:
        raise BundleError(f"{path} cannot be written ({error.strerror}).") from None


def read(file: Path | str | BinaryIO, store: Store) -> Imported:
    """Add the run in a bundle to the store, after all of it was verified. A damaged run in the store is replaced.

    Raises an `AecoreError` and changes nothing where the bundle is not what it should be. Nothing is written but below
    the store's folder.
    """
    try:
        with _opened(file) as source, _room(store) as room:
            folder = room / "run"
            folder.mkdir()
            top = archives.unpack(source, folder, LARGEST)
            spec = check(folder)
            if top != spec.folder:
                raise BundleError(f"The folder in the zip is called {archives.quoted(top)}, and not {spec.folder}.")
            write_whole(folder / RUN, _without_path((folder / RUN).read_bytes()))
            for name in set(LARGEST) - {RUN, *FILES}:
                (folder / name).unlink(missing_ok=True)
            with store.lock(spec, _PATIENCE):
                if run := _whole(spec, store):
                    return Imported(run, was_here=True)
                return Imported(store.admit(spec, folder, keep=[notes.FILE]), was_here=False)
    except OSError as error:
        raise BundleError(f"The bundle cannot be imported ({error.strerror}).") from None


def _without_path(manifest: bytes) -> bytes:
    """A `run.json` in which a folder of pictures has no path: it tells of one computer, and on another one it would
    show whatever lies there. The key of the run does not change."""
    facts = json.loads(manifest)
    name = without_path(facts["spec"]["dataset"])
    if name == facts["spec"]["dataset"]:
        return manifest
    del facts["sha256"]
    return sealed(facts | {"spec": facts["spec"] | {"dataset": name}})


def _whole(spec: RunSpec, store: Store) -> Run | None:
    """The run that the store has of `spec`, if every one of its files is intact; what is damaged is set aside."""
    try:
        run = store.finished(spec)
    except StoreError:
        run = store.finished(spec)  # raises again where it is another version's
    try:
        for name in run.files if run else ():
            assert run is not None
            run.read(name)
    except StoreError:
        return None
    return run


@contextmanager
def _opened(file: Path | str | BinaryIO) -> Iterator[IO[bytes]]:
    if not isinstance(file, Path | str):
        yield file
        return
    with ExitStack() as stack:
        try:
            source = stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise BundleError(f"{file} cannot be read ({error.strerror}).") from None
        yield source


@contextmanager
def _room(store: Store) -> Iterator[Path]:
    """A new folder beside the runs, removed in the end."""
    incoming = store.root / _INCOMING
    try:
        incoming.mkdir(parents=True, exist_ok=True)
        for left in incoming.iterdir():
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
        room = Path(tempfile.mkdtemp(dir=incoming))
    except OSError as error:
        raise BundleError(
            f"{store.root} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
        ) from None
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)
        with suppress(OSError):
            incoming.rmdir()  # unless another import is under way
