"""The moving average of the weights: against its formula, and through a run that is stopped and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from aecore.data.noise import Noise
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store
from aecore.training.averaging import Average
from aecore.training.loop import train
from tests.aecore.recordable import waiting
from tests.aecore.rounding import EPS
from tests.aecore.training.little import CPU, bits, dataset, ended, spec_of, trained

EVERYTHING = "3x8x8 | conv4 | bn | dropout0.3 | conv4:s2 | gn2 | up | conv3:k1:sigmoid"
pytestmark = pytest.mark.usefixtures("one_thread")


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)


def wander(model: nn.Module, step: int) -> None:
    """A step of a random walk, and a batch for the running statistics."""
    draw = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn(parameter.shape, generator=draw)
        model(torch.randn(2, 3, 5, 5, generator=draw))


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_it_is_the_formula_after_every_step(decay: float) -> None:
    model = module()
    average = Average(model, decay)
    expected = {name: tensor.double() for name, tensor in model.state_dict().items()}
    for step in range(1, 60):
        wander(model, step)
        average.update()
        share = min(decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            expected[name] = share * expected[name] + (1 - share) * tensor.double()
    assert float(expected.pop("1.num_batches_tracked")) > 0
    state = average.model.state_dict()
    assert int(state["1.num_batches_tracked"]) == 59
    for name, tensor in expected.items():
        # Each step rounds three times numbers that a random walk of 59 steps takes to 40 at most.
        torch.testing.assert_close(state[name].double(), tensor, rtol=0, atol=59 * 3 * 40 * EPS)


def test_weights_that_rest_are_their_own_average() -> None:
    model = module()
    average = Average(model, 0.999)
    for _ in range(20):
        average.update()
    for one, other in zip(average.model.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_the_average_and_its_model_are_apart() -> None:
    model = module()
    average = Average(model, 0.9)
    before = [tensor.clone() for tensor in model.state_dict().values()]
    with torch.no_grad():
        average.model[0].weight.zero_()
    assert all(map(torch.equal, before, model.state_dict().values()))
    assert not average.model.training
    assert average.model[0].weight.stride() == model[0].weight.stride()


def test_an_update_can_be_recorded_as_a_graph() -> None:
    assert waiting(Average(module(), 0.9).update) == set()


@pytest.mark.parametrize("average", [0.5, 0.999])
def test_a_run_that_averages_goes_on_bit_for_bit(average: float, tmp_path: Path) -> None:
    spec = spec_of(EVERYTHING, average=average, noise=Noise("gaussian", 0.3), schedule="cosine")
    store, states = Store(tmp_path), [event.state for event in ended(train(spec, dataset(), CPU))]
    for state in states[:-1]:
        store.write_state(spec, state)
        stored = store.read_state(spec)
        assert stored is not None
        assert bits(stored) == bits(state)
        assert bits(trained(spec, state=stored)) == bits(states[-1])


def test_averaging_changes_the_result_and_not_the_path_of_the_weights() -> None:
    plain = spec_of(EVERYTHING)
    averaged = trained(replace(plain, recipe=replace(plain.recipe, average=0.9)))
    last = trained(plain)
    assert last.unaveraged == {}
    assert averaged.weights.keys() == averaged.unaveraged.keys() == last.weights.keys()
    assert all(torch.equal(averaged.unaveraged[name], tensor) for name, tensor in last.weights.items())
    assert not torch.equal(averaged.weights["0.0.weight"], last.weights["0.0.weight"])
    assert [row.train_loss for row in averaged.history] == [row.train_loss for row in last.history]


def test_what_is_validated_is_the_average() -> None:
    spec = spec_of(EVERYTHING, average=0.9)
    state, held_out = trained(spec), dataset().validation.pixels.float() / 255
    output = Model(spec, state.weights)(held_out)
    assert state.history[-1].validation_mse == pytest.approx(float((output - held_out).square().mean()), rel=1e-5)
    raw = Model(spec, state.unaveraged)(held_out)
    assert state.history[-1].validation_mse != pytest.approx(float((raw - held_out).square().mean()), rel=1e-3)
