"""Linear probes: they are the multinomial logistic regression that SciPy and statsmodels find."""

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from scipy import optimize, special
from torch import Tensor

from aecore.measuring import probes

DRAW = torch.Generator().manual_seed(0)
CENTRES = torch.randn(3, 5, generator=DRAW, dtype=torch.float64)


def drawn(count: int) -> tuple[Tensor, Tensor]:
    """Numbers `[N, 5]` around the centre of their class, in units of very different size, and the classes."""
    labels = torch.randint(3, (count,), generator=DRAW)
    numbers = CENTRES[labels] + torch.randn(count, 5, generator=DRAW, dtype=torch.float64)
    return numbers * torch.tensor([1, 100, 0.01, 1, 1]) + 3, labels


def expected(numbers: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """The regression by SciPy, with numerical gradients."""
    count, size = numbers.shape
    hot = np.eye(3)[labels]

    def loss(flat: np.ndarray) -> float:
        weights, bias = flat[:-3].reshape(size, 3), flat[-3:]
        logs = special.log_softmax(numbers @ weights + bias, axis=1)
        return float(-(logs * hot).sum() / count + strength / 2 * (weights**2).sum())

    solved = optimize.minimize(loss, np.zeros(3 * (size + 1)), method="BFGS", options={"gtol": 1e-7})
    return solved.x[:-3].reshape(size, 3), solved.x[-3:]


def start(size: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(3, size, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)


@pytest.mark.parametrize("strength", [1.0, 0.1, 0.01])
def test_the_weights_are_those_that_scipy_finds(strength: float) -> None:
    numbers, labels = drawn(200)
    numbers = (numbers - numbers.mean(0)) / numbers.std(0)
    weights, bias = probes.regression(numbers, labels, strength, start(5))
    theirs, their_bias = expected(numbers.numpy(), labels.numpy(), strength)
    np.testing.assert_allclose(weights.T, theirs, atol=2e-3)
    # Only differences between the biases count: SciPy's and ours may differ by the same number everywhere.
    np.testing.assert_allclose(bias - bias.mean(), their_bias - their_bias.mean(), atol=2e-3)


def test_without_a_penalty_it_is_the_logit_model_of_statsmodels() -> None:
    numbers, labels = drawn(400)
    numbers = (numbers - numbers.mean(0)) / numbers.std(0)
    weights, bias = probes.regression(numbers, labels, 0.0, start(5))
    fitted = sm.MNLogit(labels.numpy(), sm.add_constant(numbers.numpy())).fit(disp=False)
    ours = torch.softmax(numbers @ weights.T + bias, 1)
    np.testing.assert_allclose(ours, fitted.predict(), atol=2e-3)


def test_the_bias_is_free_so_that_each_class_is_expected_as_often_as_it_is_there() -> None:
    numbers, labels = drawn(300)
    numbers = (numbers - numbers.mean(0)) / numbers.std(0)
    weights, bias = probes.regression(numbers, labels, 5.0, start(5))
    shares = torch.softmax(numbers @ weights.T + bias, 1).mean(0)
    np.testing.assert_allclose(shares, np.bincount(labels) / len(labels), atol=1e-3)


def test_the_penalty_is_the_one_that_suits_the_held_out_codes_best() -> None:
    (codes, labels), (held_out, held_out_labels) = drawn(30), drawn(400)
    strengths = (1.0, 0.3, 0.1, 0.03, 0.01, 0.0001)
    probe = probes.fit(codes, labels, held_out, held_out_labels, strengths)
    mean, deviation = codes.numpy().mean(0), codes.numpy().std(0, ddof=1)
    losses = {}
    for strength in strengths:
        weights, bias = expected((codes.numpy() - mean) / deviation, labels.numpy(), strength)
        logs = special.log_softmax((held_out.numpy() - mean) / deviation @ weights + bias, axis=1)
        losses[strength] = -logs[np.arange(400), held_out_labels.numpy()].mean()
    assert probe.strength == min(losses, key=losses.__getitem__)
    assert probe.strength not in (strengths[0], strengths[-1]), "a penalty that is too weak and one that is too strong"


def test_codes_of_any_shape_are_read_and_numbers_that_never_change_do_no_harm() -> None:
    (codes, labels), (held_out, held_out_labels), (test, test_labels) = drawn(400), drawn(200), drawn(400)
    probe = probes.fit(codes, labels, held_out, held_out_labels)
    accuracy = probe.accuracy(test, test_labels)
    assert accuracy == np.mean(probe.logits(test).numpy().argmax(1) == test_labels.numpy())
    assert accuracy > 0.6  # of three classes

    def with_a_constant(numbers: Tensor) -> Tensor:
        return torch.cat([numbers, torch.full((len(numbers), 1), 0.5, dtype=numbers.dtype)], 1).reshape(-1, 2, 3)

    other = probes.fit(with_a_constant(codes), labels, with_a_constant(held_out), held_out_labels)
    torch.testing.assert_close(other.logits(with_a_constant(test)), probe.logits(test), atol=1e-2, rtol=1e-2)
