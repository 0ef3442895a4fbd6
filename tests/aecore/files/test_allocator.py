"""The C library's settings: freed memory is returned when asked for, and another library is left alone."""

import subprocess
import sys

import pytest

from aecore.files import allocator

HELD = 200  # megabytes in blocks that glibc takes from its heap, and that are freed


def resident_after(program: str) -> list[int]:
    """Megabytes that a process prints."""
    start = (
        "import psutil\n"
        "from aecore.files import allocator\n"
        "def resident(): print(psutil.Process().memory_info().rss >> 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=True)
    return list(map(int, done.stdout.split()))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_returned_when_asked_for() -> None:
    before, after = resident_after(
        "allocator.keep_freed_memory()\n"
        f"blocks = [bytearray(2**16) for _ in range({HELD * 16})]\n"
        "del blocks\n"
        "resident()\n"
        "allocator.return_freed_memory()\n"
        "resident()"
    )
    assert before - after > HELD // 2


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_returned_soon_after_the_last_call() -> None:
    before, after = resident_after(
        "allocator.keep_freed_memory()\n"
        "allocator.QUIET = 0.1\n"
        f"blocks = [bytearray(2**16) for _ in range({HELD * 16})]\n"
        "for _ in range(3): allocator.return_freed_memory_soon()\n"
        "del blocks\n"
        "resident()\n"
        "allocator._timer.join()\n"
        "resident()"
    )
    assert before - after > HELD // 2


def test_settings_may_be_repeated() -> None:
    resident_after("for _ in range(2): allocator.share_freed_memory(); allocator.return_freed_memory()")


@pytest.mark.parametrize("change", ["keep_freed_memory", "share_freed_memory", "return_freed_memory"])
def test_a_library_without_these_settings_is_left_alone(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """musl has none of them, and on other systems nothing is looked for."""
    monkeypatch.setattr(allocator, "_library", object)
    getattr(allocator, change)()
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    getattr(allocator, change)()
