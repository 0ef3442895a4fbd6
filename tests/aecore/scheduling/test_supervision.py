"""One supervisor per store."""

import threading
from pathlib import Path

from aecore.scheduling import supervision


def test_only_one_supervises_and_asking_disturbs_nobody(tmp_path: Path) -> None:
    assert not supervision.held(tmp_path)
    with supervision.hold(tmp_path) as first:
        assert first
        assert supervision.held(tmp_path)
        with supervision.hold(tmp_path) as second:
            assert not second
    assert not supervision.held(tmp_path)
    asking = threading.Event()
    askers = [threading.Thread(target=_ask_until, args=(asking, tmp_path)) for _ in range(4)]
    for asker in askers:
        asker.start()
    for _ in range(20):
        with supervision.hold(tmp_path) as holds:
            assert holds
    asking.set()
    for asker in askers:
        asker.join()


def _ask_until(over: threading.Event, root: Path) -> None:
    while not over.wait(0.001):
        supervision.held(root)
