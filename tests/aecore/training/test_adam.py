"""Adam: against torch's own, bit for bit, and against the formula; and that no compiler is loaded for it."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from aecore.training import initialisation
from aecore.training.adam import EPSILON, Adam
from tests.aecore.rounding import EPS
from tests.aecore.training.little import CPU, dataset, spec_of, trained

RATE, STEPS = 3e-3, 7
pytestmark = pytest.mark.usefixtures("one_thread")


def module() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 3, 3)).to(memory_format=torch.channels_last)


def descend(model: nn.Module, step: object, first: int = 0, last: int = STEPS) -> None:
    for number in range(first, last):
        pictures = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(number))
        model.zero_grad(set_to_none=True)
        model(pictures).square().mean().backward()
        step()  # type: ignore[operator]


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(left, right) for left, right in zip(one.parameters(), other.parameters(), strict=True))


def test_it_is_torch_s_fused_adam_bit_for_bit() -> None:
    ours, torchs = module(), module()
    descend(ours, Adam(ours.parameters(), RATE).step)
    descend(torchs, torch.optim.Adam(torchs.parameters(), RATE, eps=EPSILON, fused=True).step)
    assert not same(ours, module())
    assert same(ours, torchs)


def test_a_step_is_kingma_and_ba_s() -> None:
    weight = torch.tensor([0.5, -2.0], requires_grad=True)
    adam = Adam([weight], RATE)
    mean = square = torch.zeros(2, dtype=torch.float64)
    expected = weight.detach().double().clone()
    for number in range(1, STEPS + 1):
        gradient = torch.tensor([0.1 * number, -1.0 / number])
        weight.grad = gradient.clone()
        adam.step()
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient.double() ** 2
        expected -= RATE * (mean / (1 - 0.9**number)) / ((square / (1 - 0.999**number)).sqrt() + EPSILON)
    # A weight is rounded by half of this at each step, which is itself hundreds of times smaller.
    torch.testing.assert_close(weight.detach().double(), expected, rtol=STEPS * EPS, atol=0)


def test_it_goes_on_from_a_state_as_if_it_had_never_stopped() -> None:
    whole, halves = module(), module()
    descend(whole, Adam(whole.parameters(), RATE).step)
    before = Adam(halves.parameters(), RATE)
    descend(halves, before.step, 0, 3)
    state = before.state()
    assert all(tensor.is_contiguous() for tensor in state.values())
    after = Adam(halves.parameters(), RATE)
    after.restore(state)
    descend(halves, after.step, 3)
    assert same(whole, halves)


def test_a_state_is_a_copy_and_must_be_whole() -> None:
    model = module()
    adam = Adam(model.parameters(), RATE)
    state = adam.state()
    descend(model, adam.step)
    assert not any(tensor.any() for tensor in state.values())
    with pytest.raises(KeyError, match="exp_avg"):
        adam.restore({name: tensor for name, tensor in state.items() if name != "1.exp_avg"})


def test_a_parameter_without_a_gradient_stays() -> None:
    used, unused = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    used.grad = torch.ones(2)
    adam = Adam([unused, used], RATE)
    adam.step()
    assert torch.equal(unused, torch.ones(2))
    assert (used < 1).all()
    assert (float(adam.state()["0.step"]), float(adam.state()["1.step"])) == (0, 1)


def test_training_starts_without_torch_s_compiler() -> None:
    code = (
        "import sys; from aecore.data import datasets; from aecore.runs import execution; "
        "from aecore.models import zoo; "
        "spec = execution.plan(zoo.find('shallow-maxpool'), dataset='sample', epochs=1, images=100); "
        "data = datasets.load('sample'); from torch import device; "
        "next(execution.computed(execution.Order(spec, data, None, device('cpu')), previews=True)); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "torch.nn" in loaded
    assert not {"torch._dynamo", "pandas", "piq"} & set(loaded)


def test_the_first_step_is_adams_formula_with_keras_epsilon() -> None:
    """At step 1 both moments' corrections cancel: w ← w − lr · g / (|g| + ε), Kingma & Ba 2015, algorithm 1."""
    spec = spec_of("3x8x8 | conv3:k1:linear", epochs=1, batch_size=45, learning_rate=0.01)
    start = initialisation.build(spec.architecture, spec.recipe, spec.seed, CPU).state_dict()
    kernel, bias = (tensor.double().requires_grad_() for tensor in start.values())
    pictures = dataset().train.pixels.double() / 255  # [N, 3, 8, 8]
    output = torch.einsum("oc,nchw->nohw", kernel[:, :, 0, 0], pictures) + bias[:, None, None]
    gradients = torch.autograd.grad(((output - pictures) ** 2).mean(), [kernel, bias])
    for weight, gradient, after in zip((kernel, bias), gradients, trained(spec).weights.values(), strict=True):
        expected = weight - 0.01 * gradient / (gradient.abs() + 1e-7)
        # A weight, which is about 1 at most, is rounded once; a step is a hundredth of that.
        torch.testing.assert_close(after.double(), expected, rtol=0, atol=EPS)
