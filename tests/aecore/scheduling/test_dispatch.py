"""The supervisor's side of the queue: which runs start, and what becomes of those whose processes are gone."""

import pytest

from aecore.scheduling.dispatch import ATTEMPTS, Dispatch
from aecore.scheduling.entries import GoneError
from aecore.scheduling.queue import Queue
from tests.aecore.scheduling.idle import report_epoch, start, submit


@pytest.fixture
def queue(idle: Queue) -> Queue:
    return idle


def test_a_process_stopped_by_nobody_here_is_interrupted(queue: Queue) -> None:
    run = submit(queue)
    Dispatch(queue).stopped(run, start(queue, run))
    entry = queue.entry(run)
    assert (entry.state, entry.reason) == ("interrupted", "Its process was stopped from outside.")
    assert queue.resume(run).state == "queued"


def test_orphans_go_on_in_their_old_place_and_fail_after_the_last_attempt(queue: Queue) -> None:
    run, other = submit(queue), submit(queue, 1)
    for number in range(1, ATTEMPTS + 1):
        assert [entry.id for entry in Dispatch(queue).waiting()] == [run, other]
        start(queue, run)
        assert queue.entry(run).attempt == number
        Dispatch(queue).recover()
    entry = queue.entry(run)
    assert entry.state == "failed"
    assert entry.reason == (
        "The process that supervised it was killed. It was started 3 times and got no epoch further."
    )
    queue.resume(run)
    start(queue, run)
    assert queue.entry(run).attempt == 1, "whoever asks again is given all attempts again"


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_orphans_that_were_to_be_stopped_are(wish: str, state: str, queue: Queue) -> None:
    run = submit(queue)
    start(queue, run)
    getattr(queue, wish)(run)
    Dispatch(queue).recover()
    assert queue.entry(run).state == state


def test_a_run_may_die_again_and_again_as_long_as_it_gets_further(queue: Queue) -> None:
    run = submit(queue)
    for epoch in range(1, 4):
        for _ in range(ATTEMPTS - 1):
            Dispatch(queue).lost(run, start(queue, run), "It was killed.")
        fence = start(queue, run)
        report_epoch(queue, run, fence, epoch)
        Dispatch(queue).lost(run, fence, "It was killed.")
        assert queue.entry(run).state == "queued"
    assert queue.entry(run).attempt == 3 * ATTEMPTS


def test_why_a_run_waits_is_in_its_entry_until_it_starts(queue: Queue) -> None:
    run = submit(queue)
    Dispatch(queue).delay(run, "There is no room.")
    assert queue.entry(run).queued_text == "queued, number 1. There is no room."
    start(queue, run)
    Dispatch(queue).delay(run, "There is no room.")
    assert queue.entry(run).reason is None


@pytest.mark.parametrize("is_new", [False, True])
def test_what_becomes_of_an_attempt_of_a_removed_queue_is_an_end_and_no_full_disk(is_new: bool, queue: Queue) -> None:
    """The supervisor tries again after any other error, so it would never end."""
    run = submit(queue)
    fence = start(queue, run)
    for file in queue.store.root.glob("queue.sqlite*"):
        file.unlink()
    if is_new:
        with queue.database.writing(create=True):
            pass
    for settle in (
        lambda: Dispatch(queue).lost(run, fence, "It was killed."),
        lambda: Dispatch(queue).stopped(run, fence),
    ):
        with pytest.raises(GoneError, match="There is no run 1" if is_new else "was removed, and with it the queue"):
            settle()
