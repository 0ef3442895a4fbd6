"""What is legal and yet seldom meant: advice on an architecture.

To add a kind: write a function that yields a `Hint` for whatever it finds, and add it to `KINDS` with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import erf, exp, inf, prod, sqrt, tanh

from aecore.models.architecture import Architecture
from aecore.models.inspection import Inspector
from aecore.models.layers import (
    Activate,
    Conv,
    Dense,
    GroupNorm,
    Layer,
    Pool,
    TransposedConv,
    Upsample,
    shape_text,
)
from aecore.models.reading import Line
from aecore.models.repairs import MOST_INSPECTED, Repair
from aecore.models.rules import Limits
from aecore.models.steps import Step

Weighted = Conv | TransposedConv | Dense
Range = tuple[float, float]  # lowest and highest value


@dataclass(frozen=True)
class Edit:
    """A layer to put in the place of a step's, or None to remove it."""

    step: Step
    layer: Layer | None

    @property
    def label(self) -> str:
        """The edit in short."""
        verb = f"Use `{self.layer}` for" if self.layer else "Remove"
        return f"{verb} layer {self.step.position}"

    def apply(self, architecture: Architecture) -> Line:
        """The line of the architecture with the edit."""
        line = Line.of(str(architecture))
        return line.edited(self.step.position, *([str(self.layer)] if self.layer else []))


