"""What of a run's events is reported."""

from dataclasses import replace

import pytest

from aecore.runs.events import Scored
from aecore.scheduling import attempts
from aecore.scheduling.attempts import thinned
from aecore.training.events import Epoch, EpochEnded, Progress, State

STEPS = [Progress(1, images, 40, loss, 100.0, 1.0) for images, loss in ((10, 0.9), (20, 0.7), (30, 0.5), (40, 0.3))]
ENDED = EpochEnded(Epoch(1, 0.6, 0.5, 0.4, 100.0, 1.0), State(1, {}, {}))
SCORED = [Scored(2, 6), Scored(4, 6), Scored(6, 6)]


def test_no_more_than_one_report_every_so_often_whose_loss_is_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [*STEPS, ENDED, *SCORED]
    monkeypatch.setattr(attempts, "REPORT", 0.0)
    assert list(thinned(events)) == events
    monkeypatch.setattr(attempts, "REPORT", float("inf"))
    assert list(thinned(events)) == [
        replace(STEPS[0], loss=0.9),  # the first is due at once
        replace(STEPS[3], loss=pytest.approx((0.7 + 0.5 + 0.3) / 3)),
        ENDED,
        SCORED[2],
    ]
