"""Small classifiers: a picture, or its reconstruction, to the class that it seems to show.

There is one per data set. It is trained once on the real training pictures (`aecore.studies.classifier_training`) and
shipped with the project as `checkpoints/classifier-<data set>-<key>.safetensors`, with weights in float16. The key is
the SHA-256 of everything that decides the weights, as a run's key is, and a checksum guards the content.

    load(DESIGNS["cifar10"])(pictures)      the class numbers of `[N, C, H, W]` pictures, `[N]`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from aecore import AecoreError
from aecore.data import datasets
from aecore.data.catalog import SOURCES
from aecore.files import folders
from aecore.files.fits import read_sealed, sealed
from aecore.files.whole import canonical, write_whole
from aecore.models.layers import Layer, Shape, parse_layer
from aecore.models.modules import Sequence, module_of
from aecore.models.steps import inferred

VERSION = 1  # of the training: a new one makes other keys
KEY_DIGITS = 12
BATCH = 250


class ClassifierError(AecoreError):
    """A data set has no classifier, or the file of its classifier is missing or damaged."""


class MissingClassifierError(ClassifierError):
    """The file of a classifier is not here."""


@dataclass(frozen=True)
class Design:
    """What decides the weights of a classifier, besides its training pictures.

    `layers` is a line of layers as in an architecture, but it ends with one number per class. Training takes `epochs`
    passes in batches of `batch_size` with SGD and Nesterov momentum. The learning rate rises to `learning_rate` and
    falls to zero again. The cross-entropy smooths the labels by `smoothing` (Szegedy et al. 2016). Training pictures
    are shifted by up to `shift` pixels, and mirrored half of the time if it `mirrors`.
    """

    dataset: str
    shape: Shape
    layers: str
    epochs: int
    mirrors: bool
    shift: int = 4
    batch_size: int = 128
    learning_rate: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    seed: int = 0

    @cached_property
    def key(self) -> str:
        """Hex SHA-256 of the design and of the data set's content, which need not be read for it."""
        facts = {"version": VERSION, "fingerprint": datasets.load(self.dataset).fingerprint, **asdict(self)}
        return hashlib.sha256(canonical(facts)).hexdigest()

    @property
    def title(self) -> str:
        """The data set's name in texts."""
        return SOURCES[self.dataset].title

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by their numbers."""
        return tuple(SOURCES[self.dataset].classes.split(", "))

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"classifier-{self.dataset}-{self.key[:KEY_DIGITS]}.safetensors"

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return sum(step.macs for step in inferred(self._records, self.shape))

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(step.parameters for step in inferred(self._records, self.shape))

    def module(self) -> nn.Sequential:
        """The torch module, `[N, C, H, W]` pictures in `[-2, 2]` to `[N, classes]` logits, with torch's own weights."""
        steps = inferred(self._records, self.shape)
        return Sequence(*(module_of(step.layer, step.input_shape) for step in steps))

    @property
    def _records(self) -> list[Layer]:
        return [parse_layer(word.strip()) for word in self.layers.split("|")]


DESIGNS = {
    design.dataset: design
    for design in (
        Design(
            "cifar10",
            (3, 32, 32),
            "conv32:linear | pool | bn | act | conv64:linear | bn | act | conv96:linear | pool | bn | act "
            "| skip | conv96:linear | bn | act | add | conv160:linear | pool | bn | act "
            "| skip | conv160:linear | bn | act | add | pool4 | flatten | dense10:linear",
            epochs=12,
            mirrors=True,
        ),
        Design(
            "mnist",
            (1, 28, 28),
            "conv16:linear | pool | bn | act | conv32:linear | pool | bn | act | conv64:linear | pool | bn | act "
            "| pool3 | flatten | dense10:linear",
            epochs=4,
            mirrors=False,
            shift=2,
        ),
    )
}


def centred(pictures: Tensor) -> Tensor:
    """Pictures in `[0, 1]` as the input of a design's module, in `[-2, 2]`."""
    return (pictures - 0.5) * 4


class Classifier:
    """A design with trained weights, in evaluation mode."""

    def __init__(self, design: Design, weights: Mapping[str, Tensor]) -> None:
        self.design = design
        module = design.module()
        module.load_state_dict(weights)
        self._module = module.to(memory_format=torch.channels_last).eval()

    def __call__(self, pictures: Tensor) -> Tensor:
        """The class numbers of float pictures `[N, C, H, W]`, `[N]` int64. They are clamped to `[0, 1]` first."""
        with torch.inference_mode():
            batches = torch.split(pictures.contiguous(memory_format=torch.channels_last), BATCH)
            return torch.cat([self._module(centred(batch.clamp(0, 1))).argmax(1) for batch in batches])


def design_for(shape: Shape, classes: tuple[str, ...] | None = None) -> Design:
    """The design for pictures of this `shape` and, where they are known, of these `classes`.

    Raises `ClassifierError` where none was trained on such pictures.
    """
    for design in DESIGNS.values():
        if design.shape == tuple(shape) and classes in (None, design.classes):
            return design
    titles = " and ".join(design.title for design in DESIGNS.values())
    raise ClassifierError(f"There is no classifier for these pictures: only for those of {titles}.")


def load(design: Design) -> Classifier:
    """The trained classifier: from the folder of the runs, or else from those that are shipped with the project.

    It is read once. Raises `MissingClassifierError` if it is in neither, and `ClassifierError` if its file is damaged.
    """
    places = [folder / design.file for folder in (folders.checkpoints(), folders.home() / "checkpoints")]
    for path in places:
        try:
            return _loaded(design, path, path.stat().st_mtime_ns)
        except OSError:
            continue
    raise MissingClassifierError(
        f"The classifier of {design.title} is not here ({design.file}): `python -m aecore legibility` trains it and "
        "needs the data set."
    )


@lru_cache(maxsize=4)
def _loaded(design: Design, path: Path, changed: int) -> Classifier:
    """The classifier in a file that was `changed` at this time."""
    weights = read_sealed(path, design.key)
    if weights is None:
        raise ClassifierError(f"{path} is damaged: remove it, and `python -m aecore legibility` trains it again.")
    return Classifier(design, weights)


def store(design: Design, weights: Mapping[str, Tensor], root: Path) -> Path:
    """Write the weights with a checksum to the folder `root`, whole or not at all; raises `OSError`."""
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    path = root / design.file
    write_whole(path, sealed(tensors, design.key))
    return path
