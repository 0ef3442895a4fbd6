"""A linear probe: how well a linear classifier reads the class from a code.

Multinomial logistic regression, as in Alain & Bengio 2016, "Understanding intermediate layers using linear classifier
probes". Only what is linear in the code counts: a class that is there but folded up is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)  # of the L2 penalty, strongest first
STEPS = 60  # of L-BFGS for one strength, which starts from the solution for the one before


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier of codes: `weights` `[classes, D]` and `bias` `[classes]` on the standardised numbers.

    A number of the code is standardised by its `mean` and `deviation` over the training pictures, both `[D]`.
    `strength` is that of the penalty that it was fitted with.
    """

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    bias: Tensor
    strength: float

    def logits(self, codes: Tensor) -> Tensor:
        """`[N, classes]` for codes `[N, …]`."""
        return (codes.flatten(1) - self.mean) / self.deviation @ self.weights.T + self.bias

    def accuracy(self, codes: Tensor, labels: Tensor) -> float:
        """The share of `codes` `[N, …]` from which the right one of `labels` `[N]` is read."""
        return float((self.logits(codes).argmax(1) == labels).double().mean())


def fit(
    codes: Tensor, labels: Tensor, held_out: Tensor, held_out_labels: Tensor, strengths: Sequence[float] = STRENGTHS
) -> Probe:
    """The probe of training `codes` `[N, …]` with the penalty that suits the held-out codes best.

    The penalties are tried from the strongest of `strengths` on, until the cross-entropy of the held-out codes rises.
    """
    numbers = codes.flatten(1)
    mean, deviation = numbers.mean(0), numbers.std(0)
    deviation = torch.where(deviation > 0, deviation, 1)  # a number that never changes says nothing
    standardised = (numbers - mean) / deviation
    classes = int(labels.max()) + 1
    weights, bias = numbers.new_zeros(classes, numbers.shape[1]), numbers.new_zeros(classes)
    best: tuple[float, Probe] | None = None
    for strength in strengths:
        weights, bias = regression(standardised, labels, strength, (weights, bias))
        probe = Probe(mean, deviation, weights, bias, strength)
        loss = float(F.cross_entropy(probe.logits(held_out), held_out_labels))
        if best and loss >= best[0]:
            break
        best = loss, probe
    assert best is not None  # there is at least one strength
    return best[1]


def regression(numbers: Tensor, labels: Tensor, strength: float, start: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Weights `[classes, D]` and bias `[classes]` of the multinomial logistic regression of `labels` on `numbers`
    `[N, D]`.

    They minimise the mean cross-entropy plus `strength` / 2 times the sum of the squared weights, by L-BFGS from
    `start`. The bias is not penalised.
    """
    weights, bias = (tensor.clone().requires_grad_() for tensor in start)
    columns = numbers.T.contiguous()  # six times faster: each product then reads the numbers in the order of memory
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=STEPS, tolerance_grad=1e-5, tolerance_change=1e-8, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        loss = F.cross_entropy((weights @ columns).T + bias, labels) + strength / 2 * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimiser.step(objective)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()
