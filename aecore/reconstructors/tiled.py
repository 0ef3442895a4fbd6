"""Pictures of any size through any reconstructor, in parts of bounded memory.

    steps = at_full_resolution(model, picture)     # a generator: it computes as it is asked for
    for share in steps: …                          # the share that is done; `steps.close()` gives up
    output = finished(at_full_resolution(model, picture))    # without progress

A reconstructor for pictures of any size is given overlapping parts of the picture. Each part is larger than what is
taken from it by its reach, so that the result is that of one pass. If the reach is the whole picture, as that of group
norm or of an image codec is, there is one pass, of at most `MOST_MEMORY`. Of a model from elsewhere the reach is not
known: a picture that is larger than its `Reach.part` is given in parts of that size all the same, and the result may
differ from that of one pass.

Any other is given tiles of the size that it was made for, which overlap and are blended by a window. The window is a
raised cosine, so that no tile has an edge. Tiles on a regular grid would show it all the same: a dense network gives a
grey tile another shade in the middle than at its border, and repeats that at every tile. So each tile is moved by a
random distance of up to the grid's step, which no period survives.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

import torch
from torch import Tensor

from aecore import AecoreError
from aecore.data.noise import key
from aecore.models.architecture import CIFAR_SHAPE
from aecore.models.layers import Shape
from aecore.models.reconstructor import Local, Measured, Reach, Reconstructor

PER_SIDE = 4  # tiles that a pixel is in along each axis: they are 8 pixels apart, on average, if they are of 32×32
MOST_MEMORY = 2 * 10**9  # bytes that one pass may take
_SMALLEST = 256  # pixels per side that are taken from a part
_OVERLAPS = 8  # or this many times the overlap, if that is more, so that at most half as much again is computed
_BATCH = 256 * 32 * 32  # pixels of the tiles at a time

Steps = Generator[float, None, Tensor]


class TooLargeError(AecoreError):
    """A picture would take too much memory in one pass; the text says how large it may be."""


def at_full_resolution(reconstruct: Reconstructor, picture: Tensor, shape: Shape = CIFAR_SHAPE) -> Steps:
    """Reconstruct a `picture` `[1, C, H, W]` of any size; yields the share that is done, and returns the output.

    The output has the picture's shape and is not clamped. `shape` is that of the pictures that `reconstruct` was made
    for. Closing the generator gives up.

    Raises `TooLargeError` where the picture must go through in one pass, for which it is too large.
    """
    # No `torch.inference_mode` here: between two steps it would hold for whoever asks for them.
    if not reconstruct.any_size:
        return (yield from _blended(reconstruct, picture, shape))
    reach = reconstruct.reach if isinstance(reconstruct, Local) else Reach(None)
    return (yield from _in_parts(reconstruct, picture, reach))


def way(reconstruct: Reconstructor, size: tuple[int, int], shape: Shape = CIFAR_SHAPE) -> str:
    """How a picture of this height and width is computed, in words."""
    if not reconstruct.any_size:
        return f"tiles of {shape[1]}×{shape[2]}"
    part = reconstruct.reach.part if isinstance(reconstruct, Local) else None
    return f"parts of {part}×{part}" if part and max(size) > part else "full resolution"


def finished(steps: Steps) -> Tensor:
    """What `at_full_resolution` returns in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            output: Tensor = end.value
            return output


def _in_parts(reconstruct: Reconstructor, picture: Tensor, reach: Reach) -> Steps:
    """Through a reconstructor for any size: the same as in one pass."""
    height, width = picture.shape[2:]
    padded = _reflected(picture, [(0, -side % reach.stride) for side in (height, width)])
    if reach.pixels is None or (reach.part and max(height, width) <= reach.part):
        _check_memory(reconstruct, padded)
        yield 0.0
        output = reconstruct(padded)[..., :height, :width]
        yield 1.0
        return output
    overlap = _multiple(reach.pixels, reach.stride)
    side = reach.part - 2 * overlap if reach.part else _side(reconstruct, overlap, reach.stride)
    output = torch.empty_like(padded)
    parts = [(top, left) for top in range(0, padded.shape[2], side) for left in range(0, padded.shape[3], side)]
    for done, (top, left) in enumerate(parts):
        yield done / len(parts)
        above, before = min(top, overlap), min(left, overlap)
        part = padded[..., top - above : top + side + overlap, left - before : left + side + overlap]
        inner = reconstruct(part)[..., above : above + side, before : before + side]
        output[..., top : top + side, left : left + side] = inner
    yield 1.0
    return output[..., :height, :width]


