"""An autoencoder that was trained for its rate, as a packer: pictures become real bytes, and pictures again.

A stream is one byte that says which rate it has, and then the whole numbers of the code, entropy-coded by the
probabilities that the model predicts. The network that predicts them is computed in float64 and its results are
rounded coarsely, because encoder and decoder must agree on them to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from aecore import AecoreError
from aecore.measuring.logistic import Distributions
from aecore.measuring.streams import Reader, Writer
from aecore.models.entropy_model import EntropyModel, positions_of
from aecore.reconstructors.trained import BATCH, Model

SETTINGS_PER_RATE = 8  # between two rates of the model
Where = tuple[slice, Tensor, slice]  # pictures, positions and channels


class StreamError(AecoreError):
    """Bytes are not a picture of this model."""


class RateCoder:
    """The packer of a model whose architecture has an `entropy_model`; `StreamError` if it has none."""

    def __init__(self, model: Model) -> None:
        step = model.spec.architecture.entropy_model
        if step is None:
            raise StreamError(
                f"{model.name} has no entropy model that all of a picture passes: its architecture needs a layer "
                "`entropy` that no skip bypasses."
            )
        self.model, self._shape = model, step.input_shape
        position = step.position - 1
        self._encoder, self._decoder = model.module[:position], model.module[position + 1 :]
        entropy_model = model.module[position]
        assert isinstance(entropy_model, EntropyModel)
        self._entropy_model = entropy_model
        self._prior = deepcopy(entropy_model.prior).double()

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.model.name

    @property
    def code_size(self) -> int:
        """How many whole numbers a picture's code has."""
        return prod(self._shape)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """The rates that it can code at, one per setting."""
        return tuple(index / SETTINGS_PER_RATE for index in range(self._entropy_model.highest * SETTINGS_PER_RATE + 1))

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Its settings in words, from few bytes to many."""
        return tuple(f"rate {rate:g} of {self._entropy_model.highest}" for rate in self.rates)

    def header(self, setting: int) -> int:
        """The byte that says the setting."""
        return 1

    def pack(self, pictures: Tensor, setting: int) -> list[bytes]:
        """One stream per picture of `[N, C, H, W]`."""
        rate, streams = self.rates[setting], list[bytes]()
        with torch.inference_mode():
            for batch in torch.split(pictures, BATCH):
                numbers = self._entropy_model.rounded(self._encoder(batch), _rates(batch, rate))
                streams += [bytes([setting]) + stream for stream in self._written(numbers, rate)]
        return streams

    def unpack(self, streams: Sequence[bytes], setting: int) -> Tensor:
        """The pictures `[N, C, H, W]` of streams of this setting; `StreamError` if one has another."""
        if other := {stream[:1] for stream in streams} - {bytes([setting])}:
            said = ", ".join(sorted(f"setting {byte[0]}" if byte else "nothing" for byte in other))
            raise StreamError(f"A stream of {self.name} at setting {setting} begins with this number, not {said}.")
        rate, pictures = self.rates[setting], list[Tensor]()
        with torch.inference_mode():
            for first in range(0, len(streams), BATCH):
                numbers = self._read([stream[1:] for stream in streams[first : first + BATCH]], rate)
                code = self._entropy_model.restored(numbers.float(), _rates(numbers, rate))
                pictures.append(self._decoder(code))
        return torch.cat(pictures)

    def _written(self, numbers: Tensor, rate: float) -> list[bytes]:
        writer = Writer(len(numbers))
        for distributions, known, where in self._sets(len(numbers), rate):
            chosen = distributions.within_reach(_in_places(numbers)[where].numpy().astype(np.int64))
            distributions.write(chosen, writer)
            _in_places(known)[where] = torch.from_numpy(chosen).double()
        return writer.finish()

    def _read(self, streams: Sequence[bytes], rate: float) -> Tensor:
        """The numbers `[N, C, H, W]` that were written, float64."""
        reader = Reader(streams)
        for distributions, known, where in self._sets(len(streams), rate):
            _in_places(known)[where] = torch.from_numpy(distributions.read(reader)).double()
        return known

    def _sets(self, pictures: int, rate: float) -> Iterator[tuple[Distributions, Tensor, Where]]:
        """For each set of numbers their distributions `[N, positions, channels]`, the numbers `[N, C, H, W]` that are
        known so far, and where the set is among them, once they are `_in_places`.

        Before it goes on the caller must put the set's numbers into those that are known.
        """
        known = torch.zeros(pictures, *self._shape, dtype=torch.float64)
        every = torch.arange(prod(self._shape[1:])).reshape(1, 1, *self._shape[1:])
        for index, one in enumerate(self._prior.sets):
            if one.positions(*self._shape[1:]):
                means, scales = self._prior(known, index, _rates(known, rate))
                places = positions_of(every, one.grids).flatten()
                where = (slice(None), places, slice(one.first, one.last))
                yield Distributions.of(means.numpy(), scales.numpy()), known, where


def _in_places(numbers: Tensor) -> Tensor:
    """A view of `[N, C, H, W]` as `[N, H × W, C]`."""
    return numbers.flatten(2).transpose(1, 2)


def _rates(pictures: Tensor, rate: float) -> Tensor:
    return torch.full((len(pictures),), rate)
