"""The layers of architectures, as small frozen records.

A record holds a layer's settings and derives the rest: its text form (`conv32:k5:s2`), output shape, parameters,
multiply-accumulates (MACs) and input window. Class variables state further properties. Shapes have no batch axis:
`(channels, height, width)` for feature maps, `(numbers,)` for flat vectors.

To add a layer: write its record here, add it to `LAYERS`, and register its module in `aecore.models.modules` and its
ONNX operators in `aecore.reconstructors.onnx_graphs`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from math import ceil, floor, gcd, prod
from string import ascii_lowercase
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from aecore import AecoreError
from aecore.models.code_sets import CodeSet, sets_of

Shape = tuple[int, ...]
Activation = Literal["relu", "leaky_relu", "gelu", "silu", "tanh", "sigmoid", "linear"]
Interpolation = Literal["nearest", "bilinear"]
Window = tuple[np.ndarray, np.ndarray]  # first and last coordinate
LARGEST_OUTPUT = 2**24
LARGEST_SIZE = 2**31
LONGEST_WORD = 80


class LayerError(AecoreError):
    """A layer is not legal; the message says what it got and what would be legal.

    What would be legal is given in the text form too, where it is known: the layers that may take its place (`instead`,
    the best first), and those that it needs before it (`before`).
    """

    def __init__(self, message: str, *, instead: Iterable[str] = (), before: str = "") -> None:
        super().__init__(message)
        self.instead = tuple(instead)
        self.before = before


def shape_text(shape: Shape) -> str:
    """`(32, 16, 16)` as `32×16×16`."""
    return "×".join(map(str, shape))


def size(
    default: Any = MISSING, *, letter: str = "", low: float = 1, high: float = LARGEST_SIZE, shrinks: bool = False
) -> Any:
    """A whole-number field; in the text form it follows the keyword (no letter) or is an option (`:k3`).

    `shrinks` marks the field that is reduced to suggest a layer that fits into memory.
    """
    rule = {"letter": letter, "low": low, "high": high, "shrinks": shrinks, "pattern": r"[0-9]{1,12}", "read": int}
    return field(default=default, metadata=rule)


def share(default: float, *, high: float) -> Any:
    """A field for a number from 0 to `high` < 1, after the keyword: `dropout0.5`."""
    rule = {"letter": "", "low": 0.0, "high": high, "pattern": r"[0-9](\.[0-9]*)?|\.[0-9]+", "read": float}
    return field(default=default, metadata=rule)


def extents() -> Any:
    """A field for a shape, after the keyword: `reshape32x8x8`."""
    rule = {"letter": "", "pattern": r"[0-9]{1,9}(x[0-9]{1,9})+", "read": lambda text: tuple(map(int, text.split("x")))}
    return field(metadata=rule)


def choice(default: str, kind: Any) -> Any:
    """A field for one of the words of the literal type `kind`, as an option: `:sigmoid`."""
    return field(default=default, metadata={"words": get_args(kind)})


@dataclass(frozen=True)
class Layer:
    """The interface of all layers. The defaults suit a layer that keeps the shape and has no parameters."""

    keyword: ClassVar[str]
    title: ClassVar[str] = ""  # the name in texts; empty if it is the keyword
    example: ClassVar[str] = ""  # the text after the keyword in an example of the text form
    keeps_numbers: ClassVar[bool] = False  # one output number in the place of each input number
    keeps_values: ClassVar[bool] = False  # the output has the same values, perhaps in another shape
    mixes_everything: ClassVar[bool] = False  # every output depends on every input
    fixes_size: ClassVar[bool] = False  # works for pictures of one height and width only
    is_drawn_folded: ClassVar[bool] = False  # diagrams draw it as part of the layer before it
    normalises_batch: ClassVar[bool] = False  # training needs more than one value per channel
    opens_skip: ClassVar[bool] = False  # sends its input also to the layer that closes the skip
    closes_skip: ClassVar[Literal["", "sum", "channels"]] = ""  # how it joins its input with the skipped tensor
    penalty: ClassVar[str] = ""  # the name of the penalty that its module reports during training

    def __post_init__(self) -> None:
        for setting in fields(self):
            value, rule = getattr(self, setting.name), setting.metadata
            if "words" in rule and value not in rule["words"]:
                raise LayerError(f"{setting.name} {value!r} is none of {', '.join(rule['words'])}")
            if "low" in rule and not rule["low"] <= value <= rule["high"]:
                raise LayerError(
                    f"{setting.name} must be from {rule['low']} to {rule['high']:,}, not {value}",
                    instead=[_with(self, setting.name, rule["low"] if value < rule["low"] else rule["high"])],
                )

    def output_shape(self, shape: Shape) -> Shape:
        """The output shape for an input of `shape`; raises `LayerError` if the layer cannot take it."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Trainable parameters for an input of `shape`."""
        return 0

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates per picture, as `torch.utils.flop_counter` counts them (its FLOPs / 2)."""
        return 0

    def training_macs(self, shape: Shape) -> int:
        """Those of a picture's forward pass in training, where a layer may compute more than its output."""
        return self.macs(shape)

    def training_outputs(self, shape: Shape) -> int:
        """How many numbers a picture's forward pass hands on in training, between parts of the layer too."""
        return prod(self.output_shape(shape))

    def training_calls(self, shape: Shape) -> int:
        """About how many operators of torch a training step calls, in both directions, for a batch of any size."""
        return 7

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        """First and last input coordinate that each output `position` depends on, along one axis of `extent`."""
        return position, position

    @property
    def last_activation(self) -> str:
        """The activation that its output comes from; `linear` if there is none."""
        return str(getattr(self, "activation", "linear"))

    def words(self) -> tuple[str, ...]:
        """The layer in words, one per line of a diagram: `conv 32`, `3×3`, `stride 2`. ReLU is not mentioned."""
        activation = getattr(self, "activation", "relu")
        return (*self._words(), *([activation] if activation != "relu" else []))

    def _words(self) -> tuple[str, ...]:
        return (self.title or self.keyword,)

    def __str__(self) -> str:
        head, *options = [_format(self, setting) for setting in _text_fields(type(self))] or [""]
        return self.keyword + head + "".join(options)