@dataclass(frozen=True)
class Hint:
    """What a kind of advice sees: in one sentence, at a layer or (None) in the whole, and edits that may help."""

    position: int | None
    sentence: str
    edits: Sequence[Edit] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of advice: the function that looks for it, why it matters, and where that was published."""

    find: Callable[[Architecture], Iterator[Hint]]
    reason: str
    source: str = ""


@dataclass(frozen=True)
class Advice:
    """Something legal that is seldom meant. Each of the repairs is a legal line with less of its kind."""

    kind: str
    position: int | None
    sentence: str
    reason: str
    source: str
    repairs: tuple[Repair, ...] = ()


def advice_on(architecture: Architecture, limits: Limits) -> tuple[Advice, ...]:
    """All advice on an architecture, in the order of its layers; what is said of the whole comes first."""
    given, inspector = list[Advice](), Inspector(limits)
    for name, kind in KINDS.items():
        hints = list(kind.find(architecture))
        for hint in hints:
            repairs = _repairs(hint, architecture, kind, len(hints), inspector)
            given.append(Advice(name, hint.position, hint.sentence, kind.reason, kind.source, repairs))
    return tuple(sorted(given, key=lambda advice: advice.position or 0))


def _repairs(
    hint: Hint, architecture: Architecture, kind: Kind, hints: int, inspector: Inspector
) -> tuple[Repair, ...]:
    """The first edit after which the line is legal and there are fewer `hints` of this kind."""
    for edit in hint.edits:
        if inspector.inspected > MOST_INSPECTED:
            break
        line = edit.apply(architecture)
        if inspector.inspect(line, explained=False).errors:
            continue
        if len(list(kind.find(Architecture.parse(str(line))))) < hints:
            return (Repair(edit.label, str(line)),)
    return ()


# ---- the code


def _large_code(architecture: Architecture) -> Iterator[Hint]:
    code, ratio, numbers = architecture.code, architecture.code_ratio, prod(architecture.input_shape)
    if code is not None and ratio is not None and ratio >= 1 and not architecture.entropy_model:
        times = "as many as the picture" if ratio == 1 else f"{ratio:.3g} times the {numbers:,} of the picture"
        yield Hint(
            code.position,
            f"The code has {prod(code.output_shape):,} numbers, {times}: the network need not compress.",
            list(_narrower(architecture, code)),
        )


def _narrower(architecture: Architecture, code: Step) -> Iterator[Edit]:
    """For the layer that decides the channels of the code, the largest power of two with which it is small enough."""
    for step in reversed(architecture.steps[: code.position]):
        layer, wide = step.layer, step.output_shape[0]
        if isinstance(layer, Weighted):
            most = (prod(architecture.input_shape) * wide - 1) // prod(code.output_shape)
            power = 1 << (most.bit_length() - 1) if most else 0
            if 0 < power < wide:
                narrow = replace(layer, units=power) if isinstance(layer, Dense) else replace(layer, channels=power)
                yield Edit(step, narrow)
            return


def _no_code(architecture: Architecture) -> Iterator[Hint]:
    if architecture.code is None:
        yield Hint(None, "There is no code: a skip connection bypasses every layer.")


# ---- values


def _linear_pair(architecture: Architecture) -> Iterator[Hint]:
    steps = [step for step in architecture.steps if not step.layer.keeps_values]
    for first, second in pairwise(steps):
        layer = first.layer
        if not (isinstance(layer, Weighted) and isinstance(second.layer, Weighted) and layer.activation == "linear"):
            continue
        # Through fewer numbers than before and after, the pair is a bottleneck: it can be a PCA.
        if prod(first.output_shape) >= min(prod(first.input_shape), prod(second.output_shape)):
            yield Hint(
                second.position,
                f"No activation lies between layers {first.position} and {second.position}: together they compute no "
                "more than one linear map.",
                [Edit(first, replace(layer, activation="relu"))],
            )


def _output_range(architecture: Architecture) -> Iterator[Hint]:
    low, high = _range(architecture.steps)
    missing = [*(["0 (black)"] if not low <= 0 <= high else []), *(["1 (white)"] if not low <= 1 <= high else [])]
    if missing:
        steps = architecture.steps[::-1]
        linear = [
            Edit(step, replace(step.layer, activation="linear"))
            for step in steps
            if isinstance(step.layer, Weighted) and step.layer.activation != "linear"
        ]
        yield Hint(
            steps[0].position,
            f"The output lies between {low:.3g} and {high:.3g}: it cannot reach {' or '.join(missing)}.",
            [*linear[:2], *(Edit(step, None) for step in steps if isinstance(step.layer, Activate))],
        )


def _range(steps: Sequence[Step]) -> Range:
    """The bounds of what the last step can come close to, whatever the weights are."""
    values, skipped = (0.0, 1.0), list[Range]()
    for step in steps:
        layer = step.layer
        if layer.opens_skip:
            skipped.append(values)
        elif layer.closes_skip:
            values = _joined(values, skipped.pop(), sums=layer.closes_skip == "sum")
        elif isinstance(layer, Activate):
            values = _activated(layer.function, values)
        elif not _keeps_range(layer):
            values = _activated(layer.last_activation, (-inf, inf))
    return values


def _keeps_range(layer: Layer) -> bool:
    """Whether no value leaves the range of those that come in; layers that normalise have weights of their own."""
    normalises = layer.normalises_batch or isinstance(layer, GroupNorm)
    return isinstance(layer, Pool | Upsample) or (layer.keeps_numbers and not normalises)


def _joined(values: Range, skipped: Range, *, sums: bool) -> Range:
    if sums:
        return values[0] + skipped[0], values[1] + skipped[1]
    return min(values[0], skipped[0]), max(values[1], skipped[1])


def _activated(function: str, values: Range) -> Range:
    """The range of an activation over a range of inputs."""
    low, high = (_of(function, value) for value in values)
    if function in LOWEST:
        place, lowest = LOWEST[function]
        return (lowest if values[0] <= place <= values[1] else min(low, high)), max(low, high)
    return low, high


# The two activations that are not monotonic: where they are lowest, and how low.
LOWEST = {"gelu": (-0.75179, -0.169971), "silu": (-1.27846, -0.278465)}


def _of(function: str, value: float) -> float:
    match function:
        case "relu":
            return max(value, 0.0)
        case "leaky_relu":
            return max(value, value / 100)
        case "tanh":
            return tanh(value)
        case "sigmoid":
            return _sigmoid(value)
        case "gelu" | "silu":
            gate = _sigmoid(value) if function == "silu" else (1 + erf(value / sqrt(2))) / 2
            return value * gate if gate else 0.0
    return value


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value > -700 else 0.0


# ---- maps


def _checkerboard(architecture: Architecture) -> Iterator[Hint]:
    for step in architecture.steps:
        layer = step.layer
        if isinstance(layer, TransposedConv) and layer.kernel % layer.stride:
            even = (layer.kernel // layer.stride + 1) * layer.stride
            yield Hint(
                step.position,
                f"A kernel of {layer.kernel} at stride {layer.stride} adds to some pixels more often than to their "
                "neighbours: a checkerboard may show.",
                [Edit(step, replace(layer, kernel=even))] if even <= LARGEST_KERNEL else [],
            )


def _unseen_pixels(architecture: Architecture) -> Iterator[Hint]:
    for step in architecture.steps:
        layer = step.layer
        if isinstance(layer, Conv) and layer.kernel < layer.stride and max(step.input_shape[1:]) > 1:
            yield Hint(
                step.position,
                f"A kernel of {layer.kernel} at stride {layer.stride} passes over pixels: "
                f"{layer.kernel**2} of every {layer.stride**2} are looked at.",
                [Edit(step, replace(layer, kernel=max(layer.stride, 3)))],
            )


def _dropped_pixels(architecture: Architecture) -> Iterator[Hint]:
    for step in architecture.steps:
        layer = step.layer
        if isinstance(layer, Pool) and any(extent % layer.factor for extent in step.input_shape[1:]):
            size = f"{layer.factor}×{layer.factor}"
            yield Hint(
                step.position,
                f"{shape_text(step.input_shape[1:])} pixels cannot be divided into windows of {size}: the last rows "
                "or columns are left out.",
            )


def _one_pixel(architecture: Architecture) -> Iterator[Hint]:
    for step in architecture.steps:
        before, after = step.input_shape, step.output_shape
        if len(before) == len(after) == 3 and after[1:] == (1, 1) != before[1:]:
            yield Hint(
                step.position,
                f"The map has shrunk to a single pixel ({shape_text(after)}): only channels can still hold where "
                "anything was.",
            )


def _idle_weights(architecture: Architecture) -> Iterator[Hint]:
    for step in architecture.steps:
        layer, extent = step.layer, step.input_shape[1:]
        if isinstance(layer, Conv) and layer.kernel > min(extent):
            used, weights = prod(_meeting(layer, side) for side in extent), layer.kernel**2
            if used < weights:
                fitting = max(2 * min(extent) - 1, 1)
                yield Hint(
                    step.position,
                    f"On a map of {shape_text(extent)}, {used} of the {weights} weights of a {layer.kernel}×"
                    f"{layer.kernel} kernel ever meet a pixel; the others meet only the zeros around it.",
                    [Edit(step, replace(layer, kernel=fitting))] if fitting < layer.kernel else [],
                )


def _meeting(layer: Conv, extent: int) -> int:
    """How many weights of a kernel, along one axis, are ever over one of the `extent` pixels."""
    before, outputs = layer.padding(extent)[0], range(-(-extent // layer.stride))
    return sum(
        any(0 <= output * layer.stride - before + weight < extent for output in outputs)
        for weight in range(layer.kernel)
    )


LARGEST_KERNEL = 64

KINDS: dict[str, Kind] = {
    "large-code": Kind(
        _large_code,
        "A code with room for the whole picture can be a copy of it, so a small error does not show that anything was "
        "learnt.",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 14.2",
    ),
    "no-code": Kind(
        _no_code,
        "The picture itself reaches the output: that suits a denoiser, but nothing is compressed.",
        "Ronneberger, Fischer & Brox 2015, U-Net; He, Zhang, Ren & Sun 2016, Deep residual learning",
    ),
    "linear-pair": Kind(
        _linear_pair,
        "A linear map of a linear map is linear: the second layer adds weights and no function.",
        "Goodfellow, Bengio & Courville 2016, Deep Learning, section 6.1",
    ),
    "output-range": Kind(_output_range, "Pictures have values from 0 to 1, and an error at the ends is left for good."),
    "checkerboard": Kind(
        _checkerboard,
        "The overlap is even only if the kernel is a multiple of the stride.",
        "Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts, Distill",
    ),
    "unseen-pixels": Kind(_unseen_pixels, "What no kernel covers is lost for every layer after it."),
    "dropped-pixels": Kind(_dropped_pixels, "What is pooled away at the border is lost for every layer after it."),
    "one-pixel": Kind(_one_pixel, "The decoder must make all positions again from the channels of one pixel."),
    "idle-weights": Kind(_idle_weights, "Weights that only meet padding are never trained, but counted and computed."),
}
