"""Verdicts in words: the numbers are those of the evidence, and the sentence says what would change them."""

from typing import Any

import numpy as np
import pytest

from aecore.measuring.evidence import LEVEL, evidence, finding
from aecore.studies import verdict_words
from aecore.studies.claims import CLAIMS
from aecore.studies.contrasts import LEGIBLE, PLANNED, PSNR, SSIM, Measure
from aecore.studies.verdicts import Judged, Judgement

OWN = CLAIMS["strided"].contrasts[0]
SPREAD = np.array([-0.3, 0.2, 0.1, -0.2, 0.3, -0.1])


def judgement(mean: float, seeds: int = PLANNED, *, p: float = 0.001, budget: Any = "full") -> Judgement:
    values = np.resize(SPREAD, seeds) + mean
    judged = evidence(values, OWN.measure.smallest, planned=PLANNED)
    found = finding(judged, p)
    return Judgement(CLAIMS["strided"], (Judged(OWN, budget, dict(enumerate(values)), judged, None, p, found),))


def test_the_sentence_holds_the_numbers_of_the_evidence() -> None:
    said = verdict_words.sentence(judgement(1.0))
    assert said == (
        "After 2 epochs on all training pictures the pooled PSNR of shallow-strided is 1.00 dB higher than that of "
        "shallow-maxpool (95% interval +0.75 to +1.25, 6 seeds). The difference is significant and on the side of the "
        "claim."
    )
    worse = verdict_words.sentence(judgement(-1.0, budget="short"))
    assert worse.startswith("After 2 epochs on the first 10,000 training pictures the pooled PSNR")
    assert "is 1.00 dB lower than that of shallow-maxpool (95% interval −1.25 to −0.75, 6 seeds)" in worse
    assert "significant and against the claim" in worse


def test_added_seeds_are_spoken_of_with_their_confidence_sequence() -> None:
    assert "(95% confidence sequence " in verdict_words.sentence(judgement(1.0, 10))


def test_without_a_seed_no_number_is_made_up() -> None:
    untrained = Judgement(CLAIMS["strided"], (Judged(OWN, "full", {}),))
    assert verdict_words.sentence(untrained) == "shallow-strided and shallow-maxpool have no seed in common yet."
    assert verdict_words.change(untrained) == "6 seeds decide."
    assert verdict_words.change(judgement(1.0, 3)) == "6 seeds decide."


def test_an_undecided_claim_names_the_seeds_that_would_show_the_smallest_difference() -> None:
    said = verdict_words.change(judgement(0.02, p=0.9))
    seeds = int(said.split("about ")[1].split(" seeds")[0])
    draws = np.random.default_rng(0).normal(PSNR.smallest, SPREAD.std(ddof=1), (400, seeds))
    family = sum(len(claim.contrasts) for claim in CLAIMS.values())
    shown = np.mean([evidence(row, planned=PLANNED).e_value >= 2 * family / LEVEL for row in draws])
    assert 0.7 < shown < 0.9, "four of five studies of so many seeds show it"


def test_what_is_significant_and_may_not_matter_needs_a_narrower_interval() -> None:
    values = SPREAD / 6 + 0.09
    judged = evidence(values, PSNR.smallest, planned=PLANNED)
    own = Judged(OWN, "full", dict(enumerate(values)), judged, None, 0.01, finding(judged, 0.01))
    said = verdict_words.change(Judgement(CLAIMS["strided"], (own,)))
    assert (own.finding.verdict, said) == ("undecided", "More seeds would narrow the interval.")


def test_a_decided_claim_says_how_likely_a_new_seed_agrees() -> None:
    better, worse = verdict_words.change(judgement(1.0)), verdict_words.change(judgement(-1.0))
    assert better == worse
    assert better.startswith("A new seed has the same sign with a probability of ")
    assert "The full budget may turn it." in verdict_words.change(judgement(1.0, budget="short"))


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [(0.424, PSNR, "+0.42 dB"), (-1.0, PSNR, "−1.00 dB"), (0.00123, SSIM, "+0.0012"), (-2.34, LEGIBLE, "−2.3 points")],
)
def test_amounts_have_a_sign_and_the_unit(value: float, measure: Measure, text: str) -> None:
    assert verdict_words.amount(value, measure) == text
    assert verdict_words.size(value, measure) == text[1:]
