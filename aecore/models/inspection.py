"""A pass over a line of layers that goes on after an error, so that every error is known at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from aecore.models import rules
from aecore.models.layers import (
    LARGEST_OUTPUT,
    Conv,
    Join,
    Layer,
    LayerError,
    Reshape,
    Shape,
    TransposedConv,
    parse_layer,
)
from aecore.models.reading import Line
from aecore.models.rules import CIFAR_SHAPE, MOST_LAYERS, Limits, MacsError, MemoryNeedError, PictureError
from aecore.models.steps import ArchitectureError, Step, Walk


@dataclass(frozen=True)
class Inspection:
    """What is wrong with a line, in the order of its layers, and how its shapes go on.

    `steps` are those of the layers that are legal where they stand. `readings` has for every word its layer, or why it
    is none, `walks` the shapes before it, and `end` those after the last one. After an error these go on with what a
    legal layer would have given.
    """

    line: Line
    picture: Shape
    errors: tuple[ArchitectureError, ...]
    steps: tuple[Step, ...]
    readings: tuple[Layer | LayerError, ...]
    walks: tuple[Walk, ...]
    end: Walk

    def layer(self, position: int) -> Layer | None:
        """The layer at a position; None where the word there cannot be read."""
        reading = self.readings[position - 1] if 0 < position <= len(self.readings) else None
        return reading if isinstance(reading, Layer) else None


class Inspector:
    """Inspects a line and its variants. It reads each word once, and counts the layers that it has inspected."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._readings: dict[str, Layer | LayerError] = {}
        self.inspected = 0

    def inspect(self, line: Line, *, explained: bool = True) -> Inspection:
        """Every error of a line. Of one that is too long, the layers beyond `MOST_LAYERS` are only read.

        Unless they are to be `explained`, errors of the costs have no text: what would fit takes long to find.
        """
        errors = list[ArchitectureError]()
        picture = self._picture(line, errors)
        is_picture = not errors
        if wrong := rules.number_of_layers(len(line.words)):
            errors.append(wrong)
        words = line.words[:MOST_LAYERS]
        readings = [self._read(word) for word in words]
        self.inspected += len(words)
        walk, walks, steps, assumed = Walk(picture), list[Walk](), list[Step](), list[Step]()
        for position, (word, reading) in enumerate(zip(words, readings, strict=True), start=1):
            walks.append(walk)
            try:
                if isinstance(reading, LayerError):
                    raise ArchitectureError.at(position, word, reading)
                step, walk = walk.through(position, reading)
            except ArchitectureError as error:
                errors.append(error)
                last = picture if position == len(line.words) else None
                more, walk = self._without(error, walk, word, reading, last)
                assumed += more
            else:
                steps.append(step)
                assumed.append(step)
        errors += self._beyond(line, readings)
        if 0 < len(line.words) <= MOST_LAYERS:
            errors += walk.unclosed()
            if is_picture and (last_step := _last(assumed, readings, walk)):
                errors += filter(None, [rules.end(last_step, picture)])
        errors += self._too_costly(assumed, picture, explained)
        errors.sort(key=lambda error: error.position or 0)
        return Inspection(line, picture, tuple(errors), tuple(steps), tuple(readings), tuple(walks), walk)

    def _too_costly(self, steps: Sequence[Step], picture: Shape, explained: bool) -> Iterator[ArchitectureError]:
        limits = self._limits
        if sum(step.training_bytes for step in steps) > limits.memory:
            yield (rules.memory(steps, picture, limits.memory) if explained else None) or MemoryNeedError("")
        if sum(step.macs for step in steps) > limits.macs:
            yield (rules.macs(steps, picture, limits.macs) if explained else None) or MacsError("")
        if wrong := rules.side(picture, limits.pixels):
            yield wrong

    def _picture(self, line: Line, errors: list[ArchitectureError]) -> Shape:
        """The shape of the pictures, or that of CIFAR-10 and one of the `errors`."""
        try:
            picture = line.read_picture()
        except PictureError as error:
            errors.append(error)
            return CIFAR_SHAPE
        if wrong := rules.picture(picture):
            errors.append(wrong)
            return CIFAR_SHAPE
        return picture

    def _read(self, word: str) -> Layer | LayerError:
        if word not in self._readings:
            try:
                self._readings[word] = parse_layer(word)
            except LayerError as error:
                self._readings[word] = error
        return self._readings[word]

    def _beyond(self, line: Line, readings: Sequence[Layer | LayerError]) -> Iterator[ArchitectureError]:
        """The first word that cannot be read, if it lies beyond the layers that are inspected."""
        if any(isinstance(reading, LayerError) for reading in readings):
            return
        for position, word in enumerate(line.words[MOST_LAYERS:], start=MOST_LAYERS + 1):
            if isinstance(reading := self._read(word), LayerError):
                yield ArchitectureError.at(position, word, reading)
                return

    def _without(
        self, error: ArchitectureError, walk: Walk, word: str, reading: Layer | LayerError, last: Shape | None
    ) -> tuple[list[Step], Walk]:
        """How a line goes on after an error: as after the first legal substitute, or else as if nothing stood there.

        A layer that says itself what it gives, such as `reshape`, is taken at its word.
        """
        if isinstance(reading, Reshape) and prod(reading.shape) <= LARGEST_OUTPUT:
            return [], replace(walk, shape=reading.shape)
        if isinstance(reading, Join) and walk.open_skips:
            return [], _as_if_joined(reading, walk)
        for _, words in substitutes(error, word, last):
            steps, after = list[Step](), walk
            try:
                for text in words:
                    substitute = self._read(text)
                    if isinstance(substitute, LayerError):
                        break
                    step, after = after.through(error.position or 0, substitute)
                    steps.append(step)
                else:
                    return steps, after
            except ArchitectureError:
                continue
        return [], walk


def substitutes(error: ArchitectureError, word: str, last: Shape | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What an error says would be legal in the place of its layer: in short, and as words.

    A layer at the end of the line is given the channels of the pictures, whose shape is then `last`.
    """
    for text in error.instead:
        if last and (fitted := _with_channels(text, last[0])):
            yield f"Use `{fitted}`", (fitted,)
        yield f"Use `{text}`", (text,)
    if error.before:
        yield f"Put `{error.before}` before it", (error.before, word)


def _with_channels(text: str, channels: int) -> str:
    """The text of a convolution with so many channels; empty if it has as many, and for any other layer."""
    try:
        layer = parse_layer(text)
    except LayerError:
        return ""
    if not isinstance(layer, Conv | TransposedConv) or layer.channels == channels:
        return ""
    return str(replace(layer, channels=channels))


def _last(assumed: Sequence[Step], readings: Sequence[Layer | LayerError], walk: Walk) -> Step | None:
    """The last step of a line, which may be one of a layer that does not fit and is taken at its word."""
    position, reading = len(readings), readings[-1]
    if assumed and (assumed[-1].position == position or isinstance(reading, LayerError)):
        return assumed[-1]
    return Step(position, reading, walk.shape, walk.shape) if isinstance(reading, Layer) else None


def _as_if_joined(layer: Join, walk: Walk) -> Walk:
    """The walk after a skip and a map that do not fit: as if the map had been made to fit."""
    open_skips, skipped = walk.open_skips[:-1], walk.open_skips[-1][1]
    if layer.closes_skip == "sum":
        return Walk(skipped, open_skips)
    if len(walk.shape) == len(skipped) == 3:
        return Walk((walk.shape[0] + skipped[0], *skipped[1:]), open_skips)
    return Walk(walk.shape, open_skips)
