"""The torch modules of the layers, and the container that routes skip connections.

`module_of(layer, shape)` builds the module of a layer record. To support a new layer, register a function for its type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.models.bases import Penalised, Stochastic
from aecore.models.entropy_model import EntropyModel
from aecore.models.layers import (
    Activate,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Entropy,
    Flatten,
    GroupNorm,
    Join,
    Layer,
    MaxPool,
    Reshape,
    Shape,
    Skip,
    Sparsity,
    TransposedConv,
    Upsample,
)

BATCH_NORM_EPSILON = 1e-3  # Keras's defaults, which the study used; torch's momentum is one minus Keras's
BATCH_NORM_MOMENTUM = 0.01
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


class KeyedDropout(Stochastic):
    """`nn.Dropout` that draws from its own generator."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate

    def forward(self, values: Tensor) -> Tensor:
        """`values` of any shape, to the same shape."""
        if not self.training:
            return values
        mask = values.new_empty(values.shape).bernoulli_(1 - self._rate, generator=self.generator)
        return values * mask / (1 - self._rate)


class AutocastGroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that computes in the type of its input, with sums in float32 inside.

    Under autocast torch's own returns float32, and everything up to the next convolution takes twice the memory.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`[N, C, H, W]` to the same shape and type."""
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        with torch.autocast(input.device.type, enabled=False):
            return F.group_norm(input, self.num_groups, weight, bias, self.eps)


class MeanActivity(Penalised):
    """The identity; its penalty is the mean absolute value of its input."""

    def forward(self, values: Tensor) -> Tensor:
        """`values` of any shape, unchanged."""
        if self.training:
            self.penalty = values.float().abs().mean()
        return values


class Remember(nn.Identity):
    """Marks the input that `Sequence` saves for the matching `Rejoin`; pairs nest like brackets."""


class Rejoin(nn.Module):
    """Joins its input with the skipped tensor: their sum, or their concatenation along channels."""

    def __init__(self, *, concatenates: bool) -> None:
        super().__init__()
        self._concatenates = concatenates

    def forward(self, values: Tensor, skipped: Tensor) -> Tensor:
        """Two tensors `[N, …]` of the same shape, to that shape; concatenated, to `[N, C + C′, H, W]`."""
        return torch.cat([values, skipped], 1) if self._concatenates else values + skipped


class Sequence(nn.Sequential):
    """`nn.Sequential` with skip connections: a `Rejoin` also gets the input of the matching `Remember`."""

    def forward(self, values: Tensor) -> Tensor:
        """`[N, C, H, W]` through every module in turn."""
        skipped: list[Tensor] = []
        for module in self:
            values = module(values, skipped.pop()) if isinstance(module, Rejoin) else module(values)
            if isinstance(module, Remember):
                skipped.append(values)
        return values


def penalties(model: nn.Module) -> dict[str, Tensor]:
    """The penalties of the last forward pass in training mode, scalars by name; equal names are summed."""
    terms: dict[str, Tensor] = {}
    for module in model.modules():
        if isinstance(module, Penalised) and module.penalty is not None:
            terms[module.name] = terms[module.name] + module.penalty if module.name in terms else module.penalty
    return terms


def memory_format(convolves: bool) -> torch.memory_format:
    """The fastest memory layout: channels last for models that convolve."""
    return torch.channels_last if convolves else torch.contiguous_format


@singledispatch
def module_of(layer: Layer, shape: Shape) -> nn.Module:
    """The torch module of `layer` for an input of `shape`, with torch's own initial weights."""
    raise NotImplementedError(f"no module is registered for the layer `{layer.keyword}`")


def _activated(module: nn.Module, activation: str) -> nn.Module:
    return module if activation == "linear" else nn.Sequential(module, ACTIVATIONS[activation]())


@module_of.register
def _conv(layer: Conv, shape: Shape) -> nn.Module:
    channels, height, width = shape
    (top, bottom), (left, right) = layer.padding(height), layer.padding(width)
    if top == bottom and left == right:
        conv = nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride, padding=(top, left))
        return _activated(conv, layer.activation)
    conv = nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride)
    return _activated(nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv), layer.activation)


@module_of.register
def _transposed_conv(layer: TransposedConv, shape: Shape) -> nn.Module:
    conv = nn.ConvTranspose2d(shape[0], layer.channels, layer.kernel, layer.stride, layer.padding)
    if (layer.kernel - layer.stride) % 2:
        # The output has one row and column too many: `same` padding drops the last ones.
        return _activated(nn.Sequential(conv, nn.ZeroPad2d((0, -1, 0, -1))), layer.activation)
    return _activated(conv, layer.activation)


@module_of.register
def _dense(layer: Dense, shape: Shape) -> nn.Module:
    return _activated(nn.Linear(shape[0], layer.units), layer.activation)


@module_of.register
def _max_pool(layer: MaxPool, shape: Shape) -> nn.Module:
    return nn.MaxPool2d(layer.factor)


@module_of.register
def _average_pool(layer: AveragePool, shape: Shape) -> nn.Module:
    return nn.AvgPool2d(layer.factor)


@module_of.register
def _upsample(layer: Upsample, shape: Shape) -> nn.Module:
    return nn.Upsample(scale_factor=layer.factor, mode=layer.mode)


@module_of.register
def _batch_norm(layer: BatchNorm, shape: Shape) -> nn.Module:
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return kind(shape[0], eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM)


@module_of.register
def _group_norm(layer: GroupNorm, shape: Shape) -> nn.Module:
    return AutocastGroupNorm(layer.groups, shape[0])


@module_of.register
def _dropout(layer: Dropout, shape: Shape) -> nn.Module:
    return KeyedDropout(layer.rate)


@module_of.register
def _activate(layer: Activate, shape: Shape) -> nn.Module:
    return ACTIVATIONS[layer.function]()


@module_of.register
def _sparsity(layer: Sparsity, shape: Shape) -> nn.Module:
    return MeanActivity(layer.penalty)


@module_of.register
def _entropy(layer: Entropy, shape: Shape) -> nn.Module:
    return EntropyModel(layer.penalty, shape[0], layer.rates, layer.hidden, layer.kernel(shape))


@module_of.register
def _flatten(layer: Flatten, shape: Shape) -> nn.Module:
    return nn.Flatten()


@module_of.register
def _reshape(layer: Reshape, shape: Shape) -> nn.Module:
    flat = nn.Flatten() if len(shape) == 3 else nn.Identity()
    return nn.Sequential(flat, nn.Unflatten(1, layer.shape))


@module_of.register
def _skip(layer: Skip, shape: Shape) -> nn.Module:
    return Remember()


@module_of.register
def _join(layer: Join, shape: Shape) -> nn.Module:
    return Rejoin(concatenates=layer.closes_skip == "channels")
