"""What of the machine may be used: its affinity, and a control group's limits as their files state them."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from aecore.training import machine

ROOT = Path(__file__).parents[3]
GB = 1 << 30


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight cores, 64 GB, and a control group whose files a test writes."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": 64 * GB}))
    for folder in ("cpu", "memory"):
        (tmp_path / folder).mkdir()
    return tmp_path


def test_without_limits_it_is_the_whole_machine(group: Path) -> None:
    assert (machine.cores(), machine.memory()) == (8, 64 * GB)


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("1600000 100000", 8), ("?", 8)]
)
def test_the_quota_of_a_control_group_counts_in_whole_cores(text: str, cores: int, group: Path) -> None:
    (group / "cpu.max").write_text(f"{text}\n")
    assert machine.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [(-1, 8), (300_000, 3)])
def test_so_does_that_of_the_first_version(quota: int, cores: int, group: Path) -> None:
    (group / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert machine.cores() == cores


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_memory_of_a_control_group_counts(file: str, group: Path) -> None:
    (group / file).write_text("max\n")
    assert machine.memory() == 64 * GB
    (group / file).write_text(f"{4 * GB}\n")
    assert machine.memory() == 4 * GB
    (group / file).write_text(f"{1 << 63}\n")  # how the first version writes that there is no limit
    assert machine.memory() == 64 * GB


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity of processes")
def test_a_process_on_one_core_trains_with_one_thread_and_one_run_at_a_time() -> None:
    code = (
        "import torch; from aecore.training import devices, machine; devices.find_device('cpu'); "
        "print(torch.get_num_threads(), machine.side_by_side(9), machine.run_threads(), machine.run_threads(9))"
    )
    core = min(os.sched_getaffinity(0))
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}}); {code}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["1", "1", "1", "1"], done.stderr


def test_many_cores_with_little_memory_train_few_runs_at_once(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.cores_text() == "64 cores"
    assert (machine.side_by_side(100), machine.run_threads(100)) == (32, 2)
    (group / "memory.max").write_text(f"{6 * GB}\n")
    assert (machine.side_by_side(100), machine.run_threads()) == (4, 16)


@pytest.mark.parametrize(
    ("cores", "runs", "threads", "at_once"),
    [(1, 5, 1, 1), (2, 1, 2, 1), (2, 2, 1, 2), (2, 8, 1, 2), (5, 2, 2, 2), (5, 3, 1, 3), (16, 8, 2, 8), (16, 9, 1, 9)],
)
def test_more_runs_than_fit_with_two_threads_get_one_each(
    cores: int, runs: int, threads: int, at_once: int, group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert (machine.run_threads(runs), machine.side_by_side(runs)) == (threads, at_once)
