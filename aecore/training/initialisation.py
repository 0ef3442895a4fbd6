"""The untrained model: its modules and its initial weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from aecore.data.noise import key
from aecore.models.architecture import Architecture
from aecore.models.modules import memory_format
from aecore.models.recipe import Initialisation, Recipe
from aecore.reconstructors.pca import fit_pca


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
    """Set each pair of linear dense layers around the code to the projection on the principal components.

    Every linear layer that is followed by `add` is set to zero, so that the blocks around the pair start as the
    identity (Goyal et al. 2017, "Accurate, large minibatch SGD", section 5.1).
    """
    for step, following in pairwise(architecture.steps):
        if following.layer.closes_skip == "sum" and getattr(step.layer, "activation", "") == "linear":
            for parameter in model[step.position - 1].parameters():
                nn.init.zeros_(parameter)
    pca = fit_pca(pixels)
    for first, second in architecture.linear_pairs:
        encoder, decoder = (dict(model[step.position - 1].named_parameters()) for step in (first, second))
        axes = pca.axes[: first.output_shape[0]]
        with torch.no_grad():
            encoder["weight"].copy_(axes)
            encoder["bias"].copy_(-axes @ pca.mean)
            decoder["weight"].copy_(axes.T)
            decoder["bias"].copy_(pca.mean)


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
