"""The exponential moving average of a model's weights over the steps of training.

The weights of late steps scatter around a point that is better than almost any of them (Polyak & Juditsky 1992,
"Acceleration of stochastic approximation by averaging").
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

LAG = 10  # steps: at first the average has seen few steps, and forgets what it has seen faster


class Average:
    """The average of `model` after `steps` steps, as a `model` of its own, in evaluation mode.

    With every step the average keeps the share min(`decay`, (1 + step) / (10 + step)) of itself and takes the rest from
    the weights, as TensorFlow's `ExponentialMovingAverage` does. Running statistics of batch norm are averaged too.
    The step is counted on the device and nothing is read from there, so an update can be part of a CUDA graph.
    """

    def __init__(self, model: nn.Module, decay: float, steps: int = 0) -> None:
        self.model = deepcopy(model).requires_grad_(False).eval()
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._averages, self._weights = ([pair[place] for pair in averaged] for place in (0, 1))
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]  # of the batches of batch norm
        self._decay, self._steps = decay, torch.full((), float(steps), device=self._averages[0].device)

    @classmethod
    def of(
        cls, model: nn.Module, decay: float | None, steps: int, weights: Mapping[str, Tensor] | None
    ) -> Average | None:
        """The average as a run has it after `steps` steps, by then `weights`; None where nothing is averaged."""
        if decay is None:
            return None
        average = cls(model, decay, steps)
        if weights is not None:
            average.model.load_state_dict(weights)
        return average

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights of `model` after another step."""
        self._steps += 1
        taken = 1 - ((1 + self._steps) / (LAG + self._steps)).clamp(max=self._decay)
        differences = torch._foreach_sub(self._weights, self._averages)
        torch._foreach_mul_(differences, taken)
        torch._foreach_add_(self._averages, differences)
        for count, other in self._counts:
            count.copy_(other)
