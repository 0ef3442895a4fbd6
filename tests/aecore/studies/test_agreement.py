"""Which metric agrees with a viewer: SciPy's exact interval, and counts by hand."""

from math import comb

import pytest
from scipy.stats import binomtest

from aecore.studies import agreement
from aecore.studies.agreement import Share
from aecore.studies.answers import Answer
from tests.aecore.studies.made_up_answers import answer

# MSE prefers the left one in all but the last; the viewer chose left in the first two.
ANSWERS: list[Answer] = [
    answer(0, left={"mse": 0.1, "ssim": 0.9, "dss": 0.0}, other={"mse": 0.2, "ssim": 0.8, "dss": 0.0}),
    answer(1, left={"mse": 0.1, "ssim": 0.7, "dss": 0.5}, other={"mse": 0.2, "ssim": 0.8, "dss": 0.4}),
    answer(2, right=False, left={"mse": 0.1, "ssim": 0.7, "dss": None}, other={"mse": 0.2, "ssim": 0.8, "dss": 0.4}),
    answer(3, right=False, left={"mse": 0.3, "ssim": 0.7, "dss": 0.1}, other={"mse": 0.2, "ssim": 0.8, "dss": 0.2}),
]


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (77, 103), (1, 1)])
def test_the_interval_is_clopper_and_pearsons(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(0.95, "exact")
    assert Share(count, total).interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert Share(count, total).value == count / total


def test_a_share_of_nothing_may_be_anything() -> None:
    assert Share(0, 0).interval == (0, 1)


def test_each_metric_is_counted_by_its_own_direction_and_ties_are_left_out() -> None:
    shares = {row.metric: (row.share.count, row.share.total, row.ties) for row in agreement.agreements(ANSWERS)}
    assert shares == {"mse": (3, 4, 0), "ssim": (3, 4, 0), "dss": (2, 2, 2)}
    assert agreement.agreements(ANSWERS)[0].metric == "dss"


def test_agreement_with_mse_is_the_score() -> None:
    answers = [answer(number, right=number % 3 > 0) for number in range(12)]
    (mse,) = agreement.agreements(answers)
    assert (mse.share.count, mse.share.total) == (sum(one.is_right for one in answers), 12) == (8, 12)


def test_two_metrics_are_compared_where_they_disagree() -> None:
    between = agreement.dispute(ANSWERS, "ssim", "mse")
    assert (between.share.count, between.share.total) == (1, 2)
    assert between.p == 1
    sides = [answer(n, right=n == 0, left={"mse": 0.1, "ssim": 0.7}, other={"mse": 0.2, "ssim": 0.8}) for n in range(8)]
    between = agreement.dispute(sides, "ssim", "mse")
    assert (between.share.count, between.share.total) == (7, 8)
    assert between.p == pytest.approx(2 * (comb(8, 7) + comb(8, 8)) / 2**8)


def test_without_a_dispute_nothing_is_shown() -> None:
    assert agreement.dispute([answer()], "mse", "mse").p == 1
    assert agreement.agreements([]) == []
