"""What a process that has locked itself in can still do, tried in such a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aecore.files import background
from aecore.reconstructors import foreign_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")

_TRIED = """
import json, socket, subprocess, sys
import numpy
from aecore.reconstructors import foreign_worker
foreign_worker.leave_the_network()
foreign_worker.lock_in()
results = {}
def attempt(name, work):
    try:
        work()
        results[name] = "done"
    except OSError:
        results[name] = "OSError"
    except MemoryError:
        results[name] = "MemoryError"
attempt("read a file", lambda: open("/etc/passwd"))
attempt("write a file", lambda: open(sys.argv[1] + "/new", "w"))
attempt("connect", lambda: socket.socket().connect(("127.0.0.1", 9)))
attempt("start a process", lambda: subprocess.run("true"))
attempt("take three gigabytes", lambda: numpy.ones(3 * 2**27))
attempt("take a hundred megabytes", lambda: numpy.ones(100 * 2**17))
print(json.dumps(results))
"""


def test_it_opens_no_file_and_no_connection_and_takes_no_more_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRIED, str(tmp_path)], cwd=background.ROOT, capture_output=True, text=True, check=True
    )
    results = json.loads(done.stdout)
    assert results == {
        "read a file": "OSError",
        "write a file": "OSError",
        "connect": "OSError",
        "start a process": "OSError",  # the pipe that it needs is a file
        "take three gigabytes": "MemoryError",
        "take a hundred megabytes": "done",
    }
    assert not list(tmp_path.iterdir())


def test_where_it_has_left_the_network_nothing_answers() -> None:
    code = (
        "from aecore.reconstructors import foreign_worker as w; import socket; left = w.leave_the_network(); "
        "print(left, [name for _, name in socket.if_nameindex()])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=background.ROOT, capture_output=True, text=True, check=True)
    left, _, names = done.stdout.strip().partition(" ")
    if left != "True":
        pytest.skip("this system does not let a process leave the network")
    assert names == "['lo']"  # which is down in a new namespace


def test_time_for_one_answer_is_counted_from_the_question() -> None:
    code = (
        "import resource; from aecore.reconstructors import foreign_worker as w; w.allow_time(); "
        "print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=background.ROOT, capture_output=True, text=True, check=True)
    assert foreign_worker.SECONDS <= int(done.stdout) < foreign_worker.SECONDS + 60
