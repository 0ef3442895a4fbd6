"""What the tests of the queue's sides share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.queue import Queue


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Queue]:
    """An empty queue whose supervisor is the test: no other starts while it holds the lock."""
    with supervision.hold(tmp_path) as holds:
        assert holds
        yield Queue(Store(tmp_path))
