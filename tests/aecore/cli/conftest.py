"""What the tests of the commands are given."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from aecore.cli import main
from tests.aecore.cli.commands import Done


@pytest.fixture(autouse=True)
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store and no data but what a test names; nothing is wrapped, and nothing is left of the signals."""
    handler, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "500")
    torch.set_num_threads(1)
    yield tmp_path / "checkpoints"
    torch.set_num_threads(threads)
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def aecore(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        status = main.main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return run
