"""Adam on torch's fused kernel, without importing `torch.optim`.

On a CPU the results equal those of `torch.optim.Adam(fused=True)` bit for bit. That class imports torch's compiler when
it is created, which would add almost two seconds to the start of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-7  # Keras's
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # the state of a parameter, by torch's names


class Adam:
    """Adam (Kingma & Ba 2015) on `parameters`, which must be float32 on one device."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self._parameters = list(parameters)
        device = self._parameters[0].device
        # On a GPU it is read there: a step that is replayed from a recording sees a rate that was set since.
        self._rate = torch.full((), learning_rate, device=device) if device.type == "cuda" else None
        self._learning_rate = learning_rate
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self._parameters]
        # In the memory layout of the parameters: the kernel reads weights and moments in parallel.
        self._means, self._squares = ([torch.zeros_like(weights) for weights in self._parameters] for _ in range(2))

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if self._rate is not None and value != self.learning_rate:
            self._rate.fill_(value)
        self._learning_rate = value

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        updated = [index for index, parameter in enumerate(self._parameters) if parameter.grad is not None]
        parameters, steps, means, squares = (
            [values[index] for index in updated]
            for values in (self._parameters, self._steps, self._means, self._squares)
        )
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            lr=self.learning_rate if self._rate is None else self._rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """A copy of the moments on the CPU, keyed by parameter index and moment: `3.exp_avg`."""
        return {
            f"{index}.{name}": tensor.cpu().clone(memory_format=torch.contiguous_format)
            for index, values in enumerate(zip(self._steps, self._means, self._squares, strict=True))
            for name, tensor in zip(MOMENTS, values, strict=True)
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the moments that `state()` returned; raises `KeyError` if one is missing."""
        for name, moments in zip(MOMENTS, (self._steps, self._means, self._squares), strict=True):
            for index, tensor in enumerate(moments):
                tensor.copy_(state[f"{index}.{name}"])
