"""The command line as a whole: help, error messages, exit codes, and what stays free of torch."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aecore.cli import main
from tests.aecore.cli.commands import LAYERS, ROOT, process

COMMANDS = [
    "list",
    "show",
    "check",
    "look",
    "train",
    "sweep",
    "runs",
    "runs show",
    "runs cancel",
    "runs pause",
    "runs resume",
    "runs log",
    "claims",
    "claims run",
    "claims show",
    "score",
    "export",
    "import",
    "data",
    "data status",
    "data fetch",
    "publish",
    "baselines",
    "denoising",
    "legibility",
    "rates",
    "resolution",
    "measure",
    "bench",
    "work",
]


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    overview = capsys.readouterr().out
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main.main([*command.split(), "--help"])
        assert ended.value.code == 0
        assert f"python -m aecore {command}" in capsys.readouterr().out
        assert re.search(rf"^ +{command.split()[0]}\s+\w", overview, re.MULTILINE)
    listed = re.findall(r"^    (\w+)\s", overview, re.MULTILINE)
    assert sorted(listed) == sorted({command.split()[0] for command in COMMANDS})


FOLDER = "folder:PICTURES"
WRONG = {
    "system": (["train", "shalow-strided"], "no system 'shalow-strided': did you mean shallow-strided? Systems: mnist"),
    "check": (["check", "conv4 | conv3", "--device", "tpu"], "no device 'tpu' on this machine; here: "),
    "shown": (["show", "shalow-strided"], "did you mean shallow-strided?"),
    "run": (["score", "shallow-strided"], "There is no run 'shallow-strided' in "),
    "layer": (["train", "conv4 | cnv3"], "Layer 2 (`cnv3`): there is no such layer, did you mean `conv`?"),
    "shape": (["train", "conv4 | pool"], "must end with 3×32×32"),
    "noise": (["train", LAYERS, "--noise", "gausian:0.1"], "did you mean gaussian?"),
    "level": (["train", LAYERS, "--noise", "gaussian:9"], "must be from 0 to 2, not 9"),
    "not a level": (["train", LAYERS, "--noise", "gaussian:nan"], "must be from 0 to 2, not nan"),
    "no level": (["train", LAYERS, "--noise", "gaussian"], "write kind:level, for example gaussian:0.3"),
    "loss": (
        ["train", LAYERS, "--loss", "msee"],
        "loss 'msee' is not known: did you mean mse? Legal: mse, bce, mae, rmse, psnr.",
    ),
    "bce": (["train", "conv3:k1:linear", "--loss", "bce"], "Cross-entropy needs outputs between 0 and 1"),
    "penalty": (["train", LAYERS, "--penalty", "sparsity"], "write name:weight, for example sparsity:0.001"),
    "no penalty": (["train", LAYERS, "--penalty", "kl:1"], "There is no penalty 'kl'. Legal: bits, sparsity."),
    "unreported": (["train", LAYERS, "--penalty", "sparsity:1"], "the penalty sparsity, which no layer reports"),
    "device": (["train", LAYERS, "--device", "tpu"], "no device 'tpu' on this machine; here: "),
    "epochs": (["train", LAYERS, "--epochs", "0"], "epochs must be a whole number from 1 to 10,000, not 0."),
    "batch": (["train", LAYERS, "--batch-size", "-1"], "batch size must be a whole number from 1 to 65,536, not -1."),
    "rate": (["train", LAYERS, "--learning-rate", "nan"], "learning rate must be above 0 and at most 10, not nan."),
    "images": (["train", LAYERS, "--images", "0"], "images must be at least 1, not 0"),
    "scored": (["score", "custom", "--images", "0"], "--images must be at least 1, not 0."),
    "initialisation": (["train", LAYERS, "--initialisation", "keres"], "did you mean keras? Legal: keras, torch, pca."),
    "data set": (["train", LAYERS, "--dataset", "cifar"], "No data set is called 'cifar': did you mean 'cifar10'"),
    "folder": (["train", LAYERS, "--dataset", "folder:/nowhere"], "There is no folder '/nowhere'"),
    "absent": (["train", LAYERS, "--dataset", "cifar10"], "run `python -m aecore data fetch cifar10`"),
    "mnist": (["train", "mnist-dense"], "run `python -m aecore data fetch mnist`"),
    "other shape": (
        ["train", "mnist-dense", "--dataset", FOLDER],
        "takes pictures of 1×28×28, and its layers do not fit",
    ),
    "diverges": (
        ["train", " | ".join(["conv3:k1:linear"] * 40), "--dataset", FOLDER, "--learning-rate", "10"],
        "The loss stopped being finite in epoch",
    ),
    "publish": (["publish"], "run `python -m aecore data fetch mnist`"),
    "fetch": (["data", "fetch", "sample"], "needs no fetching"),
    "fetched": (["data", "fetch", "cifar01"], "did you mean 'cifar10'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_in_a_sentence(wrong: str, aecore: Any, pictures: Path) -> None:
    arguments, sentence = WRONG[wrong]
    done = aecore(*(argument.replace("PICTURES", str(pictures)) for argument in arguments))
    assert done.status == 1
    assert done.out == ""
    assert sentence in done.err
    assert "Traceback" not in done.err
    lines = [line for line in done.err.splitlines() if line.strip() and "━" not in line]
    assert len(lines) == 1, "the sentence, beside a bar at most"


def test_a_command_line_that_cannot_be_read_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["trian"], ["train"], ["train", LAYERS, "--epochs", "x"], ["data"], ["show"]):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == 2
        assert "usage: python -m aecore" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error_to_tell(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m aecore list | head -1"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("name")
    assert done.stderr == ""
    running = process("list", "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    running.stderr.close()
    running.wait()


def test_the_sentence_of_a_wrong_command_is_all_that_a_process_says() -> None:
    running = process("show", "shalow-strided")
    out, said = running.communicate()
    assert (running.returncode, out) == (1, "")
    assert said.startswith("There is no system 'shalow-strided': did you mean shallow-strided?")
    assert len(said.splitlines()) == 1


def test_naming_and_listing_import_no_torch(checkpoints: Path) -> None:
    """They answer at once only while the seconds that torch takes to import are left out."""
    code = "import sys; from aecore.cli.main import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    for command in (["list"], ["show", "dense"], ["runs"], ["check", "conv8 | conv3"]):
        done = subprocess.run([sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_ctrl_c_while_a_command_is_still_being_imported_is_no_traceback(
    aecore: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(place: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "resolve_name", interrupt)
    done = aecore("list")
    assert (done.status, done.out, done.err) == (130, "", "Stopped.\n")


def test_ctrl_c_while_an_error_message_is_written_is_no_traceback(aecore: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = main.say

    def say(sentence: str, style: str = "") -> None:
        if style == "red":
            raise KeyboardInterrupt
        said(sentence)

    monkeypatch.setattr(main, "say", say)
    done = aecore("show", "shalow-strided")
    assert (done.status, done.out, done.err) == (130, "", "Stopped.\n")


def test_a_terminal_of_another_encoding_ends_no_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aecore", "list"],
        cwd=ROOT,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"denoise-030" in done.stdout
    assert b"?" in done.stdout
