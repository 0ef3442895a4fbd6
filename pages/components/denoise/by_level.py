"""Which denoiser is best at which level: the published curves, or a table measured on request."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from aecore.data.noise import Noise
from aecore.files.figures import PublishedError
from aecore.measuring.intervals import margin
from aecore.measuring.totals import Totals
from aecore.studies import ceiling
from aecore.studies.contestants import Contestant
from aecore.studies.denoising import SUBSET, Curves
from pages.components import cached, jobs, look
from pages.components.denoise import choices, levels
from pages.components.explain import explain

MEASURED = 100  # test pictures for a noise without published curves
_GAIN = "Gain over the Wiener filter"
# On all pictures, and on those that slow denoisers were measured on.
_GAINS: tuple[levels.Metric, levels.Metric] = ("gain", "gain_subset")
_SHARE = "Share of the possible gain"
_METRICS: dict[str, tuple[levels.Metric, levels.Metric]] = {
    "PSNR": ("psnr", "psnr_subset"),
    "PSNR, pooled": ("psnr_pooled", "psnr_pooled"),
    "SSIM": ("ssim", "ssim_subset"),
}
_SHARES: tuple[levels.Metric, levels.Metric] = ("share", "share")
_REQUESTED = "measured on denoise"


@st.fragment
def show(chosen: Sequence[Contestant], dataset_name: str, noise: Noise | None, seed: int) -> None:
    """The published curves of the chosen denoisers over the level, and a table of the trained ones."""
    if noise and noise.kind != "gaussian":
        st.info(
            f"The published curves are for Gaussian noise. {choices.kind_of(noise).capitalize()} noise is "
            "measured here on request.",
            icon=":material/insights:",
        )
        _measured_here(chosen, dataset_name, noise, seed)
        return
    try:
        curves = choices.published()
    except PublishedError as error:
        st.info(str(error), icon=":material/insights:")
        _measured_here(chosen, dataset_name, noise, seed)
        return
    jobs.ready("measured", {})  # gives up what was begun under another kind of noise
    metric = _metric(curves, chosen)
    measured = _lines(curves, chosen, noise, metric)
    _caption(curves, chosen, measured, dataset_name, metric)
    if note := levels.on_clean(curves, measured, _decibels(metric, chosen)):
        st.markdown(note)
    if names := levels.trained_names(curves):
        st.markdown("**Trained under one noise, tested under another**")
        levels.heat_map(curves)
        st.caption(
            f"PSNR in dB, pooled: of the mean squared error over {levels.measured_on(curves, names)} test pictures. "
            "Bold marks the best denoiser of each column. The darker a cell, the further it is below the best; the "
            f"darkest are {levels.WORST:g} dB or more below."
        )
    _bits(curves)
    explain(
        "How to read the levels",
        "How well each denoiser does at each noise level, on average over test pictures. The **gain** is its PSNR "
        "minus that of the Wiener filter, the best filter with fixed weights: above zero is better. Curves more "
        "than 4 dB below it are cut off. The **least possible error** is that of the best denoiser there can be, known "
        "to about 0.1 dB from diffusion models (Kong, Brekelmans & Ver Steeg, ICLR 2023). It is a pooled PSNR: that of "
        "the mean squared error of all pictures together, which is lower than the mean of their PSNRs. The **share** "
        "is a denoiser's part of the way from the Wiener filter to it, both in pooled PSNR: 0% is the filter, 100% the "
        "least possible error. A **ring** marks the level that a model was trained "
        "at, a **broad line** the range of levels of a model that saw many. A **triangle** on the axis marks a level"
        " where one denoiser overtakes another, interpolated between the measured levels. The **dotted line** is the"
        " level chosen above. Classical methods, except wavelet shrinkage, are given the level and change nothing "
        "at level zero. A model is not given the level: trained at one level, it erases real detail under weaker "
        "noise and leaves "
        "noise in the picture under stronger noise. In the table each row is a trained model and each column a level"
        " that it was tested at.",
    )


def _lines(
    curves: Curves, chosen: Sequence[Contestant], noise: Noise | None, metric: levels.Metric
) -> list[Contestant]:
    """Draw the figure and say which denoiser is best where. Returns those of the chosen that are in it."""
    lines = {contestant.label: levels.line(curves, contestant.published or "", metric) for contestant in chosen}
    pooled = metric in levels.POOLED
    measured = [one for one in chosen if lines[one.label] and not (pooled and one.is_slow)]
    if sentence := levels.progress(curves, chosen):
        st.markdown(sentence)
    if not measured:
        return []
    lines = {contestant.label: lines[contestant.label] for contestant in measured}
    crossings = levels.crossings(lines)
    if len(measured) > 1:
        names = {contestant.published or "": contestant.label for contestant in measured}
        st.markdown(levels.ranking(curves, names, noise.level if noise else 0.0, _decibels(metric, chosen)))
        st.markdown(levels.leading(levels.leads(lines)))
    level, highest = noise.level if noise else 0.0, max(point.level for point in curves.points)
    levels.figure(curves, measured, metric, level if level <= highest else None, crossings)
    if crossings:
        many = len(crossings) > 6
        with st.container(height=170 if many else "content", border=many, gap=None):
            st.markdown("\n".join(f"- {levels.overtaking(crossing)}" for crossing in crossings))
    return measured


def _metric(curves: Curves, chosen: Sequence[Contestant]) -> levels.Metric:
    """The metric to draw. A slow denoiser was measured on few pictures; then all are compared on those."""
    offered = dict(_METRICS)
    if curves.of(levels.REFERENCE):
        shares = {_SHARE: _SHARES} if ceiling.known(curves) else {}
        offered = {_GAIN: _GAINS} | shares | offered
    title = choices.PAGE.segments("Metric", list(offered), "metric")
    whole, subset = offered[title]
    return subset if any(contestant.is_slow for contestant in chosen) else whole


def _decibels(metric: levels.Metric, chosen: Sequence[Contestant]) -> levels.Metric:
    return levels.in_decibels(metric, any(contestant.is_slow for contestant in chosen))


def _caption(
    curves: Curves,
    chosen: Sequence[Contestant],
    measured: Sequence[Contestant],
    dataset_name: str,
    metric: levels.Metric,
) -> None:
    """Which pictures the curves were measured on, and which denoisers have none."""
    title = look.dataset(choices.FIGURES)
    if slow := [contestant.key for contestant in measured if contestant.is_slow]:
        verb = "is" if len(slow) == 1 else "are"
        text = f"Measured on the first {SUBSET} test pictures of {title}, because {look.listed(slow)} {verb} slow"
    else:
        names = [contestant.published or "" for contestant in measured] or curves.names
        text = f"Measured on {levels.measured_on(curves, names)} test pictures of {title}"
    if cached.dataset(dataset_name).fingerprint != curves.fingerprint:
        text += ", which are not those shown above"
    few = [one.label for one in chosen if one.is_slow and metric in levels.POOLED and curves.of(one.published or "")]
    if few:
        verb = "was" if len(few) == 1 else "were"
        text += f"; {look.listed(few)} {verb} measured on {SUBSET} of them only, too few for a pooled PSNR beside these"
    absent = [contestant.label for contestant in chosen if contestant not in measured]
    if unmeasured := [label for label in absent if label not in few]:
        text += f"; no curve is published for {look.listed(unmeasured)}"
    st.caption(f"{text}.")


def _bits(curves: Curves) -> None:
    """The bits per value that follow from the errors of the trained denoisers."""
    if not curves.bits:
        return
    st.markdown("**Bits per value of the pictures**")
    st.markdown(levels.bits_table(curves.bits))
    st.caption(
        "Upper bounds on the entropy of the 8-bit pictures, from the errors under noise of every level (Guo, Shamai & "
        "Verdú 2005): the fewer bits, the more a denoiser knows of pictures. At each level it takes the best of three, "
        "chosen on validation pictures: the denoiser, the Wiener filter, or the mean of the 256 possible values "
        "that one noisy value suggests. The last column says between which levels it takes the denoiser. "
        f"± is the 95% interval over {curves.bits[0].pictures:,} test pictures. DDPM: Ho et al. 2020 and Kong et al. "
        "2023. IDDPM: Nichol & Dhariwal 2021 and Kong et al. 2023."
    )


def _measured_here(chosen: Sequence[Contestant], dataset_name: str, noise: Noise | None, seed: int) -> None:
    """A table of the chosen denoisers under the chosen noise, measured when a person presses the button."""
    controls, totals, progress = (st.container() for _ in range(3))  # see `jobs.watch`
    quick = [contestant for contestant in chosen if not contestant.is_slow]
    conditions = (dataset_name, noise, seed)
    label = f"Measure {MEASURED} test pictures under this noise"
    if controls.button(label, icon=":material/speed:", disabled=not quick or not noise):
        st.session_state[_REQUESTED] = conditions
    if st.session_state.get(_REQUESTED) != conditions:
        jobs.ready("measured", {})
        return
    measuring = {contestant.key: cached.scores(contestant, dataset_name, noise, seed, MEASURED) for contestant in quick}
    with totals:
        quick, tables, late = jobs.collect("measured", measuring, quick)
    rows = []
    for contestant in quick:
        if (table := tables.get(contestant.key)) is not None:
            sums = Totals.of(table)
            rows.append((contestant.label, sums.psnr_mean, margin(table["psnr"]), sums.psnr_pooled, sums.ssim))
    if rows:
        with totals:
            _totals(rows, noise)
    with progress:
        jobs.watch(late, f"Measuring the first {MEASURED} test pictures, denoisers done")
    if slow := [contestant.label for contestant in chosen if contestant.is_slow]:
        st.caption(f"{look.listed(slow)} left out: {MEASURED} pictures would take minutes.")


def _totals(rows: Sequence[tuple[object, ...]], noise: Noise | None) -> None:
    columns = ["Denoiser", "PSNR, mean", "± 95%", "PSNR, pooled", "SSIM"]
    decibels = st.column_config.NumberColumn(format="%.2f dB")
    st.dataframe(
        pd.DataFrame(rows, columns=columns).sort_values("PSNR, mean", ascending=False),
        hide_index=True,
        column_config=dict.fromkeys(columns[1:4], decibels) | {"SSIM": st.column_config.NumberColumn(format="%.3f")},
        alt=f"PSNR and SSIM of each denoiser under {choices.words(noise)}",
    )
