"""What a run's process reports: where it stands and its curve, and only the current attempt has a say."""

import pytest

from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.entries import SupersededError
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import POINTS_AT_MOST, Report, keeps_preview
from tests.aecore.scheduling.idle import CPU, progress, report_epoch, spec_of, start, submit


@pytest.fixture
def queue(idle: Queue) -> Queue:
    return idle


def test_the_curve_and_where_it_stands(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    Report(queue, run, fence).progress(progress(1, 30, 0.7))
    entry = queue.entry(run)
    assert (entry.epoch, entry.images, entry.images_in_epoch, entry.loss) == (1, 30, 100, 0.7)
    assert (entry.images_per_second, entry.seconds_left, entry.whole_epochs, entry.attempt) == (1000.0, 3.0, 0, 1)
    for epoch in (1, 2):
        report_epoch(queue, run, fence, epoch)
    assert queue.entry(run).whole_epochs == 2
    assert [(row.epoch, row.train_loss, row.validation_loss, row.preview) for row in queue.epochs(run)] == [
        (1, 1.0, 2.0, b"after 1"),
        (2, 0.5, 1.0, b"after 2"),
    ]
    assert queue.points(run) == [(0.3, 0.7), (1.0, 0.5), (2.0, 0.5)]
    Report(queue, run, fence).scored(0.25)
    assert (queue.entry(run).scored, queue.entry(run).seconds_left) == (0.25, None)
    Report(queue, run, fence).end("finished")
    assert queue.entry(run).state == "finished"


def test_a_light_run_that_finishes_just_as_its_weights_are_asked_for_is_queued_again(queue: Queue) -> None:
    run = queue.submit(spec_of(), CPU, light=True).id
    fence = start(queue, run)
    queue.submit(spec_of(), CPU)
    Report(queue, run, fence).end("finished")
    assert (queue.entry(run).state, queue.entry(run).ended) == ("queued", None)
    fence = start(queue, run)
    Report(queue, run, fence).end("finished")
    assert queue.entry(run).state == "finished"


def test_an_attempt_that_was_superseded_has_no_say(queue: Queue) -> None:
    run = submit(queue)
    old = start(queue, run)
    Dispatch(queue).lost(run, old, "It was killed.")
    new = start(queue, run)
    assert new != old
    assert Report(queue, run, old).is_stopped()
    assert not Report(queue, run, new).is_stopped()
    before = queue.entry(run)
    with pytest.raises(SupersededError):
        Report(queue, run, old).progress(progress(1))
    with pytest.raises(SupersededError):
        report_epoch(queue, run, old, 1)
    Report(queue, run, old).end("failed", "says the old one")
    Dispatch(queue).lost(run, old, "says the old one")
    assert queue.entry(run) == before
    assert (queue.epochs(run), queue.points(run)) == ([], [])
    Report(queue, run, new).end("finished")
    Report(queue, run, new).end("failed", "only the first word counts")
    assert queue.entry(run).state == "finished"


def test_what_a_lost_attempt_had_not_finished_is_replaced(queue: Queue) -> None:
    run = submit(queue)
    fence = start(queue, run)
    for epoch in (1, 2, 3):
        report_epoch(queue, run, fence, epoch)
    Dispatch(queue).lost(run, fence, "It was killed.")
    fence = start(queue, run)
    Report(queue, run, fence).progress(progress(2, 40))
    assert [row.epoch for row in queue.epochs(run)] == [1]
    assert [at for at, _ in queue.points(run)] == [1.0, 1.4]


def test_epochs_trained_by_another_entry_of_the_spec_are_in_the_curve(queue: Queue) -> None:
    first = submit(queue)
    fence = start(queue, first)
    for epoch in (1, 2):
        report_epoch(queue, first, fence, epoch)
    queue.cancel(first)
    Dispatch(queue).stopped(first, fence)
    again = submit(queue)
    report_epoch(queue, again, start(queue, again), 3)
    assert [(row.epoch, row.preview) for row in queue.epochs(again)] == [(1, None), (2, None), (3, b"after 3")]


def test_long_runs_keep_few_points_and_few_previews(queue: Queue) -> None:
    for epochs in (1, 2, 8, 9, 39, 40, 41, 62, 63, 100, 999, 10_000):
        previews = {epoch for epoch in range(1, epochs + 1) if keeps_preview(epoch, epochs)} | {epochs}
        assert len(previews) <= 40
        assert set(range(1, min(epochs, 8) + 1)) <= previews
    run, epochs = submit(queue, epochs=300), 300
    fence = start(queue, run)
    for epoch in range(1, epochs + 1):
        report_epoch(queue, run, fence, epoch)
        for images in (20, 50, 90):
            Report(queue, run, fence).progress(progress(min(epoch + 1, epochs), images))
        if epoch in (12, 155):
            assert [row.epoch for row in queue.epochs(run)] == list(range(1, epoch + 1))
            assert queue.epochs(run)[-1].preview == b"after %d" % epoch, "the last one is always there"
            assert [row.epoch for row in queue.epochs(run) if row.preview][:9] == [*range(1, 9), 10]
    points = queue.points(run)
    assert 290 <= len(points) <= POINTS_AT_MOST
    assert points == sorted(points)
    assert 30 <= sum(row.preview is not None for row in queue.epochs(run)) <= 40
