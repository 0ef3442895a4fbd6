"""Which architectures take pictures of any size, how far each pixel of their output sees, and what a pass takes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm, prod

from aecore.models.layers import Shape
from aecore.models.receptive_fields import reach
from aecore.models.reconstructor import Reach
from aecore.models.steps import ArchitectureError, Step, inferred

_LONGEST = 1024  # pixels of the longest picture on which the reach is measured
_BYTES = 4  # of a float32


def is_convolutional(steps: Sequence[Step]) -> bool:
    """Whether no layer fixes the size, and the height and width of every map follow the picture's.

    A map whose side is no whole part or multiple of the one before it would not fit again in a picture of another size.
    """
    return all(_follows(step) for step in steps)


def reach_of(steps: Sequence[Step], picture: Shape) -> Reach:
    """The reach of a convolutional architecture, whose `steps` are those for a picture of any shape."""
    layers = [step.layer for step in steps]
    stride = lcm(*(_denominator(step, picture) for step in steps))
    height = width = 8 * stride
    while height <= _LONGEST:
        shape = (picture[0], height, width)
        try:
            pixels = reach(inferred(layers, shape), shape)
        except ArchitectureError:  # more numbers than a map may have
            break
        if 2 * pixels + stride < height:  # so that the border has cut off nothing in the middle of the picture
            return Reach(pixels, stride)
        height *= 2
    return Reach(None, stride)


def bytes_per_pixel(steps: Sequence[Step], picture: Shape) -> float:
    """The memory of one pass through a convolutional architecture, per pixel of the `picture`.

    It is that of the layer at which most is held: its input, its output twice, as a convolution holds it before and
    after the activation and a norm in two memory layouts, and what open skips bypass it with.
    """
    most, skipped = 0, list[int]()
    for step in steps:
        given, made = prod(step.input_shape), prod(step.output_shape)
        most = max(most, given + 2 * made + sum(skipped))
        if step.layer.opens_skip:
            skipped.append(given)
        elif step.layer.closes_skip:
            skipped.pop()
    return _BYTES * most / prod(picture[1:])


def _follows(step: Step) -> bool:
    if step.layer.fixes_size:
        return False
    sides = zip(step.input_shape[1:], step.output_shape[1:], strict=True)
    return all(max(pair) % min(pair) == 0 for pair in sides)


def _denominator(step: Step, picture: Shape) -> int:
    """Into how many pixels of the `picture`, along one axis, a step's map has one number; 1 where it has more."""
    sides = zip(step.output_shape[1:], picture[1:], strict=True)
    return lcm(*(Fraction(own, whole).denominator for own, whole in sides))
