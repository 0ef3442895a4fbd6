"""The vocabulary of architectures: each layer a small frozen record that derives everything else from itself.

A layer is data. It knows its text form (`conv32:k5:s2`), the shape it turns a shape into, its parameters and
multiply-accumulates, which input coordinates an output coordinate reads, and the `nn.Module` that computes it.
Shapes are without the batch: `(channels, height, width)` or, flat, `(numbers,)`.

To add a layer: write its record here and name it in `LAYERS`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from math import ceil, floor, prod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from aecore import AecoreError

# torch is imported where a module is built: records, shapes and counts alone must load in milliseconds, because
# the gallery and `python -m aecore list` need nothing else.
if TYPE_CHECKING:
    from torch import Generator, Tensor, nn

Shape = tuple[int, ...]
Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "linear"]
Interpolation = Literal["nearest", "bilinear"]
Window = tuple[np.ndarray, np.ndarray]

BATCH_NORM_EPSILON = 1e-3  # Keras's defaults, which the seed used; torch's momentum is one minus Keras's.
BATCH_NORM_MOMENTUM = 0.01
LARGEST_OUTPUT = 2**24
LARGEST_SIZE = 2**31
LONGEST_WORD = 80


class LayerError(AecoreError):
    """A layer that cannot be: the text says what it got and what would be legal."""


def shape_text(shape: Shape) -> str:
    """`(32, 16, 16)` as `32×16×16`."""
    return "×".join(map(str, shape))


def size(default: Any = MISSING, *, letter: str = "", low: float = 1, high: float = LARGEST_SIZE) -> Any:
    """A number in a layer's text form: after its keyword (no letter) or as an option (`:k3`)."""
    return field(default=default, metadata={"letter": letter, "low": low, "high": high})


def choice(default: str, kind: Any) -> Any:
    """A word in a layer's text form: `:sigmoid`."""
    return field(default=default, metadata={"words": get_args(kind)})


@dataclass(frozen=True)
class Layer:
    """What every layer offers; the defaults are those of a layer that changes no shape and learns nothing."""

    keyword: ClassVar[str]

    def __post_init__(self) -> None:
        for each in fields(self):
            value, rule = getattr(self, each.name), each.metadata
            if "words" in rule and value not in rule["words"]:
                raise LayerError(f"{each.name} {value!r} is none of {', '.join(rule['words'])}")
            if "low" in rule and not rule["low"] <= value <= rule["high"]:
                raise LayerError(f"{each.name} must be from {rule['low']} to {rule['high']:,}, not {value}")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape this layer turns `shape` into; raises `LayerError` where it cannot."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Trainable parameters of this layer on an input of `shape`."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates for one picture, as `torch.utils.flop_counter` counts them (its flops / 2)."""
        return 0

    def reads(self, position: np.ndarray, extent: int) -> Window:
        """First and last input coordinate, along one axis of `extent`, that each output `position` depends on."""
        return position, position

    def module(self, shape: Shape) -> nn.Module:
        """The torch module for an input of `shape`, with torch's own initial weights."""
        raise NotImplementedError(self.keyword)

    def __str__(self) -> str:
        head, *options = [_format(self, each) for each in _text_fields(type(self))] or [""]
        return self.keyword + head + "".join(options)


def _text_fields(kind: type[Layer]) -> list[Field[Any]]:
    """The fields in text order: the size that follows the keyword first."""
    return sorted(fields(kind), key=lambda each: each.metadata.get("letter") != "")


def _format(layer: Layer, each: Field[Any]) -> str:
    value = getattr(layer, each.name)
    if value == each.default:
        return ""
    if isinstance(value, tuple):
        text = "x".join(map(str, value))
    else:
        text = np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
    return text if each.metadata.get("letter") == "" else f":{each.metadata.get('letter', '')}{text}"


