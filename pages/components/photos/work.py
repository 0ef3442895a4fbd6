"""A photograph through models and methods, in the background; the outputs belong to the session.

An output of a large photograph takes as much memory as a thousand small pictures. So unlike those of other pages it is
not shared: each session has its own, up to `MOST_HELD` bytes, and they go with it. What no page looks at is given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any

import streamlit as st
import torch

from aecore import AecoreError
from aecore.data.noise import Noise, noisy
from aecore.data.photographs import Photograph
from aecore.data.splits import to_float
from aecore.measuring import large
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors import tiled
from aecore.reconstructors.pca import Identity
from aecore.studies.contestants import FOREIGN, Contestant
from pages.components import cached, jobs, links
from pages.components.cached import Pixels
from pages.components.lens import panes
from pages.components.photos import choices

MOST_HELD = 400_000_000  # bytes of pixels
NOISY = "noisy"  # the key of the noisy photograph itself
_WORKS = "works on photographs"
_WANTED = 10  # seconds that a work goes on after a page last looked
_MOMENT = 0.3  # seconds that the page waits for its works before it is drawn without them
_EVERY = 0.5  # seconds between two looks

Facts = tuple[str, str, str, int]  # the photograph's digest, the contestant's key, the noise, its seed


@dataclass(frozen=True, eq=False)
class Output:
    """The output for a photograph: its pixels `[3, H, W]`, clamped, its `file` for the lens, and its scores.

    `way` is how it was computed, and `seconds` how long that took, without fitting and tuning.
    """

    pixels: Pixels
    file: bytes
    scores: Mapping[str, float]
    way: str
    seconds: float


@dataclass(eq=False)
class Work:
    """One contestant on one photograph: how much of it is done, when a page last looked, and when it ended.

    A person has given it up, or it was abandoned because no page looked any more.
    """

    share: float = 0.0
    asked: float = field(default_factory=monotonic)
    ended: float = inf
    is_given_up: bool = False
    is_abandoned: bool = False
    job: Future[Output] | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.is_given_up or self.is_abandoned or (self.job is not None and self.job.done())

    @property
    def output(self) -> Output | None:
        """The output, once it is there."""
        done = self.job is not None and self.job.done() and not self.job.cancelled() and self.job.exception() is None
        return self.job.result() if done and self.job else None

    @property
    def failure(self) -> BaseException | None:
        """What went wrong."""
        done = self.job is not None and self.job.done() and not self.job.cancelled()
        failure = self.job.exception() if done and self.job else None
        return None if isinstance(failure, CancelledError) else failure

    @property
    def must_begin_again(self) -> bool:
        """Whether it was abandoned while another page was open, or failed so long ago that the cause may be gone."""
        return self.is_abandoned or (self.failure is not None and monotonic() - self.ended >= jobs.FORGIVEN)

    def give_up(self) -> None:
        """Stop at the next part."""
        self.is_given_up = True
        if self.job:
            self.job.cancel()

    def check(self) -> None:
        """Raise `CancelledError` if it should not go on."""
        self.is_abandoned |= monotonic() - self.asked > _WANTED
        if self.is_given_up or self.is_abandoned:
            raise CancelledError


def begun(photograph: Photograph, chosen: Sequence[Contestant], noise: Noise | None, seed: int) -> dict[str, Work]:
    """The work of each of the `chosen`, by key, and with `noise` that of the noisy photograph; begun if it is new.

    Whatever else the session works on is given up. Of outputs that are not shown, the latest are held.
    """
    works: dict[Facts, Work] = st.session_state.setdefault(_WORKS, {})
    wanted = [None] * bool(noise) + sorted(chosen, key=lambda contestant: (contestant.is_slow, contestant.effort))
    facts = {_key(contestant): (photograph.digest, _key(contestant), str(noise), seed) for contestant in wanted}
    for other in set(works) - set(facts.values()):
        if works[other].output is None:
            works.pop(other).give_up()
    _forget_oldest(works, set(facts.values()))
    for contestant in wanted:
        own = facts[_key(contestant)]
        work = works.pop(own, None)
        if work is None or work.must_begin_again:
            work = _begun(photograph, contestant, noise, seed)
        work.asked = monotonic()
        works[own] = work  # the latest comes last
    return {key: works[own] for key, own in facts.items()}


def again() -> None:
    """Begin again what was given up."""
    works: dict[Facts, Work] = st.session_state.get(_WORKS, {})
    for facts in [facts for facts, work in works.items() if work.is_given_up]:
        del works[facts]


def forget(digest: str) -> None:
    """Drop every work on a photograph, with its output, and give up what is not done."""
    works: dict[Facts, Work] = st.session_state.get(_WORKS, {})
    for facts in [facts for facts in works if facts[0] == digest]:
        works.pop(facts).give_up()


def wait(works: Iterable[Work]) -> None:
    """Wait a moment for those that are quick."""
    end = monotonic() + _MOMENT
    for work in works:
        if work.job and not work.is_over:
            try:
                work.job.exception(max(end - monotonic(), 0))
            except (TimeoutError, CancelledError):
                continue


def watch(works: Mapping[str, Work], names: Mapping[str, str]) -> None:
    """Say how far the works are, offer to cancel them, and draw the page again when another one is over.

    Call it in a container that was made before the controls: see `jobs.watch`.
    """
    late = {key: work for key, work in works.items() if not work.is_over}
    st.fragment(_look_again, run_every=_EVERY if late else None)(works, late, names)


def _look_again(works: Mapping[str, Work], late: Mapping[str, Work], names: Mapping[str, str]) -> None:
    if any(work.is_over for work in late.values()):
        links.redraw()
    if late:
        for work in late.values():
            work.asked = monotonic()
        done = sum(1.0 if work.is_over else work.share for work in works.values()) / len(works)
        now = next((key for key, work in late.items() if work.share > 0), next(iter(late)))
        with st.container(horizontal=True, vertical_alignment="center"):
            left = f", {len(late) - 1} more to come" if len(late) > 1 else ""
            st.progress(done, f"Computing {names[now]}: {late[now].share:.0%}{left}")
            if st.button("Cancel", icon=":material/close:", key="cancel works on photographs"):
                for work in late.values():
                    work.give_up()
                links.redraw()
    elif any(work.is_given_up for work in works.values()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Cancelled: what was not done yet is left out.", width="content")
            if st.button("Compute it", icon=":material/play_arrow:", key="works on photographs again"):
                again()
                links.redraw()


def _key(contestant: Contestant | None) -> str:
    return contestant.key if contestant else NOISY


def _forget_oldest(works: dict[Facts, Work], wanted: set[Facts]) -> None:
    held = sum(_bytes(work) for work in works.values())
    for facts in [facts for facts in works if facts not in wanted]:
        if held <= MOST_HELD:
            return
        held -= _bytes(works.pop(facts))


def _bytes(work: Work) -> int:
    return work.output.pixels.nbytes if work.output else 0


def _begun(photograph: Photograph, contestant: Contestant | None, noise: Noise | None, seed: int) -> Work:
    work = Work()
    work.job = jobs.LANES[_lane(contestant)].submit(_ended, work, photograph, contestant, noise, seed)
    return work


def _lane(contestant: Contestant | None) -> jobs.Lane:
    if contestant and contestant.family == FOREIGN:
        return "photographs of others"
    return "slow photographs" if contestant and contestant.is_slow else "photographs"


def _ended(work: Work, *facts: Any) -> Output:
    try:
        return _computed(work, *facts)
    finally:
        work.ended = monotonic()


def _computed(
    work: Work, photograph: Photograph, contestant: Contestant | None, noise: Noise | None, seed: int
) -> Output:
    work.check()
    reconstruct = _reconstructor(contestant, noise)
    clean = to_float(torch.from_numpy(photograph.pixels)[None])
    given = noisy(clean, noise, seed, (0,))
    shape = (contestant and contestant.shape) or choices.SHAPE
    start = monotonic()
    with closing(tiled.at_full_resolution(reconstruct, given, shape)) as steps:
        output = _followed(work, steps)
    seconds = monotonic() - start
    work.check()
    scores = large.scores(output, clean)
    pixels = (output[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    way = tiled.way(reconstruct, photograph.size, shape)
    return Output(pixels, panes.file_of(pixels), scores, way, seconds)


def _followed(work: Work, steps: tiled.Steps) -> torch.Tensor:
    """What `steps` returns in the end, while `work` says how far they are."""
    while True:
        try:
            work.share = next(steps)
        except StopIteration as end:
            output: torch.Tensor = end.value
            return output
        work.check()


def _reconstructor(contestant: Contestant | None, noise: Noise | None) -> Reconstructor:
    if contestant is None:
        return Identity(3072)
    return cached.reconstructor(contestant, choices.dataset(), noise)


def failures(works: Mapping[str, Work]) -> list[str]:
    """A sentence for each work that failed for a reason that can be mended; any other failure is raised."""
    sentences = []
    for work in works.values():
        if failure := work.failure:
            if not isinstance(failure, AecoreError):
                raise failure
            sentences.append(str(failure))
    return sentences
