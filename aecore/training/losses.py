"""The losses that a recipe can name.

To add a loss: write a function `(output, target, given) -> scalar` here, add it to `FUNCTIONS`, and add its title to
`LOSSES` in `aecore.models.recipe`. `given` is the model's input, which differs from the target under noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional as F

from aecore.models.recipe import Loss, Recipe

NO_ERROR = 1e-8  # the mean squared error of 80 dB; added to an error, so that its gradient is finite where it is zero
Function = Callable[[Tensor, Tensor, Tensor], Tensor]


def squared_error(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean squared error over every value."""
    return F.mse_loss(output, target)


def absolute_error(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean absolute error over every value."""
    return F.l1_loss(output, target)


def cross_entropy(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean binary cross-entropy over every value, with the values of both taken as probabilities."""
    return F.binary_cross_entropy(output, target)


def root_squared_error(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean over pictures of the root of the mean squared error.

    Every picture pulls its output with the same strength, however large its error is. So weak noise counts, and unlike
    with the PSNR its pull does not grow without end as errors shrink.
    """
    return ((output - target).square().mean((1, 2, 3)) + NO_ERROR).sqrt().mean()


def missing_decibels(output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """Mean over pictures of what its PSNR lacks to 80 dB.

    A picture counts by the ratio in which its error shrinks, so strong and weak noise count alike. And the gradient
    does not fade as errors shrink, which Adam would need thousands of steps to notice. To maximise PSNR is the loss of
    HINet (Chen et al. 2021) and NAFNet (Chen et al. 2022).
    """
    errors = (output - target).square().mean((1, 2, 3))
    return 10 * (1 + errors / NO_ERROR).log10().mean()


FUNCTIONS: dict[Loss, Function] = {
    "mse": squared_error,
    "bce": cross_entropy,
    "mae": absolute_error,
    "rmse": root_squared_error,
    "psnr": missing_decibels,
}


def loss_of(recipe: Recipe, output: Tensor, target: Tensor, given: Tensor) -> Tensor:
    """The recipe's loss in float32 between `output` `[N, C, H, W]` and the clean `target`, for the input `given`."""
    return FUNCTIONS[recipe.loss](output.float(), target, given)


def objective(recipe: Recipe, loss: Tensor, terms: Mapping[str, Tensor]) -> Tensor:
    """The quantity that a step minimises: the loss plus the penalties in `terms`, weighted by the recipe."""
    for name, weight in recipe.penalty_weights.items():
        loss = loss + weight * terms[name]
    return loss
