"""A training step that is recorded once as a CUDA graph and then replayed.

A step of a small model is a hundred short kernels, and launching them one by one takes the processor several times as
long as the GPU takes to compute them. A graph is launched as a whole.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

Step = Callable[[Tensor], Tensor]
EAGER = 3  # steps before the recording, in which libraries choose their algorithms and allocate their workspaces


class Replayed:
    """`step` on batches of `size` rows: computed as it is at first, then replayed. Other batches are never replayed.

    `step` takes the row numbers `[size]` on the GPU and returns a tensor there. It must not wait for the GPU, and must
    draw from `generator` only.
    """

    def __init__(self, step: Step, generator: Generator, size: int) -> None:
        self._step, self._generator = step, generator
        self._stream = torch.cuda.Stream(generator.device)  # type: ignore[no-untyped-call]
        self._rows = torch.zeros(size, dtype=torch.int64, device=generator.device)
        # For the rest of the process: all recorded batches have one size, so searching for the best algorithm pays.
        torch.backends.cudnn.benchmark = True
        self._eager_steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: Tensor | None = None

    def __call__(self, rows: Tensor) -> Tensor:
        """The result of the step on `rows`; the next call may overwrite it."""
        if len(rows) != len(self._rows):
            return self._step(rows)
        if self._eager_steps < EAGER:
            self._eager_steps += 1
            return self._beside(rows)
        self._rows.copy_(rows)
        if self._graph is None:
            self._record()
        assert self._graph is not None
        assert self._result is not None
        self._graph.replay()
        return self._result

    def _beside(self, rows: Tensor) -> Tensor:
        """The step on a stream of its own: what the first backward pass sets up must not be tied to the default one."""
        current = torch.cuda.current_stream(rows.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = self._step(rows)
        current.wait_stream(self._stream)
        return result

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        # Recording computes nothing: the step is taken by the replay that follows.
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._result = self._step(self._rows)
        except RuntimeError as error:
            # What ended the recording is hidden behind the failure to end it.
            if isinstance(error.__context__, torch.OutOfMemoryError):
                raise error.__context__ from None
            raise
        self._graph = graph
