"""`streamlit run` that writes the seconds of every script run to FILE: `python -m benchmarks.timed_server FILE run …`.

The time is measured on the server, around the whole run of the script or fragment: everything that Streamlit and the
page do between a person's choice and the last message of the answer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.web import cli

_run_script = ScriptRunner._run_script


def main() -> None:
    """Start Streamlit with its own arguments."""
    log = Path(sys.argv.pop(1))

    def timed(runner: ScriptRunner, rerun: Any) -> None:
        begun = perf_counter()
        _run_script(runner, rerun)
        kind = "fragment" if rerun.fragment_id or rerun.fragment_id_queue else "page"
        spent = perf_counter() - begun
        with log.open("a") as file:
            file.write(f"{kind} {spent:.6f}\n")

    ScriptRunner._run_script = timed  # type: ignore[method-assign, assignment]  # no hook for this is public
    cli.main(prog_name="streamlit")


if __name__ == "__main__":
    main()
