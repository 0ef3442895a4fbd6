"""Measures the bits per value that follow from the errors of each blind denoiser: see `denoising.Bits`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import Dataset, to_float
from aecore.files.fits import load_or_make
from aecore.measuring import bit_bounds
from aecore.measuring.intervals import margin
from aecore.measuring.metrics import mse
from aecore.measuring.scoring import BATCH
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors.pca import cached_pca
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies.denoising import BITS_CHOICES, BITS_PICTURES, NO_NETWORK, VERSION, Bits

# Four to every doubling of σ. Below the first one, 0.09 steps between values, less than 1e-5 bit is left.
LEVELS = tuple(2.0 ** (quarter / 4) for quarter in range(-46, 5))
GRID_LEVELS = 21  # the first levels, up to nearly three steps, at which the posterior mean of a single value is offered
FIRST = 18  # the place of the first level, σ 0.008, from which on a network is offered
SEED = key("bits of test pictures")
CHOICE_SEED = key("bits of validation pictures")
DECIMALS = 4


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the integral between neighbouring `LEVELS`, by the Wiener filter and by the grid: `[N, L − 1]`.

    Where the grid is not offered, its parts are infinite. `above` `[N]` is the Wiener filter's part above the last
    level. All are bits per value.
    """

    wiener: Tensor
    grid: Tensor
    above: Tensor


@dataclass(frozen=True, eq=False)
class Network:
    """A denoiser and the uint8 pictures `[N, C, H, W]` that it is measured on: to choose by, and to report."""

    run: Run
    dataset: Dataset
    store: Store
    validation: Tensor
    test: Tensor

    @cached_property
    def choices(self) -> Tensor:
        """Its errors on the validation pictures at the levels from `FIRST` on, `[N, L − FIRST]`."""
        levels = LEVELS[FIRST:]
        return torch.stack([self._measured(self.validation, level, CHOICE_SEED) for level in levels], 1)

    def errors(self, place: int) -> Tensor:
        """Its errors on the test pictures at one of `LEVELS`, `[N]`."""
        return self._measured(self.test, LEVELS[place], SEED)

    @cached_property
    def _model(self) -> Reconstructor:
        return self.run.model()

    def _measured(self, pixels: Tensor, level: float, seed: int) -> Tensor:
        """The MSE of each picture under noise of `level`, `[N]`; stored, so that it is measured once."""
        facts: dict[str, Any] = {
            "version": VERSION,
            "weights": self.run.digest(WEIGHTS),
            "dataset": self.dataset.fingerprint,
            "level": level,
            "pictures": len(pixels),
            "seed": seed,
        }

        def measure() -> dict[str, Tensor]:
            rows, noise = [], Noise("gaussian", level)
            with torch.inference_mode():
                for first in range(0, len(pixels), BATCH):
                    clean = to_float(pixels[first : first + BATCH])
                    given = noisy(clean, noise, seed, range(first, first + len(clean)))
                    rows.append(mse(self._model(given), clean).double())
            return {"errors": torch.cat(rows)}

        return load_or_make(self.store.root, "bits", facts, measure)["errors"]


def is_blind(run: Run) -> bool:
    """Whether a run denoises Gaussian noise of many levels without being given the level."""
    noise = run.spec.recipe.noise
    return noise is not None and noise.kind == "gaussian" and noise.low is not None


def measure(dataset: Dataset, store: Store, runs: Sequence[Run], most: int | None = None) -> Iterator[Bits]:
    """The bits without a network, and then with each of the blind `runs`: on the first `most` pictures of both splits.

    The Wiener filter and the probabilities of the values are fitted on the training pictures, estimators are chosen on
    validation pictures, and the bits are those of test pictures.
    """
    splits = [
        split.pixels[: min(most or count, count)]
        for split, count in ((dataset.validation, BITS_CHOICES), (dataset.test, BITS_PICTURES))
    ]
    prior = torch.bincount(dataset.train.pixels.flatten().int(), minlength=256) + 1.0
    grid = bit_bounds.grid_bits(prior / prior.sum(), torch.tensor(LEVELS[:GRID_LEVELS], dtype=torch.float64))
    choices, parts = (_parts(pixels, grid, dataset, store) for pixels in splits)
    yield _bits(NO_NETWORK, choices, parts)
    for run in runs:
        network = Network(run, dataset, store, splits[0], splits[1])
        yield _bits(run.name, choices, parts, network)


def _parts(pixels: Tensor, grid: Tensor, dataset: Dataset, store: Store) -> Parts:
    """The parts of uint8 `pixels` `[N, C, H, W]`; `grid` `[256, L]` are those of every value."""
    pca = cached_pca(dataset, store.root)
    flat = pixels.flatten(1)  # [N, D]
    coefficients = (to_float(flat) - pca.mean) @ pca.axes.T
    above = bit_bounds.wiener_bits(coefficients, pca.variances, torch.tensor(LEVELS))  # [N, L]
    shares = torch.stack([torch.bincount(picture.int(), minlength=256) for picture in flat]).double() / flat.shape[1]
    single = torch.full((len(flat), len(LEVELS) - 1), float("inf"), dtype=torch.float64)
    single[:, : grid.shape[1]] = shares @ grid
    return Parts(above[:, :-1] - above[:, 1:], single, above[:, -1])


def _bits(name: str, choices: Parts, parts: Parts, network: Network | None = None) -> Bits:
    bits, levels = _bound(choices, parts, network, stride=1)
    coarse, _ = _bound(choices, parts, network, stride=2)
    half = margin(bits.tolist()) or 0.0
    mean, rough = (round(float(values.mean()), DECIMALS) for values in (bits, coarse))
    return Bits(name, len(bits), mean, round(half, DECIMALS), rough, levels)


def _bound(
    choices: Parts, parts: Parts, network: Network | None, stride: int
) -> tuple[Tensor, tuple[float, float] | None]:
    """The bits of each test picture, `[N]`, from every `stride`-th level, and between which levels `network` is taken.

    Between two levels it takes what has the least part on the validation pictures, over their mean.
    """
    offers = [_merged(part, stride).mean(0) for part in (choices.wiener, choices.grid)]
    if network:
        errors, levels = network.choices[:, ::stride], torch.tensor(LEVELS[FIRST::stride], dtype=torch.float64)
        offer = torch.full_like(offers[0], float("inf"))
        offer[FIRST // stride :] = bit_bounds.measured_bits(errors, levels).mean(0)
        offers.append(offer)
    taken = torch.stack(offers).argmin(0).tolist()
    known = [_merged(part, stride) for part in (parts.wiener, parts.grid)]
    total, ends = parts.above.clone(), list[float]()
    for interval, offer in enumerate(taken):
        if offer < len(known):
            total += known[offer][:, interval]
        elif network:
            places = interval * stride, (interval + 1) * stride
            errors = torch.stack([network.errors(place) for place in places], 1)
            between = [LEVELS[place] for place in places]
            total += bit_bounds.measured_bits(errors, torch.tensor(between, dtype=torch.float64))[:, 0]
            ends += between
    return total, (round(min(ends), 6), round(max(ends), 6)) if ends else None


def _merged(part: Tensor, stride: int) -> Tensor:
    """`[N, L − 1]` parts, summed over each `stride` neighbouring intervals."""
    return part.reshape(len(part), -1, stride).sum(2)
