"""Losses: a step makes the loss smaller, and each penalty by its weight."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error
from torch import nn
from torch.nn import functional as F

from aecore.data.noise import key
from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring.scoring import per_picture
from aecore.models.architecture import Architecture
from aecore.models.recipe import Loss, Recipe, RunSpec
from aecore.training.events import Epoch, EpochEnded
from aecore.training.initialisation import build
from aecore.training.loop import train
from aecore.training.losses import FUNCTIONS, loss_of
from tests.aecore.recordable import waiting
from tests.aecore.rounding import in_decibels

LINE = "3x8x8 | conv4:s2 | sparsity | up | conv3:k1:sigmoid"
PIXELS = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def spec_of(line: str = LINE, **recipe: object) -> RunSpec:
    settings = {"epochs": 2, "batch_size": 10} | recipe
    return RunSpec(Architecture.parse(line), Recipe(**settings), "little", "0" * 64)  # type: ignore[arg-type]


def rows(spec: RunSpec) -> list[Epoch]:
    labels = torch.zeros(len(PIXELS), dtype=torch.int64)
    everything, few = Split(PIXELS, labels), Split(PIXELS[:4], labels[:4])
    dataset = Dataset("little", "Little", ("one",), (3, 8, 8), lambda: (everything, few), lambda: (few,))
    return [event.row for event in train(spec, dataset) if isinstance(event, EpochEnded)]


def by_hand(weight: float) -> tuple[list[float], list[float]]:
    """The same network trained by plain PyTorch on loss + weight × mean |code|: loss and penalty of each epoch."""
    spec = spec_of()
    built = build(spec.architecture, spec.recipe, spec.seed, torch.device("cpu"))
    encoder, decoder = nn.Sequential(*built[:1]), nn.Sequential(*built[2:])
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=1e-3, eps=1e-7)
    losses, terms = [], []
    for epoch in (1, 2):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(key(0, epoch, "order")))
        loss_sum = term_sum = 0.0
        for first, last in pairwise(range(0, 41, 10)):
            clean = to_float(PIXELS[order[first:last]])
            code = encoder(clean)
            loss, term = F.mse_loss(decoder(code), clean), code.abs().mean()
            optimiser.zero_grad()
            (loss + weight * term).backward()
            optimiser.step()
            loss_sum, term_sum = loss_sum + loss.item() / 4, term_sum + term.item() / 4
        losses.append(loss_sum)
        terms.append(term_sum)
    return losses, terms


def test_the_loss_of_psnr_is_what_the_mean_of_the_scores_lacks_to_80_db() -> None:
    draw = torch.Generator().manual_seed(0)
    target = torch.rand(5, 3, 32, 32, generator=draw)
    noise = torch.randn(target.shape, generator=draw) * torch.tensor([0.01, 0.03, 0.1, 0.2, 0.3])[:, None, None, None]
    output = (target + noise).clamp(0, 1)
    loss = float(loss_of(Recipe(loss="psnr"), output, target, target))
    # The smallest error is about 1e-4, to which 1e-8 is added.
    assert 80 - loss == pytest.approx(per_picture(output, target)["psnr"].mean(), abs=in_decibels(1e-4))


@pytest.mark.parametrize(("name", "least"), [("psnr", 0.0), ("rmse", 1e-4)])
def test_a_picture_without_error_has_the_least_loss_and_a_finite_gradient(name: Loss, least: float) -> None:
    target = torch.full((2, 3, 4, 4), 0.5)
    output = target.clone().requires_grad_()
    loss = loss_of(Recipe(loss=name), output, target, target)
    assert float(loss.detach()) == pytest.approx(least)
    loss.backward()
    assert output.grad.isfinite().all()


def test_under_rmse_every_picture_pulls_with_the_same_strength() -> None:
    draw = torch.Generator().manual_seed(0)
    target = torch.rand(4, 3, 32, 32, generator=draw)
    noise = torch.randn(target.shape, generator=draw) * torch.tensor([0.03, 0.1, 0.3, 1.0])[:, None, None, None]
    output = (target + noise).requires_grad_()
    loss = loss_of(Recipe(loss="rmse"), output, target, target)
    expected = (
        sum(np.sqrt(mean_squared_error(*pair)) for pair in zip(output.detach().numpy(), target.numpy(), strict=True))
        / 4
    )
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    loss.backward()
    strengths = output.grad.square().sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(strengths, torch.full((4,), float(strengths.mean())), rtol=1e-4, atol=0)


def test_half_an_error_is_6_db_less_whether_it_was_large_or_small() -> None:
    target, errors = torch.zeros(2, 3, 4, 4), torch.tensor([0.01, 0.5])

    def loss(factors: list[float]) -> float:
        output = (errors * torch.tensor(factors))[:, None, None, None].expand(2, 3, 4, 4)
        return float(loss_of(Recipe(loss="psnr"), output, target, target))

    gain = 20 * math.log10(2) / 2  # in one of the two pictures
    for factors in ([0.5, 1.0], [1.0, 0.5]):
        assert loss([1.0, 1.0]) - loss(factors) == pytest.approx(gain, rel=1e-3)


@pytest.mark.parametrize("loss", FUNCTIONS)
def test_a_loss_can_be_recorded_as_a_graph(loss: str) -> None:
    pictures, given = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    assert waiting(lambda: FUNCTIONS[loss](pictures, pictures, given)) == set()


# Two epochs of four steps: float32 rounding of a loss near 0.1, grown by Adam's early steps of almost fixed length.
TOLERANCE = 1e-4


@pytest.mark.parametrize("weight", [0.0, 0.05, 5.0])
def test_training_makes_the_loss_and_the_weighed_penalty_smaller(weight: float) -> None:
    losses, terms = by_hand(weight)
    curve = rows(spec_of(penalties={"sparsity": weight}))
    assert [row.train_loss for row in curve] == pytest.approx(losses, rel=TOLERANCE)
    assert [row.terms["sparsity"] for row in curve] == pytest.approx(terms, rel=TOLERANCE)


def test_a_heavier_penalty_leaves_less_activity() -> None:
    activity = [rows(spec_of(epochs=6, penalties={"sparsity": weight}))[-1].terms["sparsity"] for weight in (0, 1, 10)]
    assert activity[0] > activity[1] > activity[2]


def test_without_a_layer_that_reports_one_the_curve_has_no_term() -> None:
    (row, _) = rows(spec_of("3x8x8 | conv4:s2 | up | conv3:k1:sigmoid"))
    assert row.terms == {}
    assert set(row.columns()) == {
        *("epoch", "train_loss", "validation_loss", "validation_mse", "images_per_second", "seconds"),
    }
    assert set(rows(spec_of())[0].columns()) - set(row.columns()) == {"sparsity"}
