"""Corruptions that are applied to a picture before a model sees it.

A noise is a frozen record of a kind and a level in the kind's unit, with a text form: `gaussian:0.3`. With a range of
levels, `gaussian:0..1`, each picture gets its own level; with `gaussian:0.03..1:log` the logarithm of the level is
uniform, so that weak noise is as frequent as strong noise. Noise is added unclipped, as in the study of 2018. Every
draw comes from an explicit generator: `noisy` keys it by (seed, picture), so the same picture gets the same noise in
every model; training keys it by (seed, epoch). No two purposes share a key.

The noise of a picture can be drawn without torch too, from the 32 bits of `picture_seed`: torch's generator on the
CPU is the Mersenne Twister MT19937, its normal numbers come from the transform of Box & Muller, and its Poisson numbers
from the rejection of Hörmann. A browser computes the same (`pages/components/lens/noise.js`).

A level is a number for all pictures, or a tensor `[N, 1, 1, 1]` with one per picture. With a tensor nothing is read
from the device or copied to it, so that a training step can be recorded as a CUDA graph.

To add a kind: write its function here and add it to `KINDS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any, TypeAlias

from aecore import AecoreError, did_you_mean

if TYPE_CHECKING:
    from torch import Generator, Tensor


# Of the noise that `noisy` draws: scores measured under different versions cannot be compared picture by picture.
# Version 1 shared its keys with the epochs of training.
VERSION = 2


Level: TypeAlias = "float | Tensor"


class NoiseError(AecoreError):
    """A noise is not legal; the message says what would be."""


def _gaussian(images: Tensor, level: Level, generator: Generator) -> Tensor:
    return images + level * _normal(images, generator)


def _uniform(images: Tensor, level: Level, generator: Generator) -> Tensor:
    return images + level * (2 * _random(images, generator) - 1)


def _speckle(images: Tensor, level: Level, generator: Generator) -> Tensor:
    return images * (1 + level * _normal(images, generator))


def _salt_pepper(images: Tensor, level: Level, generator: Generator) -> Tensor:
    # One draw per pixel, shared by its channels: a dead pixel is white or black, not coloured.
    draw = _random(images[:, :1], generator)
    return images.masked_fill(draw < level / 2, 0.0).masked_fill(draw > 1 - level / 2, 1.0)


def _poisson(images: Tensor, level: Level, generator: Generator) -> Tensor:
    # `level` is the standard deviation at white, so that level 0 means no noise, as for every other kind.
    photons = 1 / level**2
    counts: Tensor = _torch().poisson(images.clamp(min=0) * photons, generator=generator)
    return counts / photons


def _masking(images: Tensor, level: Level, generator: Generator) -> Tensor:
    return images * (_random(images[:, :1], generator) >= level)


def _occlusion(images: Tensor, level: Level, generator: Generator) -> Tensor:
    height, width = images.shape[2:]
    # One rectangle per picture, with this share of its area, at a random place inside it.
    hidden_height, hidden_width = _rounded(height * level**0.5), _rounded(width * level**0.5)
    corner = _random(images[:, :1, :1, :2], generator)
    top = (corner[..., :1] * (height - hidden_height + 1)).floor()  # [N, 1, 1, 1], as is `left`
    left = (corner[..., 1:] * (width - hidden_width + 1)).floor()
    rows, columns = (images.new_ones(extent).cumsum(0) - 1 for extent in (height, width))
    inside_rows = (rows[:, None] >= top) & (rows[:, None] < top + hidden_height)  # [N, 1, H, 1]
    inside_columns = (columns >= left) & (columns < left + hidden_width)  # [N, 1, 1, W]
    return images.masked_fill(inside_rows & inside_columns, 0.0)


def _rounded(extent: Level) -> Level:
    return round(extent) if isinstance(extent, float) else extent.round()


def _torch() -> Any:
    # Every recipe holds a noise, and listing runs must not wait for torch.
    import torch

    return torch


def _random(like: Tensor, generator: Generator) -> Tensor:
    return like.new_empty(like.shape).uniform_(generator=generator)


def _normal(like: Tensor, generator: Generator) -> Tensor:
    return like.new_empty(like.shape).normal_(generator=generator)


@dataclass(frozen=True)
class Kind:
    """A kind of corruption: how it is drawn, the unit of its level, and the range of legal levels.

    If the title `is_a_name` of a person, it keeps its capital letter within a sentence.
    """

    title: str
    unit: str
    highest: float
    draw: Callable[[Tensor, Level, Generator], Tensor]
    lowest: float = 0.0
    is_a_name: bool = False


KINDS: dict[str, Kind] = {
    "gaussian": Kind("Gaussian", "standard deviation", 2.0, _gaussian, is_a_name=True),
    "uniform": Kind("Uniform", "half width", 2.0, _uniform),
    "speckle": Kind("Speckle", "relative standard deviation", 2.0, _speckle),
    "salt-pepper": Kind("Salt and pepper", "share of pixels", 1.0, _salt_pepper),
    "poisson": Kind("Poisson", "standard deviation at white", 1.0, _poisson, lowest=0.001, is_a_name=True),
    "masking": Kind("Masking", "share of pixels", 1.0, _masking),
    "occlusion": Kind("Occlusion", "share of the area", 1.0, _occlusion),
}


BY_TITLE = {kind.title: name for name, kind in KINDS.items()}


@dataclass(frozen=True)
class Noise:
    """A kind of corruption at a `level`; with `low`, each picture's level is drawn uniformly from `low` to `level`.

    If it is `logarithmic`, the logarithm of the level is uniform instead.
    """

    kind: str
    level: float
    low: float | None = None
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            hint = did_you_mean(self.kind, KINDS)
            raise NoiseError(f"There is no noise called {self.kind!r}: {hint}Kinds: {', '.join(KINDS)}.")
        rule = KINDS[self.kind]
        for level in (self.level, self.low):
            if level and not rule.lowest <= level <= rule.highest:
                raise NoiseError(
                    f"The level of {self.kind} noise ({rule.unit}) must be "
                    f"{'0 or ' if rule.lowest else ''}from {rule.lowest:g} to {rule.highest:g}, not {level:g}."
                )
        if self.low is not None and not rule.lowest <= self.low < self.level:
            raise NoiseError(
                f"The levels of {self.kind} noise ({rule.unit}) must rise, from at least {rule.lowest:g}, as in "
                f"{self.kind}:{rule.lowest:g}..{rule.highest:g}; not {self.low:g}..{self.level:g}."
            )
        if self.logarithmic and not self.low:
            raise NoiseError(
                f"Levels of {self.kind} noise whose logarithm is uniform need a range that begins above 0, as in "
                f"{self.kind}:{rule.highest / 20:g}..{rule.highest:g}:log; not {self}."
            )

    @classmethod
    def parse(cls, text: str) -> Noise:
        """Read a text such as `gaussian:0.3`, `gaussian:0..1` or `gaussian:0.03..1:log`; raises `NoiseError`."""
        kind, _, levels = text.partition(":")
        levels, colon, spacing = levels.partition(":")
        low, dots, level = levels.rpartition("..")
        try:
            if colon and spacing.strip() != "log":
                raise ValueError(spacing)
            return cls(kind.strip(), float(level), float(low) if dots else None, bool(colon))
        except ValueError:
            raise NoiseError(
                f"{text!r} is not a noise: write kind:level, for example gaussian:0.3, or kind:low..high, or "
                "kind:low..high:log."
            ) from None

    def __str__(self) -> str:
        levels = [self.level] if self.low is None else [self.low, self.level]
        texts = [repr(float(level)).removesuffix(".0") for level in levels]
        return f"{self.kind}:{'..'.join(texts)}{':log' * self.logarithmic}"

    def add(self, images: Tensor, generator: Generator) -> Tensor:
        """Corrupt `images` `[N, C, H, W]` in `[0, 1]` with draws from `generator`; the result is not clipped.

        In a range first the levels of all pictures are drawn, then their noise.
        """
        draw = KINDS[self.kind].draw
        if self.low is None:
            return draw(images, self.level, generator) if self.level else images
        return draw(images, self._levels(images, self.low, generator), generator)

    def _levels(self, images: Tensor, low: float, generator: Generator) -> Tensor:
        share = _random(images[:, :1, :1, :1], generator)
        if self.logarithmic:
            return (log(low) + log(self.level / low) * share).exp()
        return low + (self.level - low) * share


def key(*parts: object) -> int:
    """A seed for a generator, derived from the text of `parts`: equal parts give equal seeds on every machine.

    The parts say what the draw is for, so that no two purposes share a seed.
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def picture_seed(seed: int, picture: int) -> int:
    """The 32 bits that seed the generator of a picture's noise in `noisy`: MT19937 takes no more of a key."""
    return key("noise of picture", seed, picture) & 0xFFFFFFFF


def noisy(images: Tensor, noise: Noise | None, seed: int, pictures: Sequence[int]) -> Tensor:
    """Corrupt `images` `[N, C, H, W]`; the draw of a picture is keyed by `seed` and its index, given in `pictures`."""
    if noise is None or noise.level == 0:
        return images
    torch = _torch()
    rows = [
        noise.add(image[None], torch.Generator().manual_seed(picture_seed(seed, picture)))
        for image, picture in zip(images.cpu(), pictures, strict=True)
    ]
    corrupted: Tensor = torch.cat(rows).to(images.device)
    return corrupted