def _with(layer: Layer, name: str, value: object) -> str:
    """The text form of `layer` with another value of a field; `layer` need not be legal."""
    changed = copy(layer)
    object.__setattr__(changed, name, value)
    return str(changed)


def _text_fields(kind: type[Layer]) -> list[Field[Any]]:
    """The fields in the order of the text form: first the one that follows the keyword."""
    return sorted(fields(kind), key=lambda setting: setting.metadata.get("letter") != "")


def _format(layer: Layer, setting: Field[Any]) -> str:
    value, letter = getattr(layer, setting.name), setting.metadata.get("letter")
    if value == setting.default:
        return ""
    if isinstance(value, tuple):
        text = "x".join(map(str, value))
    else:
        text = np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
    return text if letter == "" else f":{letter or ''}{text}"


def _maps(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise LayerError(
            f"got a flat vector of {shape[0]:,}, needs feature maps: put `reshape` before it, "
            f"for example `{_reshape_example(shape[0])}`",
            before=_reshape_example(shape[0]),
        )
    channels, height, width = shape
    return channels, height, width


def _sets(shape: Shape) -> list[CodeSet]:
    """The sets of a code of this shape that have any numbers."""
    return [one for one in sets_of(shape[0]) if one.positions(*shape[1:])]


def _reshape_example(numbers: int) -> str:
    side = max(side for side in (1, 2, 4, 8, 16, 32) if numbers % side**2 == 0)
    return f"reshape{numbers // side**2}x{side}x{side}"


@dataclass(frozen=True)
class Conv(Layer):
    """Convolution with Keras's `same` padding (the odd row or column goes bottom and right), then `activation`."""

    keyword: ClassVar[str] = "conv"
    channels: int = size(shrinks=True)
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

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        first = position * self.stride - self.padding(extent)[0]
        return first, first + self.kernel - 1

    def padding(self, extent: int) -> tuple[int, int]:
        """How many zeros `same` pads before and after `extent` pixels of one axis."""
        total = max((ceil(extent / self.stride) - 1) * self.stride + self.kernel - extent, 0)
        return total // 2, total - total // 2

    def _words(self) -> tuple[str, ...]:
        return _convolution(self.keyword, self.channels, self.kernel, self.stride)


@dataclass(frozen=True)
class TransposedConv(Layer):
    """Transposed convolution that multiplies height and width by `stride`, then `activation`.

    It is the transpose of `Conv` with the same kernel and stride, as in Keras with `same` padding.
    """

    keyword: ClassVar[str] = "deconv"
    channels: int = size(shrinks=True)
    kernel: int = size(3, letter="k", high=64)
    stride: int = size(2, letter="s", high=64)
    activation: Activation = choice("relu", Activation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < self.stride:
            raise LayerError(
                f"a kernel of {self.kernel} leaves gaps at stride {self.stride}: it must be at least the stride, "
                f"for example `{self.keyword}{self.channels}:k{self.stride}:s{self.stride}`",
                instead=[_with(self, "kernel", self.stride)],
            )

    def output_shape(self, shape: Shape) -> Shape:
        _, height, width = _maps(shape)
        return self.channels, height * self.stride, width * self.stride

    def parameters(self, shape: Shape) -> int:
        return self.channels * (_maps(shape)[0] * self.kernel**2 + 1)

    def macs(self, shape: Shape) -> int:
        return prod(_maps(shape)) * self.channels * self.kernel**2

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        last = (position + self.padding) // self.stride
        return -((self.kernel - 1 - self.padding - position) // self.stride), last

    @property
    def padding(self) -> int:
        """Rows and columns that are cropped from each side of the full output."""
        return (self.kernel - self.stride) // 2

    def _words(self) -> tuple[str, ...]:
        return _convolution(self.keyword, self.channels, self.kernel, self.stride)


def _convolution(keyword: str, channels: int, kernel: int, stride: int) -> tuple[str, ...]:
    return (f"{keyword} {channels:,}", f"{kernel}×{kernel}", *([f"stride {stride}"] if stride > 1 else []))


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer on a flat vector, then `activation`."""

    keyword: ClassVar[str] = "dense"
    mixes_everything: ClassVar[bool] = True
    fixes_size: ClassVar[bool] = True
    units: int = size(shrinks=True)
    activation: Activation = choice("relu", Activation)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise LayerError(f"got {shape_text(shape)}, needs a flat vector: put `flatten` before it", before="flatten")
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return (shape[0] + 1) * self.units

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units

    def _words(self) -> tuple[str, ...]:
        return (f"{self.keyword} {self.units:,}",)


@dataclass(frozen=True)
class Pool(Layer):
    """Pooling over disjoint windows of `factor`×`factor`; incomplete windows are dropped."""

    example: ClassVar[str] = "2"
    factor: int = size(2, low=2, high=64)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = _maps(shape)
        if min(height, width) < self.factor:
            legal = min(height, width)
            raise LayerError(
                f"got {shape_text(shape)}, cannot pool {self.factor}×{self.factor}: "
                + (f"at most `{self.keyword}{legal}` fits" if legal > 1 else "there is nothing left to pool"),
                instead=[f"{self.keyword}{legal}"] if legal > 1 else [],
            )
        return channels, height // self.factor, width // self.factor

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        return position * self.factor, position * self.factor + self.factor - 1

    def _words(self) -> tuple[str, ...]:
        return self.title, f"{self.factor}×{self.factor}"


@dataclass(frozen=True)
class MaxPool(Pool):
    """Max pooling: the largest value of each window."""

    keyword: ClassVar[str] = "pool"
    title: ClassVar[str] = "max pool"


@dataclass(frozen=True)
class AveragePool(Pool):
    """Average pooling: the mean of each window."""

    keyword: ClassVar[str] = "avgpool"
    title: ClassVar[str] = "mean pool"


@dataclass(frozen=True)
class Upsample(Layer):
    """Upsampling by a whole `factor`, by nearest-neighbour or bilinear interpolation."""

    keyword: ClassVar[str] = "up"
    example: ClassVar[str] = "2"
    factor: int = size(2, low=2, high=64)
    mode: Interpolation = choice("nearest", Interpolation)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = _maps(shape)
        return channels, height * self.factor, width * self.factor

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        if self.mode == "nearest":
            return position // self.factor, position // self.factor
        # An output pixel's centre lies between the centres of these two input pixels (align_corners=False).
        doubled = 2 * position + 1 - self.factor
        return doubled // (2 * self.factor), -(-doubled // (2 * self.factor))

    def _words(self) -> tuple[str, ...]:
        return (f"{self.keyword} {self.factor}×", *([self.mode] if self.mode != "nearest" else []))


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation over each channel (or each number of a flat vector), with Keras's epsilon and momentum."""

    keyword: ClassVar[str] = "bn"
    title: ClassVar[str] = "batch norm"
    keeps_numbers: ClassVar[bool] = True
    is_drawn_folded: ClassVar[bool] = True
    normalises_batch: ClassVar[bool] = True

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Group normalisation (Wu & He 2018): the channels are split into `groups`, and each group of one picture is
    normalised over its channels and positions.

    Unlike batch norm it does the same in training and evaluation, whatever else is in the batch.
    """

    keyword: ClassVar[str] = "gn"
    title: ClassVar[str] = "group norm"
    example: ClassVar[str] = "8"
    keeps_numbers: ClassVar[bool] = True
    is_drawn_folded: ClassVar[bool] = True
    groups: int = size(8)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = _maps(shape)
        fitting = gcd(channels, self.groups)
        if fitting < self.groups:
            raise LayerError(
                f"got {shape_text(shape)}, cannot divide {channels:,} channels into {self.groups:,} groups: "
                f"`{self.keyword}{fitting}` would fit",
                instead=[f"{self.keyword}{fitting}"],
            )
        if prod(shape) == self.groups:
            raise LayerError(f"got {shape_text(shape)}, cannot normalise groups of a single number: leave it out")
        return channels, height, width

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]

    def input_window(self, position: np.ndarray, extent: int) -> Window:
        return np.zeros_like(position), np.full_like(position, extent - 1)  # by way of the mean and the deviation

    def _words(self) -> tuple[str, ...]:
        return (f"{self.title} {self.groups:,}",)


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets each value to zero with probability `rate` during training."""

    keyword: ClassVar[str] = "dropout"
    example: ClassVar[str] = "0.5"
    keeps_numbers: ClassVar[bool] = True
    is_drawn_folded: ClassVar[bool] = True
    rate: float = share(0.5, high=0.99)

    def _words(self) -> tuple[str, ...]:
        return (f"{self.keyword} {self.rate:g}",)


@dataclass(frozen=True)
class Activate(Layer):
    """An activation on its own, for example after batch normalisation."""

    keyword: ClassVar[str] = "act"
    keeps_numbers: ClassVar[bool] = True
    is_drawn_folded: ClassVar[bool] = True
    function: Activation = choice("relu", Activation)

    @property
    def last_activation(self) -> str:
        return self.function

    def _words(self) -> tuple[str, ...]:
        return (self.function,)


@dataclass(frozen=True)
class Sparsity(Layer):
    """Passes its input on unchanged, and reports its mean absolute value as the penalty `sparsity`.

    An L1 penalty on the code makes most of its numbers zero for any given picture (Ng 2011, "Sparse autoencoder",
    CS294A lecture notes). The recipe sets the weight of the penalty.
    """

    keyword: ClassVar[str] = "sparsity"
    keeps_numbers: ClassVar[bool] = True
    keeps_values: ClassVar[bool] = True
    is_drawn_folded: ClassVar[bool] = True
    penalty: ClassVar[str] = "sparsity"


@dataclass(frozen=True)
class Entropy(Layer):
    """Rounds its input to whole numbers that take few bits, at any of `rates` rates, and reports the penalty `bits`.

    The probabilities of the numbers are predicted by a network of `hidden` channels (`aecore.models.entropy_model`).
    The penalty is the mean of the bits that a picture takes; the recipe sets what a bit weighs at the lowest rate.
    """

    keyword: ClassVar[str] = "entropy"
    example: ClassVar[str] = "7"
    title: ClassVar[str] = "entropy model"
    keeps_numbers: ClassVar[bool] = True
    penalty: ClassVar[str] = "bits"
    rates: int = size(1, high=32)
    hidden: int = size(128, letter="h", shrinks=True)

    def kernel(self, shape: Shape) -> int:
        """Of the convolution that sees the numbers before: two positions to each side, or the whole of a small map."""
        return min(5, 2 * max(_maps(shape)[1:]) - 1)

    def output_shape(self, shape: Shape) -> Shape:
        return _maps(shape)

    def parameters(self, shape: Shape) -> int:
        channels, hidden = _maps(shape)[0], self.hidden
        groups = len({one.first for one in sets_of(channels)})
        context = (channels + groups) * self.kernel(shape) ** 2 * hidden + hidden
        by_rate = self.rates * (2 * channels + hidden)
        return by_rate + context + (hidden + 1) * (hidden + 2 * channels)

    def training_macs(self, shape: Shape) -> int:
        channels, height, width = _maps(shape)
        sets = _sets(shape)
        # The first set sees no others. Every set has hidden channels of its own at its positions.
        context = (len(sets) - 1) * height * width * channels * self.kernel(shape) ** 2
        mixing = sum(one.positions(height, width) for one in sets) * self.hidden
        return self.hidden * (context + mixing + 2 * channels * height * width)

    def training_outputs(self, shape: Shape) -> int:
        channels, height, width = _maps(shape)
        sets = _sets(shape)
        # Of the code: scaled, noisy, rounded and restored, what every set but the first sees, and ten steps from mean
        # and scale to bits. Of hidden channels: what every set sees, and both layers with activations at its positions.
        hidden = len(sets) * height * width + 4 * sum(one.positions(height, width) for one in sets)
        return (13 + len(sets)) * channels * height * width + hidden * self.hidden

    def training_calls(self, shape: Shape) -> int:
        return 225 * len(_sets(shape))

    def _words(self) -> tuple[str, ...]:
        return self.title, f"{self.rates} rate{'s' * (self.rates > 1)}"


@dataclass(frozen=True)
class Flatten(Layer):
    """Turns feature maps into a flat vector, channel by channel."""

    keyword: ClassVar[str] = "flatten"
    fixes_size: ClassVar[bool] = True
    keeps_numbers: ClassVar[bool] = True
    keeps_values: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)


@dataclass(frozen=True)
class Reshape(Layer):
    """Turns a flat vector into feature maps of `shape` (channels × height × width)."""

    keyword: ClassVar[str] = "reshape"
    fixes_size: ClassVar[bool] = True
    example: ClassVar[str] = "32x8x8"
    keeps_numbers: ClassVar[bool] = True
    keeps_values: ClassVar[bool] = True
    shape: tuple[int, int, int] = extents()

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise LayerError("needs channels, height and width, for example `reshape32x8x8`")

    def output_shape(self, shape: Shape) -> Shape:
        if prod(shape) != prod(self.shape):
            raise LayerError(
                f"got {prod(shape):,} numbers, {shape_text(self.shape)} holds {prod(self.shape):,}: "
                f"`{_reshape_example(prod(shape))}` would fit",
                instead=[_reshape_example(prod(shape))],
            )
        return self.shape


@dataclass(frozen=True)
class Skip(Layer):
    """Opens a skip connection: sends its input also to the matching `add` or `concat`.

    Skips nest like brackets, as in a U-Net (Ronneberger, Fischer & Brox 2015): `skip | … | skip | … | add | … | add`.
    """

    keyword: ClassVar[str] = "skip"
    keeps_numbers: ClassVar[bool] = True
    opens_skip: ClassVar[bool] = True

    def _words(self) -> tuple[str, ...]:
        return ()  # a diagram draws it as a line


@dataclass(frozen=True)
class Join(Layer):
    """Closes the most recent open `skip`."""

    def joined(self, shape: Shape, skipped: Shape) -> Shape:
        """The output shape for an input of `shape` and a `skipped` tensor; raises `LayerError` if they do not fit."""
        raise NotImplementedError(self.keyword)


@dataclass(frozen=True)
class Add(Join):
    """Adds the skipped tensor, as in a residual network (He, Zhang, Ren & Sun 2016)."""

    keyword: ClassVar[str] = "add"
    closes_skip: ClassVar[Literal["", "sum", "channels"]] = "sum"

    def joined(self, shape: Shape, skipped: Shape) -> Shape:
        if shape != skipped:
            raise LayerError(
                f"got {shape_text(shape)}, but its `skip` saved {shape_text(skipped)}: only equal shapes can be added"
            )
        return shape


@dataclass(frozen=True)
class Concat(Join):
    """Concatenates along channels: the current map first, then the skipped one."""

    keyword: ClassVar[str] = "concat"
    closes_skip: ClassVar[Literal["", "sum", "channels"]] = "channels"

    def joined(self, shape: Shape, skipped: Shape) -> Shape:
        channels, *extent = _maps(shape)
        more, *other = _maps(skipped)
        if extent != other:
            raise LayerError(
                f"got {shape_text(shape)}, but its `skip` saved {shape_text(skipped)}: height and width must be equal"
            )
        return channels + more, *extent


LAYERS: dict[str, type[Layer]] = {
    kind.keyword: kind
    for kind in (
        *(Conv, TransposedConv, Dense, MaxPool, AveragePool, Upsample, BatchNorm, GroupNorm, Dropout, Activate),
        *(Sparsity, Entropy, Flatten, Reshape, Skip, Add, Concat),
    )
}

# What other libraries call our layers, without capitals and underscores.
SYNONYMS = {
    "convolution": "conv",
    "convtranspose": "deconv",
    "linear": "dense",
    "fc": "dense",
    "maxpool": "pool",
    "maxpooling": "pool",
    "averagepooling": "avgpool",
    "meanpool": "avgpool",
    "upsample": "up",
    "upsampling": "up",
    "batchnorm": "bn",
    "groupnorm": "gn",
    "concatenate": "concat",
    "view": "reshape",
    "unflatten": "reshape",
    **{word.replace("_", ""): f"act:{word}" for word in get_args(Activation) if word != "linear"},
}


def parse_layer(text: str) -> Layer:
    """Read a layer's text form, for example `conv32:k5:s2:gelu`; raises `LayerError`."""
    if len(text) > LONGEST_WORD:
        raise LayerError(f"a layer has at most {LONGEST_WORD} characters; separate layers with |")
    head, *options = text.strip().split(":")
    match = re.fullmatch(r"([a-z]+?)([0-9][0-9x.]*|\.[0-9]+)?", head)
    if match is None or match[1] not in LAYERS:
        near = difflib.get_close_matches(match[1] if match else head, LAYERS, n=1)
        hint = f", did you mean `{near[0]}`?" if near else "."
        raise LayerError(f"there is no such layer{hint} Layers: {', '.join(LAYERS)}", instead=_respelt(text, near))
    kind = LAYERS[match[1]]
    values: dict[str, Any] = {}
    if match[2]:
        options = [match[2], *options]
    for index, option in enumerate(options):
        without = _joined(kind, [*options[:index], *options[index + 1 :]])
        name, value = _read(kind, option, without)
        if name in values:
            raise LayerError(f"{name} is given twice", instead=[without])
        values[name] = value
    for setting in fields(kind):
        if setting.default is MISSING and setting.name not in values:
            example = _example(kind)
            raise LayerError(
                f"needs its {setting.name} after the keyword, for example `{example}`",
                instead=[":".join([example, *options])],
            )
    return kind(**values)


def _read(kind: type[Layer], option: str, without: str) -> tuple[str, Any]:
    """The name of the field that `option` sets, and its value; `without` is the layer without this option."""
    for setting in fields(kind):
        rule = setting.metadata
        if option in rule.get("words", ()):
            return setting.name, option
        letter = rule.get("letter")
        if letter is not None and option.startswith(letter):
            number = option.removeprefix(letter)
            if re.fullmatch(rule["pattern"], number):
                return setting.name, rule["read"](number)
    words = [word for setting in fields(kind) for word in setting.metadata.get("words", ())]
    near = difflib.get_close_matches(option, words, n=1)
    raise LayerError(
        f"`{option}` is not an option of this layer; legal: {_legal(kind)}",
        instead=[*(f"{without}:{word}" for word in near), without],
    )


def _joined(kind: type[Layer], options: Sequence[str]) -> str:
    """A layer's text form from its options, of which a number that follows the keyword comes first."""
    follows = bool(options) and options[0][:1] in "0123456789."
    return kind.keyword + (":" if options and not follows else "") + ":".join(options)


def _respelt(text: str, near: Sequence[str]) -> Iterable[str]:
    """What an unknown layer may mean: without capitals, spaces and brackets, under our name or a similar one."""
    plain = re.sub(r"[^a-z0-9.:]|(?<=[a-z])[12]d", "", text.lower())
    rest = plain.lstrip(ascii_lowercase)
    name = plain.removesuffix(rest) if rest else plain
    names = [name, SYNONYMS.get(name, name), *near, *difflib.get_close_matches(name, LAYERS, n=1)]
    return [other + rest for other in dict.fromkeys(names) if other.partition(":")[0] in LAYERS]


def _legal(kind: type[Layer]) -> str:
    parts = []
    for setting in _text_fields(kind):
        if "words" in setting.metadata:
            parts += [f":{word}" for word in setting.metadata["words"]]
        elif setting.metadata["letter"]:
            parts.append(f":{setting.metadata['letter']}N")
        else:
            parts.append(f"`{_example(kind)}`")
    return ", ".join(parts) or f"`{kind.keyword}` takes no options"


def _example(kind: type[Layer]) -> str:
    return kind.keyword + (kind.example or "32")


def largest_that_fits(layer: Layer, fits: Callable[[Layer], bool]) -> Layer | None:
    """`layer` with the largest value of its shrinking field that `fits`, or None if not even 1 does."""
    head = next((setting.name for setting in fields(layer) if setting.metadata.get("shrinks")), None)
    if head is None:
        return None
    low, high = 0, getattr(layer, head)
    while high - low > 1:
        middle = floor((low + high) / 2)
        low, high = (middle, high) if fits(replace(layer, **{head: middle})) else (low, middle)
    return replace(layer, **{head: low}) if low else None
