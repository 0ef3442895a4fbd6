"""Models in ONNX Runtime: they equal torch to 1e-5, and torch takes over where ONNX Runtime cannot or should not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors import compiled, onnx_export
from aecore.reconstructors.compiled import Compiled
from aecore.reconstructors.onnx_export import ExportError
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store

LINE = "conv8 | bn | conv8:s2 | conv8 | up | conv3:k1:sigmoid"


def pictures(model: Model, count: int = 12) -> torch.Tensor:
    shape = (count, *model.spec.architecture.input_shape)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def untrained() -> Model:
    architecture = Architecture.parse(LINE)
    spec = RunSpec(architecture, Recipe(), "sample", "0" * 64, name="small")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(spec, architecture.module().state_dict())


ROUNDS = [name for name, system in zoo.SYSTEMS.items() if system.architecture.entropy_model]


@pytest.mark.parametrize("name", ROUNDS)
def test_a_published_system_that_rounds_its_code_stays_in_torch(name: str) -> None:
    model = Store().load(name)
    assert compiled.compiled(lambda: model) is model


@pytest.mark.parametrize("name", [name for name in zoo.SYSTEMS if name not in ROUNDS])
def test_every_published_system_equals_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MOST_PARAMETERS", 10**9)
    model = Store().load(name)
    fast = compiled.compiled(lambda: model)
    assert isinstance(fast, Compiled)
    given = pictures(model)
    assert (fast(given) - model(given)).abs().max() <= onnx_export.TOLERANCE
    assert (fast.name, fast.code_size, fast.any_size) == (model.name, model.code_size, model.any_size)


def test_more_pictures_than_a_batch_come_back_in_their_order() -> None:
    model = untrained()
    given = pictures(model, 205)
    output = compiled.compiled(lambda: model)(given)
    assert output.shape == given.shape
    assert (output - model(given)).abs().max() <= onnx_export.TOLERANCE


def test_torch_takes_over_for_gradients_codes_and_other_sizes() -> None:
    model, reads = untrained(), list[int]()

    def load() -> Model:
        reads.append(1)
        return model

    fast = compiled.compiled(load)
    assert isinstance(fast, Compiled)
    given = pictures(model)
    fast(given)
    assert len(reads) == 1  # torch's own is not held for calls
    wanted = given.clone().requires_grad_()
    fast.differentiable(wanted).sum().backward()  # type: ignore[no-untyped-call]
    assert wanted.grad is not None
    assert torch.equal(fast.decode(fast.encode(given)), model(given))
    larger = torch.rand(1, 3, 48, 40, generator=torch.Generator().manual_seed(2))
    assert torch.equal(fast(larger), model(larger))
    assert len(reads) == 2


def refuse(error: Exception) -> Callable[[Model], None]:
    def session(model: Model) -> None:
        raise error

    return session


@pytest.mark.parametrize(
    "error", [ExportError("It differs."), NotImplementedError("No operators."), InvalidGraph("Not a graph.")]
)
def test_a_model_that_onnx_runtime_cannot_compute_stays_with_torch(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = untrained()
    monkeypatch.setattr(onnx_export, "session", refuse(error))
    assert compiled.compiled(lambda: model) is model


def test_a_difference_from_torch_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is built with another constant than torch's, so its outputs differ."""
    from aecore.reconstructors import onnx_graphs

    model = untrained()
    monkeypatch.setattr(onnx_graphs, "BATCH_NORM_EPSILON", 0.1)
    assert compiled.compiled(lambda: model) is model


def test_a_large_model_stays_with_torch() -> None:
    model = untrained()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "MOST_PARAMETERS", model.spec.architecture.parameters - 1)
        assert compiled.compiled(lambda: model) is model


def test_threads_that_call_at_once_get_their_own_outputs() -> None:
    model = untrained()
    fast = compiled.compiled(lambda: model)
    batches = torch.split(pictures(model, 64), 4)
    alone = [fast(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(partial(fast), batches))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
