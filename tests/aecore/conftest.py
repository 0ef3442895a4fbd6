"""What the tests of the core share."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from tests.aecore.scheduling.queued import processes, until


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of forty pictures, which make 33 to train on, 3 to validate on and 4 to test on."""
    folder = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for number in range(40):
        coarse = Image.fromarray(draw.integers(0, 255, (4, 4, 3), np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """In this process and in those that a test starts, whose bits are compared: more threads add in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """An empty queue; whatever a test leaves of it is stopped."""
    queue = Queue(Store(tmp_path / "store"))
    yield queue
    for entry in queue.entries():
        queue.cancel(entry.id)
    until(lambda: not processes(queue))
