"""The losses that a recipe can name.

To add a loss: write a function `(output, target, given) -> scalar` here and name it in `FUNCTIONS`, and in `LOSSES` of
`aecore.models.recipe` in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional as F

from aecore.models.recipe import Loss, Recipe

Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def squared_error(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean squared error over every value."""
    return F.mse_loss(output, target)


def absolute_error(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean absolute error over every value."""
    return F.l1_loss(output, target)


def cross_entropy(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Binary cross-entropy, each value of both being a probability; its mean over every value."""
    return F.binary_cross_entropy(output, target)


FUNCTIONS: dict[Loss, Function] = {"mse": squared_error, "bce": cross_entropy, "mae": absolute_error}


def loss_of(recipe: Recipe, output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """The recipe's loss in float32, of `output` `[N, C, H, W]` against the clean `target`, for the input `given`."""
    return FUNCTIONS[recipe.loss](output.float(), target, given)


def objective(recipe: Recipe, loss: Tensor, terms: Mapping[str, Tensor]) -> Tensor:
    """What a step makes smaller: the loss, and each penalty of `terms` by the weight that the recipe gives it."""
    for name, weight in recipe.penalty_weights.items():
        loss = loss + weight * terms[name]
    return loss
