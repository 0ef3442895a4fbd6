"""Trains the classifier of a data set if it is missing, reads every model's reconstructions with it, and publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Dataset, Split, to_float
from aecore.files import figures
from aecore.files.fits import load_or_make
from aecore.measuring import classifiers, legibility, probes
from aecore.measuring.classifiers import DESIGNS, Design, MissingClassifierError
from aecore.measuring.intervals import paired_differences
from aecore.models import zoo
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors.pca import Projection, components
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies import by_name
from aecore.studies.classifier_training import trained
from aecore.studies.legibility import BASELINES, ORIGINAL, PROBED, VERSION, Legibility, Reading, path_of

SEED = 0  # of the noise on test pictures; those to learn from and to choose on have seeds of their own
DECIMALS = 4
BATCH = 500

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Subject:
    """What is read: a baseline, or a `run` of the zoo, given pictures under `noise`."""

    name: str
    run: Run | None = None
    noise: Noise | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What decides its output: a run's weights, since the same spec may give others on another machine."""
        return {"model": self.run.digest(WEIGHTS) if self.run else self.name, "noise": str(self.noise)}

    def model(self, dataset: Dataset, store: Store) -> Reconstructor:
        """The reconstructor."""
        return self.run.model() if self.run else by_name.find(self.name, dataset, self.noise, store)


def subjects(store: Store, dataset_name: str) -> list[Subject]:
    """The baselines, then the zoo's own models in its order, as far as they are in the store."""
    own = {run.name: run for run in store.listing().full if zoo.is_own(run.spec) and run.spec.dataset == dataset_name}
    numbers = prod(DESIGNS[dataset_name].shape)
    baselines = [Subject(name) for name in BASELINES if (components(name) or 0) <= numbers]
    runs = [own[name] for name in zoo.SYSTEMS if name in own]
    return [*baselines, *(Subject(run.name, run, run.spec.recipe.noise) for run in runs)]


def ensure_classifier(design: Design, dataset: Dataset, store: Store, progress: Callable[[str], None]) -> None:
    """Train the classifier of `dataset` and store it beside the runs, unless it is there or shipped with the project.

    About ten minutes of one core for CIFAR-10.
    """
    try:
        classifiers.load(design)
    except MissingClassifierError:
        classifiers.store(design, trained(design, dataset, progress).weights, store.root)


def classes_read(subject: Subject, dataset: Dataset, store: Store, pictures: int) -> Tensor:
    """The classes read from the reconstructions of the first `pictures` test pictures, `[N]`; measured once."""
    facts: dict[str, Any] = {
        **subject.facts,
        "version": VERSION,
        "classifier": DESIGNS[dataset.name].key,
        "dataset": dataset.fingerprint,
        "pictures": pictures,
        "seed": SEED,
    }

    def read() -> dict[str, Tensor]:
        model, test = subject.model(dataset, store), _first(dataset.test, pictures)
        return {"classes": legibility.classes_read(model, test, subject.noise, SEED)}

    return load_or_make(store.root, "legible", facts, read)["classes"]


def probed(subject: Subject, dataset: Dataset, store: Store, pictures: int) -> float | None:
    """The share of the first `pictures` test pictures whose class a linear probe reads from the code.

    None where there is no code. The probe is fitted on the codes of the first `PROBED` training pictures, and its
    penalty is chosen on those of the validation pictures. A denoiser encodes noisy pictures. Measured once.
    """
    encode = _encoder(subject, dataset, store)
    if encode is None:
        return None
    facts: dict[str, Any] = {
        **subject.facts,
        "version": VERSION,
        "strengths": probes.STRENGTHS,
        "steps": probes.STEPS,
        "dataset": dataset.fingerprint,
        "learned from": PROBED,
        "pictures": pictures,
        "seed": SEED,
    }

    def measure() -> dict[str, Tensor]:
        parts = (_first(dataset.test, pictures), dataset.validation, _first(dataset.train, PROBED))
        test, held_out, train = (
            _codes(encode, part, subject.noise, seed) for seed, part in enumerate(parts, start=SEED)
        )
        probe = probes.fit(train, parts[2].labels, held_out, parts[1].labels)
        return {"accuracy": torch.tensor(probe.accuracy(test, parts[0].labels), dtype=torch.float64)}

    return float(load_or_make(store.root, "probe", facts, measure)["accuracy"])


