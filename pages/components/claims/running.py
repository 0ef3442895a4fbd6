"""More evidence for a claim: what is missing of it, and further seeds, trained through the queue and watched here.

Whether a run is wanted, at work or done is read from the store, the queue and the published scores: so a second click,
another window and a restarted dashboard all see the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from aecore import AecoreError
from aecore.data import catalog
from aecore.data.catalog import SOURCES
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.scheduling import costs
from aecore.scheduling.entries import Entry, EntryState
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.studies import claim_scores, verdicts
from aecore.studies.claim_scores import Published
from aecore.studies.contrasts import PLANNED, Budget, Claim
from aecore.studies.verdicts import Judgement
from pages.app.pages import TRAIN
from pages.components import amounts, jobs, links, look, whole
from pages.components.claims import changes

SEEDS = 2  # that are added at first
MOST = 10  # that are added at once
_FAILURE = "claims not judged again"
_EVERY = 1.0  # seconds between two looks at the queue
_REMEMBERED = 600  # seconds that an estimate of time is used again
_WAY_OUT = "`python -m aecore data fetch {}`"


@dataclass(frozen=True)
class Wanted:
    """Runs that a button asks for, those that may be stored without weights under True; and their seeds."""

    specs: dict[bool, list[RunSpec]]
    seeds: tuple[int, ...]

    @property
    def every(self) -> list[RunSpec]:
        """All of them."""
        return [spec for specs in self.specs.values() for spec in specs]


def planned(claim: Claim, budget: Budget, read: Published) -> Wanted:
    """What is missing of the seeds that every contrast is planned with."""
    seeds = tuple(range(PLANNED))
    return Wanted(claim_scores.missing([claim], budget, list(seeds), read.scores), seeds)


def further(claim: Claim, budget: Budget, read: Published, count: int) -> Wanted:
    """The runs of the next `count` seeds after the planned ones of which anything is missing."""
    specs, seeds = dict[bool, list[RunSpec]]({True: [], False: []}), list[int]()
    seed = PLANNED
    while len(seeds) < count:
        missing = claim_scores.missing([claim], budget, [seed], read.scores)
        if any(missing.values()):
            seeds.append(seed)
            for light, runs in missing.items():
                specs[light] += runs
        seed += 1
    return Wanted(specs, tuple(seeds))


def panel(judgement: Judgement, budget: Budget, read: Published, changed: DeltaGenerator) -> None:
    """The buttons, and the progress of what they asked for; what came of it goes into the container `changed`."""
    claim = judgement.claim
    progress, controls = (st.container() for _ in range(2))  # see `jobs.watch`
    groups = frozenset(spec.group for spec in verdicts.specs(claim, budget, [0]))
    try:
        queued = _of_groups(Queue().entries(), groups)
    except AecoreError as error:
        st.error(str(error), icon=":material/database_off:")
        return
    live = [entry for entry in queued if entry.live]
    if live:
        changes.begin(claim, budget, judgement.own)
    with controls:
        _controls(judgement, budget, read, live)
    with progress:
        st.fragment(_watch, run_every=_EVERY if live else None)(groups, read, bool(live))
        if not live:
            _left_over(queued, read)
    with changed:
        changes.show(claim, budget, judgement.own)


# ---- the buttons


def _controls(judgement: Judgement, budget: Budget, read: Published, live: Sequence[Entry]) -> None:
    claim = judgement.claim
    absent = next((name for name in _datasets(claim) if not catalog.available(name)), None)
    why = f"Training needs all of {SOURCES[absent].title}: {_WAY_OUT.format(absent)}" if absent else ""
    lacking = planned(claim, budget, read)
    if lacking.every:
        runs = _counted(len(lacking.every))
        _cost(lacking, f"{PLANNED} seeds are planned; {runs} of them are missing under the {budget} budget")
        _button(f"Run what is missing: {runs}", "play_arrow", judgement, budget, lacking, why or _busy(live))
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            count = int(
                st.number_input("Seeds to add", SEEDS, MOST, SEEDS, key=f"seeds to add to {claim.name}", width=140)
            )
            more = further(claim, budget, read, count)
            _button(f"Add {count} seed{'s' * (count > 1)}", "add", judgement, budget, more, why or _busy(live))
        seeds = look.listed([str(seed) for seed in more.seeds])
        _cost(more, f"{_counted(len(more.every))} of seed{'s' * (count > 1)} {seeds} under the {budget} budget")
    st.caption(
        "Trains here, in Train's queue, and writes the scores to this machine's own `claims.json`. After the planned "
        "seeds the e-process and its confidence sequence decide: unlike Student's interval they stay valid however "
        "often seeds are added."
    )
    if absent:
        whole.offer(absent, why)


def _button(label: str, icon: str, judgement: Judgement, budget: Budget, wanted: Wanted, disabled: str) -> None:
    if st.button(
        label,
        icon=f":material/{icon}:",
        type="primary",
        disabled=bool(disabled),
        help=disabled or None,
        key=f"run for {judgement.claim.name} {budget}",
    ):
        changes.begin(judgement.claim, budget, judgement.own, again=True)
        if _submit(wanted):
            links.redraw()


def _counted(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"


def _busy(live: Sequence[Entry]) -> str:
    if live and all(entry.state == "paused" for entry in live):
        return f"{_counted(len(live))} of this sentence are paused: resume or cancel them in Train's queue."
    return "Runs of this sentence are being trained: wait for them first." if live else ""


def _submit(wanted: Wanted) -> bool:
    """Queue the runs; those that are trained already are judged at once where nothing else is to wait for."""
    entries = list[Entry]()
    try:
        queue, place = Queue(), Place.chosen()
        for light, specs in wanted.specs.items():
            entries += [queue.submit(spec, place, light=light) for spec in specs]
    except AecoreError as error:
        count = len(wanted.every)
        before = (
            f"{len(entries)} of {count} runs were queued; the button asks for the others later. " if entries else ""
        )
        st.error(f"{before}{error}", icon=":material/playlist_remove:")
        return False
    return any(entry.live for entry in entries) or _judge_again()


def _cost(wanted: Wanted, what: str) -> None:
    """How many runs are asked for, and how long they train."""
    trained = _trained(tuple(sorted({spec.group for spec in wanted.every})))
    seconds = sum(trained.get(spec.group) or _estimated(spec, spec.group) or 0.0 for spec in wanted.every)
    said = f", about {amounts.duration(seconds)} of training" if seconds else ""
    st.caption(f"{what}{said}.")


@st.cache_data(max_entries=64, ttl=_REMEMBERED, show_spinner=False)
def _trained(groups: tuple[str, ...]) -> dict[str, float]:
    """How many seconds the runs of these groups took that are in the store, by group."""
    by_group = defaultdict[str, list[float]](list)
    for run in Store().listing().runs:
        if run.spec.group in groups:
            by_group[run.spec.group].append(run.seconds)
    return {group: median(seconds) for group, seconds in by_group.items()}


@st.cache_data(max_entries=256, ttl=_REMEMBERED, show_spinner=False)
def _estimated(_spec: RunSpec, group: str) -> float | None:
    try:
        estimate = costs.estimate(_spec)
    except AecoreError:
        return None
    return estimate.seconds if estimate else None


def _datasets(claim: Claim) -> list[str]:
    return sorted({side.dataset for contrast in claim.contrasts for side in contrast.sides})


# ---- what they asked for


def _watch(groups: frozenset[str], read: Published, was_live: bool) -> None:
    """The progress of the runs; when the last one has ended, judge again and draw the page again."""
    try:
        queue = Queue()
        queue.reconcile()
        queued = _of_groups(queue.entries(), groups)
    except AecoreError as error:
        st.error(str(error), icon=":material/database_off:")
        return
    live = [entry for entry in queued if entry.live]
    if was_live and not live:
        # A failure is said above the button that tries again, not here every second.
        _judge_again()
        links.redraw()
    if not live:
        return
    done = len(_unpublished(queued, read, "finished"))
    running = [entry for entry in live if entry.state == "running"]
    paused = sum(entry.state == "paused" for entry in live)
    text = f"{_counted(len(live))} to go"
    if running:
        text += f"; {look.in_markdown(_doing(running[0]))}"
    if paused:
        text += f"; {paused} paused"
    st.progress(done / (done + len(live)), text)
    TRAIN.link("Watch or stop them in Train's queue", watched=str((running or live)[0].id))


def _doing(entry: Entry) -> str:
    epochs = entry.spec.recipe.epochs
    where = f"epoch {entry.epoch} of {epochs}" if entry.epoch else "starting"
    return f"{look.label(entry.spec)}, seed {entry.spec.seed}, {where}"


def _left_over(queued: Sequence[Entry], read: Published) -> None:
    """What was asked for and is not in the verdict: runs that finished unwatched, and those that were stopped."""
    if failure := st.session_state.pop(_FAILURE, None):
        st.error(failure, icon=":material/healing:")
    if done := _unpublished(queued, read, "finished"):
        label = f"Take {_counted(len(done))} into the verdict"
        clicked = st.button(label, icon=":material/balance:", help="They finished while no page watched them.")
        if clicked:
            _judge_again()
            links.redraw()
    if stopped := _unpublished(queued, read, "failed", "cancelled", "interrupted"):
        states = look.listed(sorted({entry.state for entry in stopped}))
        st.warning(f"{_counted(len(stopped))}: {states}.", icon=":material/playlist_remove:")
        TRAIN.link("See why in Train's queue", watched=str(stopped[0].id))


def _unpublished(queued: Sequence[Entry], read: Published, *states: EntryState) -> list[Entry]:
    """The entries in one of these states whose scores are not published, without finished runs that were deleted."""
    store, known = Store(), {(group, seed) for group, seed, _ in read.scores}
    return [
        entry
        for entry in queued
        if entry.state in states
        and (entry.spec.group, entry.spec.seed) not in known
        and (entry.state != "finished" or store.finished(entry.spec, light=True))
    ]


def _of_groups(entries: Sequence[Entry], groups: frozenset[str]) -> list[Entry]:
    """The newest entry of each run of these groups."""
    newest: dict[str, Entry] = {}
    for entry in entries:
        if entry.spec.group in groups and entry.id > (newest[entry.spec.key].id if entry.spec.key in newest else -1):
            newest[entry.spec.key] = entry
    return list(newest.values())


def _judge_again() -> bool:
    """Publish the scores of the finished runs; whether that went well."""
    jobs.one_core()  # a classifier may have to read reconstructions
    try:
        with st.spinner("Judging the claims again"):
            claim_scores.publish(Store())
    except AecoreError as error:
        st.session_state[_FAILURE] = str(error)
        return False
    return True