def _side(reconstruct: Reconstructor, overlap: int, stride: int) -> int:
    """How many pixels per side are taken from a part, so that it fits into `MOST_MEMORY` with its overlap."""
    side = _multiple(max(_SMALLEST, _OVERLAPS * overlap), stride)
    if isinstance(reconstruct, Measured) and (needed := reconstruct.bytes_per_pixel):
        most = math.isqrt(int(MOST_MEMORY / needed)) - 2 * overlap
        side = min(side, max(most // stride, 1) * stride)
    return side


def _check_memory(reconstruct: Reconstructor, picture: Tensor) -> None:
    if not isinstance(reconstruct, Measured) or not (needed := reconstruct.bytes_per_pixel):
        return
    if needed * picture.shape[2] * picture.shape[3] > MOST_MEMORY:
        most = MOST_MEMORY / needed / 1e6
        raise TooLargeError(
            f"{reconstruct.name} needs all of a picture at once, and takes pictures of at most {most:.3g} megapixels "
            "here."
        )


def _blended(reconstruct: Reconstructor, picture: Tensor, shape: Shape) -> Steps:
    """Through a reconstructor for pictures of `shape`: a weighted mean of overlapping tiles."""
    sides = shape[1:]
    steps = [max(1, tile // PER_SIDE) for tile in sides]
    counts = [math.ceil((tile + side) / step) for tile, side, step in zip(sides, picture.shape[2:], steps, strict=True)]
    # So much wider that every tile lies inside, and every pixel of the picture in the tiles on all sides of it.
    padded = _reflected(
        picture,
        [
            (tile, count * step - side)
            for tile, count, step, side in zip(sides, counts, steps, picture.shape[2:], strict=True)
        ],
    )
    window = _raised_cosine(sides[0])[:, None] * _raised_cosine(sides[1])
    total, weights = torch.zeros_like(padded), padded.new_zeros(padded.shape[2:])
    places = list(_places(counts, steps))
    at_a_time = max(1, _BATCH // math.prod(sides))
    for first in range(0, len(places), at_a_time):
        yield first / len(places)
        batch = [
            (slice(top, top + sides[0]), slice(left, left + sides[1]))
            for top, left in places[first : first + at_a_time]
        ]
        tiles = reconstruct(torch.cat([padded[:, :, rows, columns] for rows, columns in batch])) * window
        for (rows, columns), tile in zip(batch, tiles, strict=True):
            total[:, :, rows, columns] += tile
            weights[rows, columns] += window
    yield 1.0
    rows, columns = (slice(tile, tile + side) for tile, side in zip(sides, picture.shape[2:], strict=True))
    return total[:, :, rows, columns] / weights[rows, columns]


def _places(counts: list[int], steps: list[int]) -> Iterator[tuple[int, int]]:
    """The upper left corner of each tile: on a grid of `counts` rows and columns, each moved at random by itself.

    `steps` are the pixels between two rows, and between two columns.
    """
    generator = torch.Generator().manual_seed(key("tiles of a photograph", *counts))
    moved = [torch.randint(step, tuple(counts), generator=generator).tolist() for step in steps]
    for row in range(counts[0]):
        for column in range(counts[1]):
            down, right = (one[row][column] for one in moved)
            yield row * steps[0] + down, column * steps[1] + right


def _raised_cosine(side: int) -> Tensor:
    return torch.sin(math.pi * (torch.arange(side) + 0.5) / side).square()


def _reflected(picture: Tensor, margins: list[tuple[int, int]]) -> Tensor:
    """The `picture` with margins (before, after) along both axes, mirrored at its border as often as it takes."""
    for axis, (before, after) in enumerate(margins, start=2):
        if before or after:
            side = picture.shape[axis]
            period = max(2 * (side - 1), 1)
            places = torch.arange(-before, side + after) % period
            picture = picture.index_select(axis, torch.minimum(places, period - places) if side > 1 else places)
    return picture


def _multiple(number: int, of: int) -> int:
    """The next multiple."""
    return math.ceil(number / of) * of
