"""Recording a step: when it is computed, recorded and replayed. CUDA itself is stood in for by calls that are noted.

That a recording computes what the step computes is measured where there is a GPU (docs/performance.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from aecore.data.noise import Noise
from aecore.training.adam import Adam
from aecore.training.averaging import Average
from aecore.training.initialisation import build
from aecore.training.loop import Learner, Pictures
from aecore.training.replay import EAGER, Replayed
from tests.aecore.recordable import waiting
from tests.aecore.training.little import CPU, dataset, spec_of

EVERYTHING = "3x8x8 | conv4 | bn | gn2 | dropout0.3 | conv4:s2 | sparsity | up | conv3:k1:sigmoid"
SIZE = 4


class Graph:
    """A recording that notes what happens to it; a replay computes the recorded step again."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def register_generator_state(self, generator: Generator) -> None:
        self.done.append("generator")

    def replay(self) -> None:
        self.done.append("replay")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    made: list[Graph] = []

    def graph() -> Graph:
        made.append(Graph())
        return made[-1]

    @contextmanager
    def nothing(*_: Any, **__: Any) -> Iterator[None]:
        yield

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stand_in in {
        "Stream": lambda device: stream,
        "current_stream": lambda device: stream,
        "stream": nothing,
        "graph": nothing,
        "CUDAGraph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    return made


def test_a_step_is_computed_at_first_then_recorded_once_and_replayed(graphs: list[Graph]) -> None:
    computed: list[list[int]] = []

    def step(rows: Tensor) -> Tensor:
        computed.append(rows.tolist())
        return rows.sum()

    replayed = Replayed(step, Generator(), SIZE)
    batches = [torch.arange(first, first + SIZE) for first in range(EAGER + 3)]
    for rows in batches[: EAGER + 1]:
        replayed(rows)
    assert computed == [rows.tolist() for rows in batches[: EAGER + 1]]
    (graph,) = graphs
    assert graph.done == ["generator", "replay"], "recording computes nothing, so the step is replayed at once"
    for rows in batches[EAGER + 1 :]:
        replayed(rows)
    assert len(computed) == EAGER + 1
    assert graph.done.count("replay") == 3
    assert replayed._rows.tolist() == batches[-1].tolist(), "a replay reads the rows of its batch"


def test_a_batch_of_another_size_is_computed_as_it_is(graphs: list[Graph]) -> None:
    replayed = Replayed(lambda rows: rows.sum(), Generator(), SIZE)
    for _ in range(EAGER + 2):
        assert int(replayed(torch.arange(SIZE - 1))) == 3
    assert not graphs


def test_memory_that_runs_out_while_a_step_is_recorded_is_said_to(
    graphs: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def broken(*_: Any, **__: Any) -> Iterator[None]:
        try:
            yield
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    def step(rows: Tensor) -> Tensor:
        if graphs:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return rows.sum()

    monkeypatch.setattr(torch.cuda, "graph", broken)
    replayed = Replayed(step, Generator(), SIZE)
    for _ in range(EAGER):
        replayed(torch.arange(SIZE))
    with pytest.raises(torch.OutOfMemoryError):
        replayed(torch.arange(SIZE))


def test_nothing_in_a_step_waits_for_the_gpu() -> None:
    spec = spec_of(
        EVERYTHING,
        noise=Noise("gaussian", 1.0, 0.03, logarithmic=True),
        loss="psnr",
        average=0.9,
        flips=True,
        penalties={"sparsity": 0.1},
    )
    pixels = dataset().train.pixels
    model, generator = build(spec.architecture, spec.recipe, 0, CPU), Generator()
    for module in model.modules():
        if hasattr(module, "generator"):
            module.generator = generator
    pictures = Pictures(pixels, CPU, torch.channels_last)
    learner = Learner(spec, model, Adam(model.parameters(), 1e-3), pictures, generator, Average(model, 0.9))
    rows = torch.arange(SIZE)
    assert waiting(lambda: learner.step(rows)) == set()
