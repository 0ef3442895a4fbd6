"""What a line of layers costs, and what it looks like."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.data.catalog import SOURCES
from aecore.models.diagnosis import Diagnosis
from aecore.models.layers import shape_text
from aecore.models.recipe import RunSpec
from aecore.models.zoo import Start
from aecore.scheduling import costs
from aecore.scheduling.costs import Estimate
from aecore.scheduling.places import device_name
from pages.components import amounts, diagrams, measuring
from pages.components.diagrams import Begun

_MEASURE = (
    "The time of an epoch (≈) is a rough guess from other runs, which may be off by half and more. This trains for a "
    "second and measures it."
)


def diagram(diagnosis: Diagnosis) -> None:
    """The tensors to scale; of a line that is not legal, those before the first layer that does not fit."""
    if diagnosis.architecture:
        diagrams.show(diagnosis.architecture, "this line", "build")
        return
    steps = tuple(row.step for row in diagnosis.rows)
    layers = sum(word.position is not None for word in diagnosis.words)
    stops_at = len(steps) + 1 if len(steps) < layers else None
    diagrams.show(Begun(diagnosis.input_shape, steps, stops_at), "this line", "build")


def figures(diagnosis: Diagnosis, start: Start | None) -> None:
    """Weights, multiplications, code, receptive field and seconds per epoch; dashes while the line is not legal."""
    architecture = diagnosis.architecture
    facts = {
        "Parameters": (
            amounts.short(architecture.parameters) if architecture else "–",
            "The numbers that training sets.",
        ),
        "MACs": (
            amounts.short(architecture.macs) if architecture else "–",
            "Multiply-accumulate operations to reconstruct one picture; training takes about three times that.",
        ),
        "Code": (
            amounts.code(architecture) if architecture else "–",
            "Numbers in the smallest tensor that everything passes through, and their ratio to the picture's. "
            "Above 1× the model need not compress.",
        ),
        "Receptive field": (
            shape_text(diagnosis.rows[-1].receptive_field) if architecture and diagnosis.rows else "–",
            "The largest window of the input, in pixels, that one output pixel can depend on.",
        ),
    }
    unknown = {"An epoch": ("–", "Seconds of training on all pictures once.")}
    facts |= _epochs(_per_epoch(_spec(start))) if start else unknown
    with st.container(horizontal=True, gap="small", key="build-figures"):
        for title, (value, meaning) in facts.items():
            st.metric(title, value, width="content", help=meaning)


def measure(start: Start) -> None:
    """A button that measures the speed, unless one is known that was measured."""
    spec = _spec(start)
    if any(estimate.measured_here for estimate in _per_epoch(spec).values()):
        return
    if st.button("Measure the epoch", icon=":material/timer:", help=_MEASURE):
        measuring.measure(spec, device_name(None))


def _spec(start: Start) -> RunSpec:
    return RunSpec(start.architecture, start.recipe, start.dataset, "", name=start.name)


def problems(diagnosis: Diagnosis) -> None:
    """How much is to be mended, where nothing can be shown yet."""
    count = len(diagnosis.problems)
    if not any(word.position for word in diagnosis.words):
        st.info("Add a first layer above the list, or start from a system.", icon=":material/add:")
        return
    st.info(
        f"{count} problem{'s' if count > 1 else ''} to mend in the list: what a layer needs stands below it, with a "
        "button that does it. Then the network's pictures appear here.",
        icon=":material/build:",
    )


def _per_epoch(spec: RunSpec) -> dict[str, Estimate]:
    """What is known of the time of an epoch, by device."""
    source = SOURCES.get(spec.dataset)
    if source is None or source.shape != spec.architecture.input_shape:
        return {}
    try:
        return costs.per_epoch(spec, source.learning_pictures)
    except AecoreError:
        return {}  # the queue, which keeps what was measured, is out of order: the Train page says so


def _epochs(known: dict[str, Estimate]) -> dict[str, tuple[str, str]]:
    """The time of an epoch on every device of which something is known."""
    return {
        f"An epoch, {device.partition(' ')[0].upper()}": (
            f"{'' if estimate.measured_here else '≈ '}{_seconds(estimate.seconds)}",
            f"With all training pictures, on {device}: {estimate.images_per_second:,.0f} pictures per second, "
            f"{estimate.source}.",
        )
        for device, estimate in known.items()
    }


def _seconds(seconds: float) -> str:
    """Short times with two digits: what takes 0.4 s is not to read 0 s."""
    return f"{seconds:.2g} s" if seconds < 9.5 else amounts.duration(seconds)
