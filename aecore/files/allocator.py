"""How the C library keeps the memory of this process: glibc's settings, which do nothing with another library.

Imports no torch.
"""

from __future__ import annotations

import ctypes
import sys
from threading import Lock, Timer

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h
ARENAS = 2
QUIET = 2.0  # seconds
_timer: Timer | None = None
_setting = Lock()  # of the timer


def keep_freed_memory() -> None:
    """Make the C library keep freed memory for reuse, for the rest of the process.

    glibc often returns large blocks to the kernel when they are freed, and the next step faults them in again page by
    page: up to a quarter of the time of a convolutional run on CPU. Only a process that does nothing but train or score
    should call this, since it returns no freed memory to the system.
    """
    _set(M_MMAP_MAX, 0)
    _set(M_TRIM_THRESHOLD, 2**31 - 1)


def share_freed_memory() -> None:
    """Make threads that start from now on share a few pools of freed memory, for the rest of the process.

    By default glibc has up to eight per core, and none reuses what was freed in another. A server whose threads come
    and go should call this.
    """
    _set(M_ARENA_MAX, ARENAS)


def return_freed_memory() -> None:
    """Return freed memory to the system now, which takes tens of milliseconds."""
    if trim := getattr(_library(), "malloc_trim", None):
        trim(0)


def return_freed_memory_soon() -> None:
    """Return freed memory once nobody has called this for `QUIET` seconds: what was begun by then is done."""
    global _timer
    with _setting:
        if _timer:
            _timer.cancel()
        _timer = Timer(QUIET, return_freed_memory)
        _timer.daemon = True
        _timer.start()


def _set(setting: int, value: int) -> None:
    if change := getattr(_library(), "mallopt", None):
        change(setting, value)


def _library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None
