"""The card of a run says what its pictures are, and not where a folder of them lies."""

import json
from dataclasses import replace

import pytest

from aecore.data import datasets
from aecore.runs import model_cards
from aecore.runs.store import Run, Store


def card_of(dataset: str) -> str:
    """The card of a published run, as if it were trained on another data set."""
    run: Run = Store().find("shallow-maxpool")
    return model_cards.card(replace(run, spec=replace(run.spec, dataset=dataset)), "run.zip", None)


@pytest.mark.parametrize("name", ["cifar10", "mnist", "sample", "scenes-64"])
def test_a_data_set_has_its_title(name: str) -> None:
    card, title = card_of(name), datasets.load(name).title
    lines = card.splitlines()
    shown = lines[lines.index(f"      type: {name}") + 1]
    assert json.loads(shown.removeprefix("      name: ")) == title  # the texts of the YAML are quoted as JSON's
    assert f"| data | {title} |" in lines
    assert f"On the 10,000 test pictures of {title}. The pooled PSNR" in card
    assert "own pictures" not in card


@pytest.mark.parametrize("name", ["folder:/home/somebody/pictures", "folder@64:/home/somebody/pictures", "folder:"])
def test_the_pictures_of_a_folder_are_one_s_own(name: str) -> None:
    card = card_of(name)
    assert "      type: own-pictures\n" in card
    assert "| data | own pictures |" in card
    assert "On 10,000 test pictures of one's own. The pooled PSNR" in card
    assert "somebody" not in card
