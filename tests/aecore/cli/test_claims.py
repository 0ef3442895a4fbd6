"""`claims`: the verdicts from the published scores, and what is missing for them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aecore.cli import claims as command
from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from aecore.studies import claim_scores, verdicts
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import Claim
from tests.pages.copies import copied


@pytest.fixture
def strided(monkeypatch: pytest.MonkeyPatch, checkpoints: Path) -> Claim:
    """The only claim, with one contrast, whose runs of six seeds are in the store."""
    claim = replace(CLAIMS["strided"], contrasts=CLAIMS["strided"].contrasts[:1])
    for module in (command, verdicts, claim_scores):
        monkeypatch.setattr(module, "CLAIMS", {"strided": claim})
    published = Store(Path(__file__).parents[3] / "checkpoints")
    for name in ("shallow-strided", "shallow-maxpool"):
        for seed in range(6):
            copied(published.find(name), checkpoints, seed=seed, light=seed > 0)
    return claim


def test_without_scores_the_way_to_them_is_said(aecore: Any) -> None:
    assert "No verdict is published here: `python -m aecore claims run`" in aecore("claims", "show").err
    assert aecore("claims", "show", "--json").json == []


def test_an_unknown_claim_is_said_with_the_known_ones(aecore: Any) -> None:
    for arguments in (["show", "nosuch"], ["run", "nosuch"]):
        done = aecore("claims", *arguments)
        assert done.status == 1
        assert "There is no claim 'nosuch': Claims: dense, more-dense," in done.err


def test_what_is_in_the_store_is_published_and_judged_without_training(
    aecore: Any, strided: Claim, checkpoints: Path
) -> None:
    done = aecore("claims", "run", "strided")
    assert done.status == 0
    assert "0 runs are missing." in done.err
    assert not Queue().entries()
    assert f"| {strided.words} | shallow | supported | +1.83 dB (+1.83 to +1.83) | 100% | 0.00 dB | " in done.out
    assert (checkpoints / "claims.json").exists()
    shown = aecore("claims", "show")
    (line,) = [line for line in shown.out.splitlines() if line.startswith(strided.words)]
    assert line.removeprefix(strided.words).split() == ["supported", "+1.83", "dB", "+1.83", "to", "+1.83", "6", "full"]
    shown = aecore("claims", "show", "strided").out
    assert f"{strided.words}: supported\n" in shown
    assert "the pooled PSNR of shallow-strided is 1.83 dB higher than that of shallow-maxpool (95% interval" in shown
    assert "shallow, from shallow-strided to shallow-maxpool: conv32:s2 → pool; equal code size" in shown
    (row,) = aecore("claims", "show", "--json").json
    assert (row["claim"], row["verdict"], row["budget"], len(row["differences"])) == ("strided", "supported", "full", 6)
    assert row["evidence"]["mean"] == pytest.approx(1.83, abs=0.01)