def _maps(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise LayerError(
            f"got a flat vector of {shape[0]:,}, needs feature maps: put `reshape` before it, "
            f"for example `{_reshape_example(shape[0])}`"
        )
    channels, height, width = shape
    return channels, height, width


def _reshape_example(numbers: int) -> str:
    side = max(side for side in (1, 2, 4, 8, 16, 32) if numbers % side**2 == 0)
    return f"reshape{numbers // side**2}x{side}x{side}"


def _activated(module: nn.Module, activation: Activation) -> nn.Module:
    from torch import nn

    return module if activation == "linear" else nn.Sequential(module, _activation_module(activation))


def _activation_module(activation: Activation) -> nn.Module:
    from torch import nn

    modules: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "leaky_relu": nn.LeakyReLU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "linear": nn.Identity,
    }
    return modules[activation]()


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution with Keras's `same` padding (the odd row or column goes bottom and right), then `activation`."""

    keyword: ClassVar[str] = "conv"
    channels: int = size()
    kernel: int = size(3, letter="k", high=64)
    stride: int = size(1, letter="s", high=64)
    activation: Activation = choice("relu", Activation)

    def output_shape(self, shape: Shape) -> Shape:
        _, height, width = _maps(shape)
        return self.channels, ceil(height / self.stride), ceil(width / self.stride)

    def parameters(self, shape: Shape) -> int:
        return self.channels * (_maps(shape)[0] * self.kernel**2 + 1)

    def macs(self, shape: Shape) -> int:
        return prod(self.output_shape(shape)) * shape[0] * self.kernel**2

    def reads(self, position: np.ndarray, extent: int) -> Window:
        first = position * self.stride - self._padding(extent)[0]
        return first, first + self.kernel - 1

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        channels, height, width = _maps(shape)
        (top, bottom), (left, right) = self._padding(height), self._padding(width)
        if top == bottom and left == right:
            conv = nn.Conv2d(channels, self.channels, self.kernel, self.stride, padding=(top, left))
            return _activated(conv, self.activation)
        conv = nn.Conv2d(channels, self.channels, self.kernel, self.stride)
        padded = nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)
        return _activated(padded, self.activation)

    def _padding(self, extent: int) -> tuple[int, int]:
        total = max((ceil(extent / self.stride) - 1) * self.stride + self.kernel - extent, 0)
        return total // 2, total - total // 2


