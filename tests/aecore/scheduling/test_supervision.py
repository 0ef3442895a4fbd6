"""One supervisor per store, on a file system of this machine alone."""

import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from aecore.files import background
from aecore.runs.store import Store
from aecore.scheduling import supervision
from aecore.scheduling.queue import Queue
from tests.aecore.scheduling.idle import submit
from tests.aecore.scheduling.queued import until


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


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets every supervisor write a file into its store that is named after its process, and end with a status."""
    code = "import os, sys; open(os.environ['AECORE_CHECKPOINTS'] + f'/{os.getpid()}', 'w').close(); sys.exit(%d)"

    def end_with(status: int) -> None:
        monkeypatch.setattr(background, "command", lambda *arguments: [sys.executable, "-c", code % status])

    return end_with


def test_a_supervisor_that_ends_badly_delays_the_next_one_of_its_own_store_alone(
    tmp_path: Path, ending: Callable[[int], None]
) -> None:
    ending(1)
    one, other = tmp_path / "one", tmp_path / "other"
    supervision.start(one)
    [started] = until(lambda: list(one.glob("[0-9]*")))
    until(lambda: psutil.Process(int(started.name)).status() == psutil.STATUS_ZOMBIE)
    for root in (other, one):
        supervision.start(root, patient=True)
    until(lambda: list(other.glob("[0-9]*")))
    assert len(list(one.glob("[0-9]*"))) == 1


def test_a_supervisor_that_was_stopped_delays_nobody(tmp_path: Path, ending: Callable[[int], None]) -> None:
    ending(supervision.STOPPED)
    supervision.start(tmp_path)
    [first] = until(lambda: list(tmp_path.glob("[0-9]*")))
    until(lambda: psutil.Process(int(first.name)).status() == psutil.STATUS_ZOMBIE)
    supervision.start(tmp_path, patient=True)
    until(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mount table is all that tells; a real one is asked everywhere else."""
    here, there = tmp_path / "here", tmp_path / "there"
    (there / "deeper").mkdir(parents=True)
    mounts = [("/", "ext4"), (str(there), kind), (str(there / "deeper"), "fuse.fuse-overlayfs")]
    table = [types.SimpleNamespace(mountpoint=folder, fstype=name) for folder, name in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: table)
    supervision.refuse_network.cache_clear()
    for act in (lambda queue: submit(queue), lambda queue: queue.entries(), lambda queue: queue.reconcile()):
        with pytest.raises(supervision.SupervisionError, match=rf"{there}/store: on its file system \({kind}\)"):
            act(Queue(Store(there / "store")))
    with pytest.raises(supervision.SupervisionError), supervision.hold(there / "store"):
        pass
    assert sorted(there.rglob("*")) == [there / "deeper"]
    for allowed in (here, there / "deeper"):
        with supervision.hold(allowed):
            assert submit(Queue(Store(allowed))) == 1
    supervision.refuse_network.cache_clear()
