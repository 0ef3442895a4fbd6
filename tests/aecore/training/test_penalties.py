"""Penalties: reported by layers, weighed by the recipe, and kept on the curve."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.data.noise import key
from aecore.data.splits import Dataset, Split, to_float
from aecore.models.architecture import Architecture
from aecore.models.modules import Penalised, penalties
from aecore.models.recipe import Recipe, RecipeError, RunSpec, parse_penalties
from aecore.training.events import Epoch, EpochEnded
from aecore.training.initialisation import build
from aecore.training.loop import train

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


def test_penalties_of_one_name_are_added_up_and_rest_in_evaluation() -> None:
    model = Architecture.parse("3x4x4 | sparsity | sparsity | conv3:k1").module()
    given = torch.rand(2, 3, 4, 4)
    model.eval()(given)
    assert penalties(model) == {}
    model.train()(given)
    (total,) = penalties(model).values()
    # Both report the mean of the same 96 numbers in [0, 1].
    assert float(total) == pytest.approx(2 * float(given.double().mean()), rel=1e-6)


def test_a_module_of_ones_own_reports_under_its_name() -> None:
    class Bias(Penalised):
        def forward(self, values: Tensor) -> Tensor:
            self.penalty = values.mean().square()
            return values

    model = nn.Sequential(Bias("bias"), nn.Identity())
    model(torch.full((1, 2), 3.0))
    assert {name: float(term) for name, term in penalties(model).items()} == {"bias": 9.0}


def test_a_text_is_read_as_weights() -> None:
    assert parse_penalties("sparsity:0.001") == {"sparsity": 0.001}
    assert Recipe(penalties=parse_penalties("sparsity:0")).penalties is None
    for text in ("sparsity", "sparsity:much"):
        with pytest.raises(RecipeError, match=r"write name:weight, for example sparsity:0\.001"):
            parse_penalties(text)


@pytest.mark.parametrize(
    ("penalties", "message"),
    [
        ({"sparsty": 1}, "There is no penalty 'sparsty'. Legal: sparsity"),
        ({"sparsity": -1}, "weight of sparsity must be from 0 to"),
        ({"sparsity": float("nan")}, "weight of sparsity must be from 0 to"),
    ],
)
def test_a_weight_that_cannot_be_is_refused(penalties: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(penalties=penalties)


def test_a_penalty_that_no_layer_reports_is_refused() -> None:
    with pytest.raises(RecipeError, match="no layer reports: put `sparsity` after the layer"):
        spec_of("3x8x8 | conv3:k1:sigmoid", penalties={"sparsity": 1})
