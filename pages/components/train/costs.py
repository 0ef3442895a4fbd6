"""What a plan will cost, before it is launched."""

from __future__ import annotations

import streamlit as st

from aecore import AecoreError
from aecore.scheduling import costs
from pages.components import amounts, measuring
from pages.components.train.recipes import Plan


def show(plan: Plan) -> None:
    """Parameters, multiplications and seconds, and a button to measure the latter."""
    spec, runs = plan.specs[0], len(plan.specs)
    try:
        estimate = costs.estimate(spec, plan.place.device, runs=runs) if plan.place.is_here else None
    except AecoreError:
        estimate = None  # the queue, which keeps what was measured, is out of order: its own panel says so
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Parameters",
            amounts.short(spec.architecture.parameters),
            width="content",
            help="The numbers that training sets.",
        )
        st.metric(
            "MACs per picture",
            amounts.short(spec.architecture.macs),
            width="content",
            help="Multiply-accumulate operations to reconstruct a picture; training takes about three times that.",
        )
        st.metric(
            "Training" if runs == 1 else f"Training, {runs} runs",
            f"≈ {amounts.duration(estimate.seconds)}" if estimate else "unknown",
            width="content",
            help="Training alone, without loading and scoring, on an otherwise idle device.",
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        if not plan.place.is_here:
            st.caption("The speed of its nodes is unknown until they have trained.", width="stretch")
            return
        if estimate is None:
            st.caption("Not measured on this device yet.", width="stretch")
        else:
            st.caption(f"{estimate.images_per_second:,.0f} images/s, {estimate.source}.", width="stretch")
        if not (estimate and estimate.measured_here) and st.button("Measure", icon=":material/timer:"):
            measuring.measure(spec, plan.place.device)
