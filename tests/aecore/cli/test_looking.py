"""`look` shows how an architecture learns, and stores nothing but its speed."""

import base64
import json
from typing import Any

import pytest

from aecore.models import zoo
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from aecore.scheduling.speeds import Speeds
from tests.aecore.cli.commands import LAYERS


def test_every_glance_is_a_line_of_json(aecore: Any) -> None:
    done = aecore("look", LAYERS, "--seconds", 0.5, "--device", "cpu", "--json")
    assert done.status == 0
    glances = [json.loads(line) for line in done.out.splitlines()]
    assert [set(glance) for glance in glances] == [{"seconds", "pictures", "psnr", "png"}] * len(glances)
    assert len(glances) > 1
    assert base64.b64decode(glances[0]["png"]).startswith(b"\x89PNG")
    listing = Store().listing()
    assert (listing.runs, listing.unfinished, listing.damaged) == ([], [], [])


def test_the_speed_of_a_look_is_known_afterwards(aecore: Any) -> None:
    done = aecore("look", LAYERS, "--seconds", 1.5, "--device", "cpu")
    assert done.out.splitlines()[0].endswith("dB")
    start = zoo.from_text(LAYERS)
    spec = RunSpec(start.architecture, start.recipe, start.dataset, "", name=start.name)
    assert (Speeds(Queue().database).find(spec, "cpu") or 0) > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conv2048:k31 | conv3"], "Layer 1"),
        (["conv8 | conv4"], "must end with"),
        (["3x48x48 | conv8:s2 | up | conv3"], "No data set here has pictures of 3×48×48"),
        (["nothing-of-this-name"], "There is no system"),
        ([LAYERS, "--seconds", "0"], "more than 0 and at most 600 seconds"),
        ([LAYERS, "--seconds", "1e9"], "more than 0 and at most 600 seconds"),
    ],
)
def test_what_cannot_be_looked_at_is_said_in_a_sentence(arguments: list[str], said: str, aecore: Any) -> None:
    done = aecore("look", *arguments)
    assert done.status == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1
