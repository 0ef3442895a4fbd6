"""Models from elsewhere: ONNX files that map `[N, C, H, W]` in [0, 1] to the same shape, beside the runs.

    foreign/<name>/
        model.onnx    the file as it came
        model.toml    its name, licence note, SHA-256, and the sizes of pictures that it takes

Nothing of such a file is read in this process: it is checked and run in one of its own, which `foreign_worker`
describes. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from aecore.files.whole import write_whole
from aecore.models.layers import Shape, shape_text
from aecore.models.recipe import NAME_RULE, is_name
from aecore.models.reconstructor import Reach
from aecore.models.rules import CIFAR_SHAPE
from aecore.reconstructors import foreign_process
from aecore.reconstructors.foreign_process import LOADING, ForeignError, Process

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ForeignError", "ForeignModel", "Listing", "Model", "add", "find", "is_known", "listing", "remove"]

PREFIX = "onnx-"  # of its name among the contestants
FOLDER, CONTENT, FACTS = "foreign", "model.onnx", "model.toml"
MOST_BYTES = 100 * 2**20
MOST_MODELS = 100
LONGEST_LICENCE = 200  # characters
BATCH = 100  # pictures at a time
STRIDE = 32  # of five halvings: deeper networks for pictures of every size are rare
# Pixels per side of what it is given at a time, and of what two parts have in common, which is cut in the middle: more
# would not fit into the memory of its process.
PART, OVERLAP = 512, 128
_checking = Lock()  # each check may take all the memory that a model may


@dataclass(frozen=True)
class Model:
    """A model that was added: what is known of it without running it. A size of None is open."""

    name: str
    licence: str
    sha256: str
    channels: int
    height: int | None = None
    width: int | None = None

    @property
    def label(self) -> str:
        """Its name among the contestants."""
        return PREFIX + self.name

    @property
    def key(self) -> str:
        """Its label and the beginning of its digest: another file under the same name is another contestant."""
        return f"{self.label}:{self.sha256[:12]}"

    @property
    def any_size(self) -> bool:
        """Whether it takes pictures of any height and width."""
        return self.height is None and self.width is None

    @property
    def sizes(self) -> str:
        """The pictures that it takes, such as `3×32×32` or `3 channels, any size`."""
        if self.any_size:
            return f"{self.channels} channel{'s' * (self.channels > 1)}, any size"
        return "×".join(str(size or "any") for size in (self.channels, self.height, self.width))

    @property
    def example(self) -> Shape:
        """A shape of pictures that it takes."""
        return self.channels, self.height or CIFAR_SHAPE[1], self.width or CIFAR_SHAPE[2]

    def takes(self, shape: Shape) -> bool:
        """Whether it takes pictures of this shape."""
        own = (self.channels, self.height, self.width)
        return len(shape) == 3 and all(size in (None, other) for size, other in zip(own, shape, strict=True))


@dataclass(frozen=True)
class Listing:
    """The models that were added, by name, and a sentence for each that is damaged."""

    models: tuple[Model, ...] = ()
    damaged: tuple[str, ...] = ()


class ForeignModel:
    """A model from elsewhere as a reconstructor."""

    def __init__(self, facts: Model, folder: Path) -> None:
        self.facts = facts
        self._path = folder / CONTENT

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.facts.label

    @property
    def code_size(self) -> int | None:
        """None: where its code is, is not known."""
        return None

    @property
    def any_size(self) -> bool:
        """Whether it takes pictures of any height and width."""
        return self.facts.any_size

    @property
    def reach(self) -> Reach:
        """Assumed, since it is not known. Multiples of `STRIDE` suit its halvings, whose number is not known either."""
        return Reach(OVERLAP // 2, STRIDE, PART)

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output has the same shape and is not clamped.

        Raises `ForeignError` where the model does not take them, or fails.
        """
        import torch

        if not self.facts.takes(tuple(pictures.shape[1:])):
            shape = shape_text(tuple(pictures.shape[1:]))
            raise ForeignError(f"{self.name} takes pictures of {self.facts.sizes}, not {shape}.")
        batches = [batch.contiguous().numpy() for batch in torch.split(pictures.detach().float().cpu(), BATCH)]
        try:
            outputs = [foreign_process.ask(self.facts.sha256, self._read, batch) for batch in batches]
        except ForeignError as error:
            raise ForeignError(f"{self.name} failed. {error}") from None
        output = np.concatenate(outputs)
        if not np.isfinite(output).all():
            raise ForeignError(f"{self.name} failed. Its output holds values that are not finite numbers.")
        return torch.from_numpy(output)

    def _read(self) -> bytes:
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise ForeignError(f"{CONTENT} cannot be read ({error.strerror}): bring it again.") from None
        if hashlib.sha256(content).hexdigest() != self.facts.sha256:
            raise ForeignError(f"{CONTENT} is damaged: remove it and bring it again.")
        return content