def _first(split: Split, pictures: int) -> Split:
    return Split(split.pixels[:pictures], split.labels[:pictures])


def _encoder(subject: Subject, dataset: Dataset, store: Store) -> Encode | None:
    """What gives the code of pictures: of the originals their pixels, and None for what has no code of numbers."""
    if subject.run:
        return subject.run.model().encode if subject.run.spec.architecture.code else None
    if subject.name == ORIGINAL:
        return lambda pictures: pictures
    model = subject.model(dataset, store)
    if not isinstance(model, Projection):
        return None
    mean, axes = model.mean.float(), model.axes.float()
    return lambda pictures: (pictures.flatten(1) - mean) @ axes.T


def _codes(encode: Encode, split: Split, noise: Noise | None, seed: int) -> Tensor:
    """The codes of all pictures of a split, `[N, D]` float32."""
    codes = []
    for first in range(0, len(split), BATCH):
        pictures = range(first, min(first + BATCH, len(split)))
        codes.append(encode(noisy(to_float(split.pixels[first : first + BATCH]), noise, seed, pictures)).flatten(1))
    # Models compute in inference mode, and a probe cannot be fitted to its tensors.
    return torch.cat(codes).clone()


def reading(
    subject: Subject, dataset: Dataset, read: Tensor, originals: Tensor, given: Tensor | None, probe: float | None
) -> Reading:
    """The reading of a model, from the classes `[N]` read from its reconstructions and from the `originals`.

    `given` are those read from the noisy pictures that a denoiser gets.
    """
    labels = dataset.test.labels[: len(read)]
    right, right_before = ((classes == labels).double() for classes in (read, originals))
    (drop,) = paired_differences(pd.DataFrame({"originals": right_before.numpy(), "reconstructions": right.numpy()}))
    if drop.low is None or drop.high is None:
        raise ValueError(f"{len(read)} pictures are too few for an interval")
    classes = len(dataset.classes)
    counts = torch.bincount(labels * classes + read, minlength=classes**2).reshape(classes, classes)
    return Reading(
        subject.name,
        _rounded(float(right.mean())),
        _rounded(drop.mean),
        _rounded(drop.low),
        _rounded(drop.high),
        tuple(map(tuple, counts.tolist())),
        str(subject.noise) if subject.noise else None,
        None if given is None else _rounded(float((given == labels).double().mean())),
        None if probe is None else _rounded(probe),
    )


def _rounded(value: float) -> float:
    return round(value, DECIMALS)


def publish(
    store: Store, dataset_name: str = "cifar10", progress: Callable[[str], None] = print, most: int | None = None
) -> Legibility:
    """Read every model's reconstructions of the test pictures (or the first `most` of them), and write the readings.

    Trains the classifier first if it is missing. `progress` gets a sentence per epoch and model. Raises what
    `datasets.load` and `by_name.find` raise, and `PublishedError` if the file cannot be written.
    """
    path, design, dataset = path_of(store.root, dataset_name), DESIGNS[dataset_name], datasets.load(dataset_name)
    figures.check(path)
    ensure_classifier(design, dataset, store, progress)
    count = min(most or len(dataset.test), len(dataset.test))
    chosen = subjects(store, dataset_name)
    originals = classes_read(chosen[0], dataset, store, count)
    readings = []
    for subject in chosen:
        given = classes_read(Subject(ORIGINAL, None, subject.noise), dataset, store, count) if subject.noise else None
        read, probe = classes_read(subject, dataset, store, count), probed(subject, dataset, store, count)
        readings.append(reading(subject, dataset, read, originals, given, probe))
        progress(_sentence(readings[-1]))
    legible = Legibility(
        dataset.name,
        dataset.fingerprint,
        dataset.classes,
        design.key,
        design.parameters,
        design.macs,
        count,
        tuple(readings),
        {subject.name: subject.run.digest(WEIGHTS) for subject in chosen if subject.run},
    )
    figures.write(path, {"version": VERSION, **asdict(legible)})
    return legible


def _sentence(reading: Reading) -> str:
    probe = "" if reading.probe is None else f", from its code {reading.probe:.1%}"
    return f"{reading.name}: the class is read from {reading.accuracy:.1%} of its reconstructions{probe}."
