"""The rounds of the blind test: reproducible, balanced, and with the right answer by an error computed by hand."""

from collections import Counter
from itertools import combinations
from math import log, log10

import numpy as np
import pytest
from numpy.typing import NDArray

from aecore.studies import discrimination
from aecore.studies.discrimination import ABX, BLOCK, CLOSER, MODES, POOL, Round, draw, pool

Pixels = NDArray[np.uint8]
MODELS = 6


@pytest.fixture(scope="module")
def clean() -> Pixels:
    return np.random.default_rng(0).integers(60, 196, (POOL, 3, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def outputs(clean: Pixels) -> Pixels:
    """Six models, the better ones with little noise and the others with much, of another strength on each picture."""
    random = np.random.default_rng(1)
    shape = (MODELS, *clean.shape)
    levels = random.uniform(1, 8, (MODELS, POOL, 1, 1, 1)) * np.geomspace(0.6, 2, MODELS)[:, None, None, None, None]
    return np.clip(clean + levels * random.standard_normal(shape), 0, 255).round().astype(np.uint8)


def mse(one: Pixels, other: Pixels) -> float:
    values = list(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return sum((left - right) ** 2 for left, right in values) / len(values) / 255**2


@pytest.mark.parametrize("mode", MODES)
def test_the_same_seed_and_block_give_the_same_rounds(mode: str, outputs: Pixels, clean: Pixels) -> None:
    rounds = draw(mode, outputs, clean, 3, 0)
    assert rounds == draw(mode, outputs, clean, 3, 0)
    assert [one.number for one in rounds] == list(range(BLOCK))
    assert [one.number for one in draw(mode, outputs, clean, 3, 2)] == list(range(2 * BLOCK, 3 * BLOCK))
    others = (draw(mode, outputs, clean, 4, 0), draw(mode, outputs, clean, 3, 1))
    assert all([one.picture for one in other] != [one.picture for one in rounds] for other in others)


def test_the_closer_one_is_that_of_lower_error(outputs: Pixels, clean: Pixels) -> None:
    for one in draw(CLOSER, outputs, clean, 5, 0):
        left, right = (mse(outputs[place, one.picture], clean[one.picture]) for place in (one.left, one.right))
        assert one.answer == ("left" if left < right else "right")
        assert one.strength == pytest.approx(abs(10 * log10(left / right)))


def test_in_abx_the_strength_is_the_difference_of_the_two(outputs: Pixels, clean: Pixels) -> None:
    for one in draw(ABX, outputs, clean, 5, 0):
        assert one.strength == pytest.approx(
            mse(*(outputs[place, one.picture] for place in (one.left, one.right))) ** 0.5
        )


@pytest.mark.parametrize("mode", MODES)
def test_neither_side_nor_model_gives_the_answer_away(mode: str, outputs: Pixels, clean: Pixels) -> None:
    rounds = [one for block in range(20) for one in draw(mode, outputs, clean, 1, block)]
    # 400 fair draws: a share outside of 40 to 60% comes once in 15,000 tests.
    assert 160 < sum(one.answer == "left" for one in rounds) < 240
    assert 160 < sum(one.left < one.right for one in rounds) < 240


@pytest.mark.parametrize("mode", MODES)
def test_strengths_are_spread_over_the_logarithmic_scale(mode: str, outputs: Pixels, clean: Pixels) -> None:
    rule = MODES[mode]
    values = discrimination.strengths(mode, outputs, clean)
    lowest, highest = max(rule.lowest, np.nanmin(values)), min(rule.highest, np.nanmax(values))
    shown = np.log([one.strength for block in range(5) for one in draw(mode, outputs, clean, 2, block)])
    counts, _ = np.histogram(shown, np.linspace(log(rule.lowest), log(rule.highest), 5))
    reached = [
        quarter
        for quarter, (low, high) in enumerate(np.linspace([0, 0.25], [0.75, 1], 4))
        if lowest <= rule.lowest * (rule.highest / rule.lowest) ** low
        and highest >= rule.lowest * (rule.highest / rule.lowest) ** high
    ]
    assert len(reached) >= 2
    assert all(counts[quarter] >= 15 for quarter in reached)


@pytest.mark.parametrize("mode", MODES)
def test_pictures_are_shown_once_and_pairs_about_equally_often(mode: str, outputs: Pixels, clean: Pixels) -> None:
    rounds = draw(mode, outputs, clean, 9, 0)
    assert len({one.picture for one in rounds}) == BLOCK
    pairs = Counter(frozenset((one.left, one.right)) for one in rounds)
    # 20 rounds of 15 pairs.
    assert max(pairs.values()) <= 4
    assert len(pairs) >= 10
    assert pairs.keys() <= {frozenset(pair) for pair in combinations(range(MODELS), 2)}


def test_a_few_pictures_are_shown_again_in_turn(outputs: Pixels, clean: Pixels) -> None:
    rounds = draw(CLOSER, outputs[:, :4], clean[:4], 0, 0)
    assert sorted(Counter(one.picture for one in rounds).values()) == [5] * 4
    assert len({one.picture for one in rounds[:4]}) == 4


@pytest.mark.parametrize("mode", MODES)
def test_where_nothing_differs_there_is_no_round(mode: str, outputs: Pixels, clean: Pixels) -> None:
    assert draw(mode, outputs[:1], clean, 0, 0) == []
    assert draw(mode, np.stack([outputs[0], outputs[0]]), clean, 0, 0) == []


def test_without_an_error_there_is_no_difference_in_decibels(outputs: Pixels, clean: Pixels) -> None:
    assert draw(CLOSER, np.stack([clean, outputs[0]]), clean, 0, 0) == []
    assert len(draw(ABX, np.stack([clean, outputs[0]]), clean, 0, 0)) == BLOCK


def test_pairs_that_do_not_differ_on_a_picture_are_not_shown_there(outputs: Pixels, clean: Pixels) -> None:
    same = outputs[:2].copy()
    same[1, ::2] = same[0, ::2]
    rounds: list[Round] = draw(ABX, same, clean, 0, 0)
    assert len(rounds) == BLOCK
    assert all(one.picture % 2 for one in rounds)


def test_no_picture_is_in_two_blocks_before_all_have_been_in_one() -> None:
    blocks = [pool(1000, 6, block) for block in range(25)]
    assert sorted(picture for block in blocks for picture in block) == list(range(1000))
    assert pool(1000, 6, 25) != blocks[0]
    assert pool(1000, 7, 0) != blocks[0]
    assert pool(30, 6, 3) == tuple(range(30))