@dataclass(frozen=True)
class TransposedConv(Layer):
    """Transposed convolution that multiplies height and width by `stride`, then `activation`.

    It is the transpose of `Conv` with the same kernel and stride, as Keras's `same` has it.
    """

    keyword: ClassVar[str] = "deconv"
    channels: int = size()
    kernel: int = size(3, letter="k", high=64)
    stride: int = size(2, letter="s", high=64)
    activation: Activation = choice("relu", Activation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < self.stride:
            raise LayerError(
                f"a kernel of {self.kernel} leaves gaps at stride {self.stride}: it must be at least the stride, "
                f"for example `{self.keyword}{self.channels}:k{self.stride}:s{self.stride}`"
            )

    def output_shape(self, shape: Shape) -> Shape:
        _, height, width = _maps(shape)
        return self.channels, height * self.stride, width * self.stride

    def parameters(self, shape: Shape) -> int:
        return self.channels * (_maps(shape)[0] * self.kernel**2 + 1)

    def macs(self, shape: Shape) -> int:
        return prod(_maps(shape)) * self.channels * self.kernel**2

    def reads(self, position: np.ndarray, extent: int) -> Window:
        last = (position + self._padding) // self.stride
        return -((self.kernel - 1 - self._padding - position) // self.stride), last

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        conv = nn.ConvTranspose2d(_maps(shape)[0], self.channels, self.kernel, self.stride, self._padding)
        if (self.kernel - self.stride) % 2:
            # One row and column too many come out: `same` drops the last ones.
            return _activated(nn.Sequential(conv, nn.ZeroPad2d((0, -1, 0, -1))), self.activation)
        return _activated(conv, self.activation)

    @property
    def _padding(self) -> int:
        return (self.kernel - self.stride) // 2


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer on a flat vector, then `activation`."""

    keyword: ClassVar[str] = "dense"
    units: int = size()
    activation: Activation = choice("relu", Activation)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise LayerError(f"got {shape_text(shape)}, needs a flat vector: put `flatten` before it")
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return (shape[0] + 1) * self.units

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        return _activated(nn.Linear(shape[0], self.units), self.activation)


@dataclass(frozen=True)
class _Pool(Layer):
    """Pooling over windows of `factor`×`factor` that do not overlap; an incomplete window is dropped."""

    factor: int = size(2, low=2, high=64)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = _maps(shape)
        if min(height, width) < self.factor:
            legal = min(height, width)
            raise LayerError(
                f"got {shape_text(shape)}, cannot pool {self.factor}×{self.factor}: "
                + (f"at most `{self.keyword}{legal}` fits" if legal > 1 else "there is nothing left to pool")
            )
        return channels, height // self.factor, width // self.factor

    def reads(self, position: np.ndarray, extent: int) -> Window:
        return position * self.factor, position * self.factor + self.factor - 1


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest value of each window."""

    keyword: ClassVar[str] = "pool"

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.MaxPool2d(self.factor)


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window."""

    keyword: ClassVar[str] = "avgpool"

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.AvgPool2d(self.factor)


@dataclass(frozen=True)
class Upsample(Layer):
    """Enlargement by a whole `factor`, by repetition or by bilinear interpolation."""

    keyword: ClassVar[str] = "up"
    factor: int = size(2, low=2, high=64)
    mode: Interpolation = choice("nearest", Interpolation)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = _maps(shape)
        return channels, height * self.factor, width * self.factor

    def reads(self, position: np.ndarray, extent: int) -> Window:
        if self.mode == "nearest":
            return position // self.factor, position // self.factor
        # A pixel centre of the large grid lies between these two of the small one (align_corners=False).
        doubled = 2 * position + 1 - self.factor
        return doubled // (2 * self.factor), -(-doubled // (2 * self.factor))

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Upsample(scale_factor=self.factor, mode=self.mode)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation over each channel (or each number of a flat vector), with Keras's epsilon and momentum."""

    keyword: ClassVar[str] = "bn"

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return kind(shape[0], eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


@dataclass(frozen=True)
class Dropout(Layer):
    """Zeroes each value with probability `rate` while training."""

    keyword: ClassVar[str] = "dropout"
    rate: float = size(0.5, low=0.0, high=0.99)

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        rate = self.rate

        class KeyedDropout(nn.Module):
            """`nn.Dropout` that draws from `generator`, which training sets anew for each epoch."""

            generator: Generator | None = None

            def forward(self, values: Tensor) -> Tensor:
                if not self.training:
                    return values
                kept = values.new_empty(values.shape).bernoulli_(1 - rate, generator=self.generator)
                return values * kept / (1 - rate)

        return KeyedDropout()


@dataclass(frozen=True)
class Activate(Layer):
    """An activation on its own, for example after batch normalisation."""

    keyword: ClassVar[str] = "act"
    function: Activation = choice("relu", Activation)

    def module(self, shape: Shape) -> nn.Module:
        return _activation_module(self.function)


@dataclass(frozen=True)
class Flatten(Layer):
    """Feature maps to a flat vector, channel by channel."""

    keyword: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        return nn.Flatten()


@dataclass(frozen=True)
class Reshape(Layer):
    """A flat vector to feature maps of `shape` (channels × height × width)."""

    keyword: ClassVar[str] = "reshape"
    shape: tuple[int, int, int] = field(metadata={"letter": ""})

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise LayerError("needs channels, height and width, for example `reshape32x8x8`")

    def output_shape(self, shape: Shape) -> Shape:
        if prod(shape) != prod(self.shape):
            raise LayerError(
                f"got {prod(shape):,} numbers, {shape_text(self.shape)} holds {prod(self.shape):,}: "
                f"`{_reshape_example(prod(shape))}` would fit"
            )
        return self.shape

    def module(self, shape: Shape) -> nn.Module:
        from torch import nn

        flat = nn.Flatten() if len(shape) == 3 else nn.Identity()
        return nn.Sequential(flat, nn.Unflatten(1, self.shape))


@dataclass(frozen=True)
class Skip(Layer):
    """What comes in also goes past the layers that follow, to the `add` or `concat` that closes this bracket.

    Brackets lie inside each other, as in a U-Net (Ronneberger, Fischer & Brox 2015): `skip | … | skip | … | add | … |
    add`.
    """

    keyword: ClassVar[str] = "skip"

    def module(self, shape: Shape) -> nn.Module:
        from aecore.skips import Remember

        return Remember()


@dataclass(frozen=True)
class Join(Layer):
    """What closes the bracket that the last open `skip` began."""

    def joined(self, shape: Shape, kept: Shape) -> Shape:
        """The shape that comes of `shape` and of what was `kept`; raises `LayerError` where they do not fit."""
        raise NotImplementedError(self.keyword)

    def module(self, shape: Shape) -> nn.Module:
        from aecore.skips import Join as Module

        return Module(concatenates=isinstance(self, Concat))


@dataclass(frozen=True)
class Add(Join):
    """The sum of both, as in a residual network (He, Zhang, Ren & Sun 2016)."""

    keyword: ClassVar[str] = "add"

    def joined(self, shape: Shape, kept: Shape) -> Shape:
        if shape != kept:
            raise LayerError(
                f"got {shape_text(shape)}, but its `skip` kept {shape_text(kept)}: only equal shapes can be added"
            )
        return shape


@dataclass(frozen=True)
class Concat(Join):
    """The channels of both, those that were kept last."""

    keyword: ClassVar[str] = "concat"

    def joined(self, shape: Shape, kept: Shape) -> Shape:
        channels, *extents = _maps(shape)
        more, *others = _maps(kept)
        if extents != others:
            raise LayerError(
                f"got {shape_text(shape)}, but its `skip` kept {shape_text(kept)}: height and width must be equal"
            )
        return channels + more, *extents


LAYERS: dict[str, type[Layer]] = {
    kind.keyword: kind
    for kind in (
        Conv, TransposedConv, Dense, MaxPool, AveragePool, Upsample, BatchNorm, Dropout, Activate, Flatten, Reshape,
        Skip, Add, Concat,
    )
}  # fmt: skip


def parse_layer(text: str) -> Layer:
    """A layer from its text form, for example `conv32:k5:s2:gelu`; raises `LayerError`."""
    if len(text) > LONGEST_WORD:
        raise LayerError(f"a layer has at most {LONGEST_WORD} characters; separate layers by |")
    head, *options = text.strip().split(":")
    match = re.fullmatch(r"([a-z]+?)([0-9][0-9x.]*|\.[0-9]+)?", head)
    if match is None or match[1] not in LAYERS:
        near = difflib.get_close_matches(match[1] if match else head, LAYERS, n=1)
        hint = f", did you mean `{near[0]}`?" if near else "."
        raise LayerError(f"there is no such layer{hint} Layers: {', '.join(LAYERS)}")
    kind = LAYERS[match[1]]
    values: dict[str, Any] = {}
    if match[2]:
        options = [match[2], *options]
    for option in options:
        name, value = _read(kind, option)
        if name in values:
            raise LayerError(f"{name} is given twice")
        values[name] = value
    for each in fields(kind):
        if each.default is MISSING and each.name not in values:
            raise LayerError(f"needs its {each.name} after the keyword, for example `{_example(kind)}`")
    return kind(**values)


def _read(kind: type[Layer], option: str) -> tuple[str, Any]:
    """The field that `option` sets, and its value."""
    for each in fields(kind):
        rule = each.metadata
        if option in rule.get("words", ()):
            return each.name, option
        letter = rule.get("letter")
        if letter is None or not option.startswith(letter):
            continue
        number = option.removeprefix(letter)
        if kind is Reshape and re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9})+", number):
            return each.name, tuple(map(int, number.split("x")))
        if kind is Dropout and re.fullmatch(r"[0-9](\.[0-9]*)?|\.[0-9]+", number):
            return each.name, float(number)
        if kind not in (Reshape, Dropout) and re.fullmatch(r"[0-9]{1,12}", number):
            return each.name, int(number)
    raise LayerError(f"`{option}` means nothing here; legal: {_legal(kind)}")


def _legal(kind: type[Layer]) -> str:
    parts = []
    for each in _text_fields(kind):
        if "words" in each.metadata:
            parts += [f":{word}" for word in each.metadata["words"]]
        elif each.metadata["letter"]:
            parts.append(f":{each.metadata['letter']}N")
        else:
            parts.append(f"`{_example(kind)}`")
    return ", ".join(parts) or f"`{kind.keyword}` takes no options"


def _example(kind: type[Layer]) -> str:
    return kind.keyword + {"reshape": "32x8x8", "dropout": "0.5"}.get(
        kind.keyword, "2" if issubclass(kind, _Pool | Upsample) else "32"
    )


def largest_that_fits(layer: Layer, fits: Callable[[Layer], bool]) -> Layer | None:
    """The same layer with the largest leading size that `fits`, or None where not even 1 does."""
    from dataclasses import replace

    head = next((each.name for each in fields(layer) if each.metadata.get("letter") == ""), None)
    if head not in ("channels", "units"):
        return None
    low, high = 0, getattr(layer, head)
    while high - low > 1:
        middle = floor((low + high) / 2)
        low, high = (middle, high) if fits(replace(layer, **{head: middle})) else (low, middle)
    return replace(layer, **{head: low}) if low else None