def listing(root: Path) -> Listing:
    """The models beside the runs under `root`; reads none of them."""
    models, damaged = list[Model](), list[str]()
    for folder in _folders(root):
        try:
            models.append(_read_facts(folder))
        except FileNotFoundError:
            continue  # it is being added or removed
        except (OSError, ValueError, KeyError, TypeError):
            damaged.append(f"{FOLDER}/{folder.name}/{FACTS} is damaged: remove that folder and bring the model again.")
    return Listing(tuple(models), tuple(damaged))


def is_known(name: str, root: Path) -> bool:
    """Whether `name` is the label or key of a model under `root`."""
    return name.startswith(PREFIX) and _named(name, root) is not None


def find(name: str, root: Path) -> ForeignModel:
    """The model with this label or key; raises `ForeignError` where there is none."""
    model = _named(name, root)
    if model is None:
        names = ", ".join(known.label for known in listing(root).models) or "none yet"
        raise ForeignError(f"There is no model {name!r} from elsewhere any more. Models: {names}.")
    return ForeignModel(model, root / FOLDER / model.name)


def add(root: Path, name: str, content: bytes, licence: str = "", seconds: float = LOADING) -> Model:
    """Check the ONNX file `content` and keep it under a new name; adding the same one again changes nothing.

    `licence` is a note for people. Raises `ForeignError` where the name is taken or the model is refused: one that is
    not checked after `seconds` is.
    """
    licence = "".join(letter for letter in " ".join(licence.split()) if letter.isprintable()).strip()
    if not is_name(name):
        raise ForeignError(f"{name[:61]!r} cannot name a model: {NAME_RULE}.")
    if len(licence) > LONGEST_LICENCE:
        raise ForeignError(f"The licence note has {len(licence):,} characters: at most {LONGEST_LICENCE} are kept.")
    if len(content) > MOST_BYTES:
        raise ForeignError(f"The model has {len(content) / 2**20:,.0f} MB: at most {MOST_BYTES / 2**20:.0f} MB.")
    with _checking:
        process = Process(content, "check", seconds)
        process.close()
    fit = process.fit
    digest = hashlib.sha256(content).hexdigest()
    model = Model(name, licence, digest, fit["channels"], fit["height"], fit["width"])
    try:
        return _stored(root / FOLDER, model, content)
    except OSError as error:
        raise ForeignError(
            f"{root} cannot be written ({error.strerror}): set AECORE_CHECKPOINTS to a writable folder."
        ) from None


def remove(root: Path, name: str) -> None:
    """Delete the model that was added as `name`, and end its process; raises `ForeignError` where that fails."""
    if not is_name(name):
        raise ForeignError(f"There is no model {name[:61]!r} from elsewhere.")
    folder = root / FOLDER / name
    gone = folder.with_name(f".removed-{name}-{os.getpid()}")
    with suppress(OSError, ValueError, KeyError, TypeError):
        foreign_process.stop(_read_facts(folder).sha256)
    try:
        folder.rename(gone)  # first, so that half of it never passes for a model
        shutil.rmtree(gone)
    except FileNotFoundError:
        return  # somebody else has removed it
    except OSError as error:
        raise ForeignError(f"{FOLDER}/{name} cannot be deleted ({error.strerror}).") from None


def _named(name: str, root: Path) -> Model | None:
    label, _, digest = name.partition(":")
    known = label.removeprefix(PREFIX)
    if not label.startswith(PREFIX) or not is_name(known):
        return None
    try:
        model = _read_facts(root / FOLDER / known)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model if model.sha256.startswith(digest) else None


def _stored(folder: Path, model: Model, content: bytes) -> Model:
    """Write a model that was checked, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            there = _read_facts(folder / model.name)
            if there.sha256 == model.sha256:
                return there
            raise ForeignError(f"There is a model {model.name!r} already: choose another name, or remove that one.")
        if len(_folders(folder.parent)) >= MOST_MODELS:
            raise ForeignError(f"There are {MOST_MODELS} models from elsewhere already: remove one first.")
        room = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            write_whole(room / CONTENT, content)
            write_whole(room / FACTS, _toml(model).encode())
            if (folder / model.name).exists():  # damaged, or it would have been read
                (folder / model.name).rename(room / "damaged")
            room.chmod(0o755)
            made = room.rename(folder / model.name)
            shutil.rmtree(made / "damaged", ignore_errors=True)
        finally:
            shutil.rmtree(room, ignore_errors=True)
    return model


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in (root / FOLDER).iterdir() if is_name(path.name))
    except OSError:
        return []


def _toml(model: Model) -> str:
    """The facts in TOML; an open size is left out. JSON's quotes are TOML's where a text has no control characters."""
    values = {name: value for name, value in asdict(model).items() if value is not None}
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def _read_facts(folder: Path) -> Model:
    """The model in a folder; raises `OSError` where there is none, `ValueError`, `KeyError` or `TypeError` where it is
    damaged."""
    facts = tomllib.loads((folder / FACTS).read_text())
    model = Model(**facts)
    sizes = (model.channels, *(size for size in (model.height, model.width) if size is not None))
    if model.name != folder.name or len(model.sha256) != 64 or not all(isinstance(size, int) for size in sizes):
        raise ValueError
    if not isinstance(model.licence, str):
        raise TypeError
    return model
