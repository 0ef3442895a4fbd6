"""Everything that packs pictures into bytes, by its name in the published rates: codes, PCA and image codecs.

    offered(rates, runs)                               what there is, before it is built
    find(offered[0], dataset, rates, store)            a `Packer`, fitted and stored once

The settings are the published ones, which were chosen on validation pictures of CIFAR-10. The tables of a code are
fitted again, as `rate_measurement` does it, on the first pictures to learn from. A model with an entropy model needs
none of this: it has learned its tables and its rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.data.catalog import CROPS, EXCERPTS, shape_of
from aecore.data.splits import Dataset, to_float
from aecore.files.fits import load_or_make
from aecore.measuring.entropy import Alphabet
from aecore.models import zoo
from aecore.models.layers import Shape
from aecore.models.packer import Packer
from aecore.models.reconstructor import Coder
from aecore.reconstructors.codecs import FORMATS
from aecore.reconstructors.packers import Files, QuantisedCodes, by_component
from aecore.reconstructors.pca import Components, cached_pca
from aecore.reconstructors.rate_coder import RateCoder
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies.contestants import CODECS, LINEAR, Contestant, of_run
from aecore.studies.rate_measurement import LEARNING, PROBED, QUALITIES, gains
from aecore.studies.rates import PUBLISHED, VERSION, Curve, Point, Rates

PCA = "pca"


class PackingError(AecoreError):
    """Something cannot pack pictures here; the message says why."""


def data_sets() -> tuple[str, ...]:
    """The data sets whose pictures can be packed at published settings: those with rates, and crops of their shape."""
    return (*PUBLISHED, *(name for name, crops in CROPS.items() if crops.shape in _shapes()))


def _shapes() -> set[Shape]:
    return {shape_of(name) for name in PUBLISHED}


def offered(rates: Rates | None, runs: Sequence[Run], *, can_fit: bool = True) -> list[Contestant]:
    """The autoencoders and PCA that have a curve in `rates`, and what needs none: entropy models and image codecs.

    Without training pictures, when nothing that needs all of them `can_fit`, PCA is `missing`.
    """
    curves = {curve.name for curve in rates.curves} if rates else set()
    trained = [
        of_run(run)
        for run in runs
        if (zoo.is_own(run.spec) and run.name in curves)
        or (run.spec.architecture.entropy_model and run.spec.architecture.input_shape in _shapes())
    ]
    linear = [_pca(can_fit)] if PCA in curves else []
    return [*sorted(trained, key=lambda one: one.place), *linear, *map(_codec, FORMATS)]


def _pca(can_fit: bool) -> Contestant:
    return Contestant(
        PCA,
        "PCA",
        title="PCA",
        family=LINEAR,
        place=0,
        story="The best linear code, quantised and packed as the autoencoders' codes are.",
        knowledge="fitted on the training pictures",
        fits=True,
        missing="" if can_fit else "PCA must be fitted to the training pictures, which are not here.",
    )


def _codec(kind: str) -> Contestant:
    return Contestant(
        kind,
        FORMATS[kind].title,
        title=FORMATS[kind].title,
        family=CODECS,
        place=list(FORMATS).index(kind),
        story="A picture written to a file in memory and read again.",
        knowledge="designed by hand, for large pictures; its header counts",
    )


def find(contestant: Contestant, dataset: Dataset, rates: Rates | None, store: Store) -> Packer:
    """The packer of one of those `offered`, for pictures of `dataset`.

    A code's tables are fitted once and stored beside the runs: it takes seconds, and PCA a minute more. Raises a
    `PackingError` for what has no published settings, and what reading the model or the data set raises.
    """
    name = contestant.key if contestant.run is None else contestant.run.name
    if contestant.run is None and name in FORMATS:
        return Files(name, QUALITIES, dataset.shape)
    if contestant.run and contestant.run.spec.architecture.entropy_model:
        return RateCoder(contestant.run.model())
    curve = next((curve for curve in rates.curves if curve.name == name), None) if rates else None
    if curve is None:
        raise PackingError(f"No settings are published for {name}: `python -m aecore rates` chooses them.")
    if contestant.run is None:
        whole = cached_pca(dataset, store.root)
        return _quantised(Components(whole.keep(len(whole.axes))), PCA, curve, dataset, store)
    return _quantised(contestant.run.model(), contestant.run.digest(WEIGHTS), curve, dataset, store)


def _quantised(coder: Coder, digest: str, curve: Curve, dataset: Dataset, store: Store) -> QuantisedCodes:
    pixels, part = learning_pictures(dataset)
    shape = tuple(coder.encode(to_float(pixels[:1])).shape[1:])
    places = int(np.prod(shape[1:]))
    sizes = [point.numbers // places for point in curve.points]
    facts: dict[str, Any] = {
        "version": VERSION,
        "coder": digest,
        "dataset": dataset.fingerprint,
        "pictures": [part, len(pixels)],
        "settings": [[point.setting, point.zone, size] for point, size in zip(curve.points, sizes, strict=True)],
    }

    def fit() -> dict[str, Tensor]:
        learned = coder.encode(to_float(pixels))
        numbers = by_component(learned)
        weights = np.ones(len(numbers))  # PCA's axes are orthonormal
        if digest != PCA:
            weights = gains(coder, learned[:PROBED], torch.from_numpy(numbers.std((1, 2))))
        return _tensors(
            [
                Alphabet.fit(numbers[:size], weights[:size], point.setting, point.zone or 1)
                for point, size in zip(curve.points, sizes, strict=True)
            ]
        )

    fitted = load_or_make(store.root, "alphabets", facts, fit)
    return QuantisedCodes(coder, shape, _alphabets(fitted), tuple(map(_words, curve.points)))


def learning_pictures(dataset: Dataset) -> tuple[Tensor, str]:
    """The uint8 pictures that tables are fitted on, and their split: of an excerpt, validation pictures."""
    if dataset.name in EXCERPTS:
        return dataset.validation.pixels[:LEARNING], "validation"
    return dataset.train.pixels[:LEARNING], "training"


def _words(point: Point) -> str:
    zone = "" if point.zone == 1 else f", dead zone {point.zone:g}"
    return f"{point.numbers:,} numbers, up to {point.setting:g} bits{zone}"


def _tensors(alphabets: Sequence[Alphabet]) -> dict[str, Tensor]:
    """Alphabets as tensors by name. Tables are in float32: a stream has frequencies of 24 bits."""
    tensors = dict[str, Tensor]()
    for index, one in enumerate(alphabets):
        tensors |= {
            f"{index} zone": torch.tensor([one.zone], dtype=torch.float64),
            f"{index} steps": torch.from_numpy(one.steps),
            f"{index} shifts": torch.from_numpy(one.shifts),
            f"{index} lowest": torch.from_numpy(one.lowest),
            f"{index} sizes": torch.tensor([len(table) for table in one.tables]),
            f"{index} tables": torch.from_numpy(np.concatenate(one.tables)).float(),
        }
    return tensors


def _alphabets(tensors: dict[str, Tensor]) -> tuple[Alphabet, ...]:
    """The alphabets that were made `_tensors`."""
    count = sum(name.endswith(" zone") for name in tensors)
    return tuple(
        Alphabet(
            float(tensors[f"{index} zone"]),
            tensors[f"{index} steps"].numpy(),
            tensors[f"{index} shifts"].numpy(),
            tensors[f"{index} lowest"].numpy(),
            tuple(np.split(tensors[f"{index} tables"].numpy(), tensors[f"{index} sizes"].cumsum(0)[:-1].numpy())),
        )
        for index in range(count)
    )
