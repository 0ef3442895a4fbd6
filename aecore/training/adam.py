"""Adam by torch's fused kernel, without what `torch.optim` brings with it.

The kernel and the order of its work are those of `torch.optim.Adam(fused=True)`, bit for bit; but that class imports
torch's compiler when it is made, which takes almost two seconds of every start of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-7  # Keras's
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what a state keeps of each parameter, by torch's names


class Adam:
    """Adam (Kingma & Ba 2015) on `parameters`, which must be float32 on one device."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self._parameters = list(parameters)
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]
        # In the parameters' own layout: the kernel walks weights and moments side by side in memory.
        self._means, self._squares = ([torch.zeros_like(each) for each in self._parameters] for _ in range(2))

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        learning = [index for index, each in enumerate(self._parameters) if each.grad is not None]
        parameters, steps, means, squares = (
            [values[index] for index in learning]
            for values in (self._parameters, self._steps, self._means, self._squares)
        )
        gradients = [each.grad for each in parameters if each.grad is not None]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            lr=self.learning_rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """A copy of the moments on the CPU, by the parameter's number and the moment's name: `3.exp_avg`."""
        return {
            f"{index}.{name}": tensor.cpu().clone(memory_format=torch.contiguous_format)
            for index, values in enumerate(zip(self._steps, self._means, self._squares, strict=True))
            for name, tensor in zip(MOMENTS, values, strict=True)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up the moments of `state`, as `state` gave them; `KeyError` where one is missing."""
        for name, moments in zip(MOMENTS, (self._steps, self._means, self._squares), strict=True):
            for index, tensor in enumerate(moments):
                tensor.copy_(state[f"{index}.{name}"])
