"""What zeroing a unit costs: in closed form for a linear decoder, and against the scores of real models."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring import zeroing
from aecore.measuring.intervals import margin
from aecore.runs.store import Store


class Linear:
    """A decoder to pictures of 1×2×2 numbers: the mean 0.5 and a multiple of an orthonormal axis for each unit."""

    name = "linear"
    axes = torch.tensor([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1]]) / 2

    def encode(self, pictures: Tensor) -> Tensor:
        return (pictures.flatten(1) - 0.5) @ self.axes.T

    def decode(self, codes: Tensor) -> Tensor:
        return (0.5 + codes @ self.axes).reshape(-1, 1, 2, 2)


def pictures(count: int = 40) -> Tensor:
    """Pictures between 0.3 and 0.7, so that nothing is clamped."""
    return 0.3 + 0.4 * torch.rand(count, 1, 2, 2, generator=torch.Generator().manual_seed(3))


def test_for_a_linear_model_the_error_rises_by_the_square_of_the_number() -> None:
    """The axes are orthonormal, and what is lost already is at right angles to them (Pythagoras)."""
    model, clean = Linear(), pictures()
    codes = model.encode(clean)
    residual = (clean - model.decode(codes)).square().flatten(1).mean(1).double()
    for cost in zeroing.costs(model, codes, clean, [0, 1, 2]):
        zeroed = residual + codes[:, cost.unit].double().square() / 4
        falls = 10 * (zeroed / residual).log10()
        assert cost.mean == pytest.approx(float(falls.mean()), rel=1e-3)
        assert cost.margin == pytest.approx(margin(falls.tolist()), rel=1e-3)
        assert cost.pooled == pytest.approx(10 * math.log10(zeroed.mean() / residual.mean()), rel=1e-3)
        assert cost.pictures == 40


def test_a_unit_that_is_zero_costs_nothing() -> None:
    model, clean = Linear(), pictures()
    codes = model.encode(clean)
    codes[:, 1] = 0
    (cost,) = zeroing.costs(model, codes, clean, [1])
    assert (cost.mean, cost.margin, cost.pooled) == (0, 0, 0)


def test_pictures_without_error_that_stay_so_cost_nothing() -> None:
    model = Linear()
    codes = torch.tensor([[0.1, 0.2, 0.0], [0.0, 0.1, 0.0], [0.1, 0.0, 0.1]])
    clean = model.decode(codes)
    (cost,) = zeroing.costs(model, codes[:2], clean[:2], [2])
    assert (cost.mean, cost.pooled) == (0, 0)
    (other,) = zeroing.costs(model, codes, clean, [2])
    assert other.mean == math.inf, "the third picture loses its only perfect reconstruction"
    assert other.margin is None


def test_the_codes_that_are_given_stay_as_they_are() -> None:
    model, clean = Linear(), pictures()
    codes = model.encode(clean)
    before = codes.clone()
    zeroing.costs(model, codes, clean, [0, 1, 2])
    assert torch.equal(codes, before)


@pytest.mark.parametrize("name", ["shallow-strided", "compress-64"])
def test_nothing_zeroed_gives_the_stored_scores(name: str) -> None:
    run = Store().find(name)
    model, clean = run.model(), to_float(datasets.load("cifar10-excerpt").test.pixels[:100])
    errors = zeroing.errors(model, model.encode(clean), clean)
    np.testing.assert_allclose(errors, run.scores()["mse"][:100], rtol=2e-3)


def test_zeroing_a_channel_is_a_model_whose_decoder_ignores_it() -> None:
    """The next convolution, with its weights for this channel set to zero, does the same."""
    model, clean = Store().load("shallow-strided"), to_float(datasets.load("cifar10-excerpt").test.pixels[:20])
    codes = model.encode(clean)
    unit = int(codes.mean((0, 2, 3)).argmax())
    expected = zeroing.errors(model, codes, clean, unit)
    code = model.spec.architecture.code
    decoder = model.module[code.position :]
    with torch.no_grad():
        weights = next(module for module in decoder.modules() if isinstance(module, torch.nn.Conv2d)).weight
        weights[:, unit] = 0
        changed = (decoder(codes).clamp(0, 1) - clean).square().flatten(1).mean(1).double()
    torch.testing.assert_close(expected, changed, rtol=1e-4, atol=1e-8)


def test_the_more_units_the_fewer_pictures() -> None:
    assert [zeroing.pictures_for(units) for units in (1, 32, 64, 128, 512, 1024, 8192)] == [
        1000, 1000, 1000, 500, 125, 64, 64,
    ]  # fmt: skip


def test_costs_are_the_same_after_they_were_stored() -> None:
    model, clean = Linear(), pictures()
    measured = zeroing.costs(model, model.encode(clean), clean, [2, 0])
    measured.append(zeroing.Cost(1, 1, 0.5, None, math.inf))
    assert zeroing.from_tensors(zeroing.tensors(measured)) == measured


def test_the_table_is_in_the_order_of_the_units() -> None:
    model, clean = Linear(), pictures()
    measured = zeroing.costs(model, model.encode(clean), clean, [2, 0, 1])
    rows = zeroing.table(measured)
    assert list(rows.index) == [0, 1, 2]
    assert rows.loc[2, "cost"] == measured[0].mean
