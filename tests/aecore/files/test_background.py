"""Processes that outlive their parent, and locks that are seen from outside."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from aecore.files import background


def test_a_command_runs_the_package_from_anywhere(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = background.start(background.command("list", "--json"), dict(os.environ), log)
    assert process.wait() == 0
    assert "shallow-strided" in (tmp_path / "log").read_text()


def test_it_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid(), os.isatty(0))"]
    with (tmp_path / "log").open("wb") as log:
        background.start(command, dict(os.environ), log).wait()
    assert (tmp_path / "log").read_text().split() == ["True", "False"]


def test_a_lock_is_seen_while_another_process_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    file = os.open(path, os.O_RDONLY)
    assert not background.is_locked(file)
    fcntl.flock(file, fcntl.LOCK_UN)
    holder = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        assert background.is_locked(file)
        process.stdin.close()
    assert not background.is_locked(file)
    os.close(file)
