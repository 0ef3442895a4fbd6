"""A line of text taken apart into the words of its layers, and each word read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from aecore.models.layers import Layer, LayerError, Shape, parse_layer
from aecore.models.rules import CIFAR_SHAPE, PictureError
from aecore.models.steps import ArchitectureError


@dataclass(frozen=True)
class Word:
    """A word of a line, from character `start` up to `stop`; the one of the pictures' shape has no position."""

    position: int | None
    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Line:
    """The words of a line: that of the pictures' shape, which is empty if they are 3×32×32, and those of the layers."""

    picture: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Line:
        """The line that a text holds; any text holds one."""
        words = [word.strip() for word in text.split("|")]
        picture = words.pop(0) if words[0][:1].isdigit() else ""
        return cls(picture, () if words == [""] else tuple(words))

    def __str__(self) -> str:
        return " | ".join([*([self.picture] if self.picture else []), *self.words])

    def read_picture(self) -> Shape:
        """The shape of the pictures; raises `PictureError`."""
        if not self.picture:
            return CIFAR_SHAPE
        if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){2}", self.picture):
            raise PictureError("The pictures' shape must read channels x height x width, for example `1x28x28`.")
        return tuple(map(int, self.picture.split("x")))

    def read_layer(self, position: int) -> Layer:
        """The layer at a position, counted from 1; raises `ArchitectureError`."""
        word = self.words[position - 1]
        try:
            return parse_layer(word)
        except LayerError as error:
            raise ArchitectureError.at(position, word, error) from None

    def edited(self, position: int, *words: str, take: int = 1) -> Line:
        """The line with these `words` in place of the `take` words from a position on."""
        index = position - 1
        return replace(self, words=(*self.words[:index], *words, *self.words[index + take :]))


def words_of(text: str) -> tuple[Word, ...]:
    """The words of a text and where they are in it."""
    line, words, start = Line.of(text), list[Word](), 0
    positions = [*([None] if line.picture else []), *range(1, len(line.words) + 1)]
    for position, part in zip(positions, text.split("|"), strict=False):
        word = part.strip()
        begin = start + len(part) - len(part.lstrip())
        words.append(Word(position, word, begin, begin + len(word)))
        start += len(part) + 1
    return tuple(words)
