"""The process in which a model from elsewhere runs: `python -m aecore.reconstructors.foreign_worker`.

It reads the model and pictures from its standard input and writes what becomes of them to its standard output, in
`frames`. It locks itself in before it reads the model:

- On Linux it opens no file and no connection from then on: the number of open files is limited to those that are open,
  and a file that is open cannot grow. The kernel sees to both, for the native code of ONNX Runtime too.
- On Linux, where the system allows it, it also leaves the network, in a namespace of its own.
- Its memory is limited to `MEMORY` more than it needs itself. On macOS the system does not enforce that.
- Whoever started it kills it when it takes too long. If that process is gone, it ends after `SECONDS` of computing.

It is no sandbox against an error in ONNX Runtime itself: such code would run as the same user, and could read what is
in this process's memory, which holds nothing but the model and the pictures.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MEMORY = 2**31
SECONDS = 120  # of computing for one answer
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER and CLONE_NEWNET of Linux's sched.h
_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS of Linux's prctl.h


def leave_the_network() -> bool:
    """Move to a network namespace without interfaces, where the system allows it; call it before threads start."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return any(libc.unshare(flags) == 0 for flags in (_NEW_USER | _NEW_NETWORK, _NEW_NETWORK))


def lock_in() -> None:
    """Limit memory, and forbid new files and connections; call it after everything is imported."""
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform != "linux":
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    last = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    nothing = os.open(os.devnull, os.O_RDONLY)
    while nothing < last:
        nothing = os.dup(nothing)  # takes a number that is free below the last
    resource.setrlimit(resource.RLIMIT_NOFILE, (nothing + 1, nothing + 1))


def allow_time() -> None:
    """Let this process compute for `SECONDS` from now; the system ends it after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + SECONDS, most))


def main() -> None:
    """Lock this process in, check the model that comes first, and run it on whatever comes then."""
    leave_the_network()
    # What is printed by anybody must not stand between the frames.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    import numpy as np

    from aecore.reconstructors import frames, onnx_checks

    onnx_checks.warm_up()
    lock_in()
    questions: BinaryIO = sys.stdin.buffer
    frames.write(answers, b"ready")
    content = frames.read(questions)
    allow_time()
    try:
        if sys.argv[1:] == ["check"]:
            onnx_checks.check(content)
        model = onnx_checks.session(content)
        fit = onnx_checks.fit(model) if sys.argv[1:] == ["check"] else None
    except onnx_checks.UnfitError as error:
        frames.write(answers, json.dumps({"error": str(error)}).encode())
        return
    frames.write(answers, json.dumps({"fit": vars(fit) if fit else {}}).encode())
    del content
    with suppress(EOFError):
        while True:
            shape = json.loads(frames.read(questions))
            pictures = np.frombuffer(frames.read(questions), np.float32).reshape(shape)
            allow_time()
            try:
                output = onnx_checks.run(model, pictures)
            except onnx_checks.UnfitError as error:
                frames.write(answers, json.dumps({"error": str(error)}).encode())
            else:
                frames.write(answers, b"{}")
                frames.write(answers, output.tobytes())


if __name__ == "__main__":
    main()
