"""The untrained model: its modules and its initial weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from aecore.data.noise import key
from aecore.data.splits import to_float
from aecore.models.architecture import Architecture
from aecore.models.layers import Dense
from aecore.models.modules import memory_format
from aecore.models.recipe import Initialisation, Recipe
from aecore.models.steps import Step
from aecore.reconstructors.pca import PCA, fit_pca

_BATCH = 2500  # pictures at a time


def initialise(model: nn.Module, initialisation: Initialisation, generator: Generator) -> None:
    """Draw the initial weights from `generator`.

    `keras` and `pca`: Glorot uniform (Glorot & Bengio 2010), zero biases. `torch`: uniform in ±1/√fan_in, biases too,
    like the defaults of `nn.Conv2d` and `nn.Linear`.
    """
    for module in model.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        if initialisation != "torch":
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        else:
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            bound = module.weight[0].numel() ** -0.5
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def _start_as_pca(architecture: Architecture, model: nn.Sequential, pixels: Tensor) -> None:
    """Set the pairs of linear layers around the code to the projection on the principal components and back.

    Those of dense layers are the components of pictures, or of the maps that the convolution before gives, and those of
    convolutions the components of patches of either. Every linear layer that is followed by `add` is set to
    zero, so that the blocks around the pairs start as the identity (Goyal et al. 2017, "Accurate, large minibatch SGD",
    section 5.1).
    """
    for step, following in pairwise(architecture.steps):
        if following.layer.closes_skip == "sum" and getattr(step.layer, "activation", "") == "linear":
            for parameter in model[step.position - 1].parameters():
                nn.init.zeros_(parameter)
    maps, pairs = pixels, architecture.patch_pairs
    for first, last in pairs:
        if isinstance(first.layer, Dense):
            _set_dense(model, (first, last), fit_pca(maps))
            continue
        channels, size = first.input_shape[0], first.input_shape[1] // first.output_shape[1]
        axes, mean = _components_of_patches(maps, first.output_shape[0], size)
        weight = axes.reshape(-1, channels, size, size)
        _set(model[first.position - 1], weight, -axes @ mean.repeat_interleave(size**2))
        _set(model[last.position - 1], weight, mean)
        if (first, last) != pairs[-1]:
            maps = _outputs(model[first.position - 1], maps)
    if pairs:
        return
    pca = fit_pca(pixels)
    for pair in architecture.linear_pairs:
        _set_dense(model, pair, pca)


def _set_dense(model: nn.Sequential, pair: tuple[Step, Step], pca: PCA) -> None:
    first, last = pair
    axes = pca.axes[: first.output_shape[0]]
    _set(model[first.position - 1], axes, -axes @ pca.mean)
    _set(model[last.position - 1], axes.T, pca.mean)


def _components_of_patches(maps: Tensor, number: int, size: int) -> tuple[Tensor, Tensor]:
    """The first principal axes of all patches of `size` × `size` positions, `[number, C × size × size]`, and the mean
    of each channel, `[C]`: a transposed convolution has one bias per channel, so all positions of a patch share it.
    """
    patches = maps.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    pca = fit_pca(patches)
    return pca.axes[:number], pca.mean.reshape(maps.shape[1], -1).mean(1)


def _outputs(layer: nn.Module, maps: Tensor) -> Tensor:
    """What a layer makes of uint8 pixels or float maps."""
    with torch.inference_mode():
        return torch.cat(
            [layer(to_float(one) if one.dtype == torch.uint8 else one) for one in torch.split(maps, _BATCH)]
        )


def _set(module: nn.Module, weight: Tensor, bias: Tensor) -> None:
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        parameters["weight"].copy_(weight)
        parameters["bias"].copy_(bias)


def build(
    architecture: Architecture, recipe: Recipe, seed: int, device: torch.device, pixels: Tensor | None = None
) -> nn.Sequential:
    """The untrained model. Its weights are drawn on the CPU, so that all devices start from the same ones.

    With the initialisation `pca` and uint8 training `pixels` `[N, C, H, W]` it starts as their PCA.
    """
    model = architecture.module()
    initialise(model, recipe.initialisation, Generator().manual_seed(key(seed, "weights")))
    if recipe.initialisation == "pca" and pixels is not None:
        _start_as_pca(architecture, model, pixels)
    return model.to(device=device, memory_format=memory_format(architecture.convolves))  # type: ignore[call-overload,no-any-return]
