"""The parts of Denoise. What takes seconds is computed in the background, and drawn as soon as it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from aecore import AecoreError
from aecore.data.noise import KINDS, Noise
from aecore.files.figures import PublishedError
from aecore.measuring.intervals import margin
from aecore.measuring.totals import Totals
from aecore.reconstructors.denoisers import METHODS
from aecore.runs.store import Store
from aecore.studies import denoising, sensitivity
from aecore.studies.denoising import SUBSET, Curves
from aecore.studies.sensitivity import Spread
from pages.components import cached, errors, links, look, sheets
from pages.components.cached import Pixels
from pages.components.denoise import contenders, levels, maps
from pages.components.denoise.contenders import Contender
from pages.components.explain import explain

PAGE = "denoise"
PREFIX = "d-"  # before the keys that the pickers make
CHOICES = (
    contenders.KEY,
    *(
        f"{PREFIX}{name}"
        for name in (
            "data",
            "pictures",
            "numbers",
            "worst",
            "one",
            "other",
            "class",
            "count",
            "draw",
            "noise",
            "level",
            "seed",
            "view",
            "metric",
            "picture",
            "slow",
            "at",
            "row",
            "column",
        )
    ),
)
FIGURES = "cifar10"  # whose figures are published
LEVEL = 0.1  # of the noise at first
COUNT = 4  # pictures at first: BM3D takes a second for each
DRAWS = 50
MEASURED = 100  # test pictures for a noise that nothing is published of
SHARE = 0.9  # of the absolute weight, whose pixels are counted
_MOMENT = 0.2  # seconds that a part of the page waits before it is drawn without what is not there yet
_EVERY = 0.5  # seconds between two looks whether it is
_BEGUN = "begun on denoise"
_ASKED = "measured on denoise"
_LINK, _AGAIN = "link to denoise", "denoise again"
_GREY = 127

Jobs = Mapping[str, Sequence[Future[Any]]]  # what is computed for each contender, by its key


def asked() -> links.Asked:
    """What the link asks for, as `links.asked` tells it; and again where the page was drawn anew by itself."""
    link = links.asked(PAGE, CHOICES)
    if st.session_state.pop(_AGAIN, False):
        link = st.session_state[_LINK]
    st.session_state[_LINK] = link
    return link


# ---- what is computed in the background


def _begin(part: str, jobs: Jobs) -> set[str]:
    """Give up what the same part of the page asked for before and no longer needs; the keys of whatever is ready, after
    a moment's wait for all but the slow."""
    now = [job for each in jobs.values() for job in each]
    begun = st.session_state.setdefault(_BEGUN, {})
    for job in begun.get(part, ()):
        if job not in now:
            job.cancel()
    begun[part] = now
    wait([job for key, each in jobs.items() if not (key in METHODS and METHODS[key].slow) for job in each], _MOMENT)
    return {key for key, each in jobs.items() if all(job.done() and not cached.given_up(job) for job in each)}


def _watch(left: Jobs, told: str) -> None:
    """Say what is not there yet, and draw the page again once more of it is."""
    # With nothing left there is a fragment too, which the browser may still ask for.
    st.fragment(_look_again, run_every=_EVERY if left else None)(left, told)


def _look_again(left: Jobs, told: str) -> None:
    if any(all(job.done() for job in jobs) for jobs in left.values()):
        st.session_state[_AGAIN] = True
        st.rerun()
    if left:
        jobs = [job for each in left.values() for job in each]
        cached.still_wanted(jobs)
        st.caption(f":material/hourglass_top: {told}: {sum(job.done() for job in jobs)} of {len(jobs)}.")


def installed(chosen: Sequence[Contender]) -> list[Contender]:
    """Those that can run here; says what the others need. The figures published of them are shown all the same."""
    for each in chosen:
        if each.method and each.method.missing:
            st.caption(f":material/info: {each.method.missing}")
    return [each for each in chosen if not (each.method and each.method.missing)]


def _without_the_failed(chosen: Sequence[Contender], jobs: Jobs, ready: set[str]) -> list[Contender]:
    """Those that could be computed or still may; says why another could not."""
    kept = []
    for each in chosen:
        failure = next(
            (job.exception() for job in jobs.get(each.key, ()) if each.key in ready and job.exception()), None
        )
        if failure is None:
            kept.append(each)
        elif isinstance(failure, AecoreError):
            st.error(str(failure), icon=":material/error:")
        else:
            raise failure
    return kept


# ---- the sheet


def pictures(
    chosen: Sequence[Contender], dataset_name: str, which: tuple[int, ...], noise: Noise, seed: int, view: str
) -> list[Contender]:
    """The same pictures and the same noise through every denoiser; those that have done it by now."""
    jobs = {
        each.key: [cached.denoised(each.key, dataset_name, picture, noise, seed) for picture in which]
        for each in sorted(chosen, key=lambda each: each.effort)
        if each.method
    }
    ready = _begin("pictures", jobs)
    chosen = _without_the_failed(chosen, jobs, ready)
    there = [each for each in chosen if each.run or each.key in ready]
    clean = cached.originals(dataset_name, which)
    (noisy, noisy_scores), outputs = cached.reconstructions(
        [each.key for each in there], dataset_name, which, noise, seed
    )
    kind = errors.VIEWS[view]
    scale = None
    if kind:
        # What is given to the denoisers is so far off that it would dim the rest.
        scale = errors.ErrorScale.of(kind, [pixels for pixels, _ in outputs.values()] or [noisy], clean)

    columns = [sheets.Column("input", "", clean, [[]] * len(which))]
    if noise.level:
        columns.append(_column("noisy", noisy, noisy_scores, clean, scale))
    for each in chosen:
        if each in there:
            columns.append(_column(each.label, *outputs[each.key], clean, scale, each.style.color))
        else:
            grey = np.full_like(clean, _GREY)
            columns.append(sheets.Column(each.label, "at work", grey, [[]] * len(which), each.style.color))
    rows = [(name, f"#{picture}") for name, picture in zip(cached.classes(dataset_name, which), which, strict=True)]
    sheets.show(columns, rows, wipe=view == "Wipe", picked=None)
    if scale:
        scale.legend()
    late = [each for each in chosen if each not in there]
    work = "; ".join(each.work for each in late)
    _watch({each.key: jobs[each.key] for each in late}, f"{work[:1].upper()}{work[1:]}, pictures done")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Under each name: PSNR of these pictures' pooled error; higher is better.", width="stretch")
        st.download_button(
            "Sheet",
            lambda: sheets.saved(columns, rows),
            "denoised.png",
            icon=":material/download:",
            on_click="ignore",
            help="The sheet as a PNG file, once all are there",
            disabled=bool(late),
        )
    explain(
        "denoise-sheet",
        "Each row is a test picture that nobody saw in training. **noisy** is what every denoiser is given, the very "
        "same for all; each further column is what one makes of it. Trained models are not told the level, "
        "and each has seen its own in training. Classical methods are told it, or find it in the picture (wavelet). "
        "Move the level away from what a model was trained with, and to nothing at all.",
    )
    return there


def _column(
    heading: str,
    pixels: Pixels,
    scores: pd.DataFrame,
    clean: Pixels,
    scale: errors.ErrorScale | None,
    color: str | None = None,
) -> sheets.Column:
    numbers = [
        [("MSE", f"{mse:.3g}"), ("PSNR", _decibels(psnr, 2)), ("SSIM", f"{ssim:.3f}")]
        for mse, psnr, ssim in zip(scores["mse"], scores["psnr"], scores["ssim"], strict=True)
    ]
    shown = scale.colored(pixels, clean) if scale else pixels
    return sheets.Column(heading, _decibels(Totals.of(scores).psnr_pooled), shown, numbers, color)


def _told(noise: Noise) -> str:
    """A noise in words."""
    rule = KINDS[noise.kind]
    return f"{_kind(noise)} noise, {rule.unit} {noise.level:g}"


def _kind(noise: Noise) -> str:
    title = KINDS[noise.kind].title
    return title if noise.kind in ("gaussian", "poisson") else title.lower()


def _decibels(psnr: float, digits: int = 1) -> str:
    return f"{psnr:.{digits}f} dB" if np.isfinite(psnr) else "no error"


# ---- who wins at which level


@st.fragment
def who_wins(chosen: Sequence[Contender], dataset_name: str, noise: Noise, seed: int) -> None:
    """The published figures of the chosen ones, level by level, and the trained ones across levels."""
    if noise.kind != "gaussian":
        st.info(
            f"The published figures are for Gaussian noise. Of {_kind(noise)} noise nothing was measured yet.",
            icon=":material/insights:",
        )
        _measured_here(chosen, dataset_name, noise, seed)
        return
    try:
        curves = published()
    except PublishedError as error:
        st.info(str(error), icon=":material/insights:")
        _measured_here(chosen, dataset_name, noise, seed)
        return
    metric = _metric(chosen)
    lines = {each.label: levels.line(curves, each.published or "", metric) for each in chosen}
    seen = [each for each in chosen if lines[each.label]]
    if seen:
        lines = {each.label: lines[each.label] for each in seen}
        found = levels.crossings(lines)
        if len(seen) > 1:
            st.markdown(levels.leading(levels.leads(lines)))
        highest = max(point.level for point in curves.points)
        levels.figure(curves, seen, metric, noise.level if noise.level <= highest else None, found)
        if found:
            many = len(found) > 6
            with st.container(height=170 if many else "content", border=many, gap=None):
                st.markdown("\n".join(f"- {levels.overtaking(each)}" for each in found))
    _caption(curves, seen, [each.label for each in chosen if each not in seen], dataset_name)
    if told := levels.on_clean(curves, seen, any(each.is_slow for each in chosen)):
        st.markdown(told)
    if names := levels.trained_names(curves):
        st.markdown("**Trained under one noise, tested under another**")
        levels.heat_map(curves)
        st.caption(
            f"PSNR in dB, mean over {levels.measured_on(curves, names)} test pictures. Bold is the best of a column; "
            "the darker a cell, the further below it, "
            f"down to {levels.WORST:g} dB or more."
        )
    explain(
        "levels",
        "How well each denoiser does at each level of noise, on average over test pictures. A **ring** marks the level "
        "that a model was trained at, a **broad line** the levels of one that saw many; a **triangle** on the axis, a "
        "level where one overtakes another, read off as if the lines were straight between the levels that were "
        "measured; the **dotted line** is the level chosen above. A classical method is told the level and does "
        "nothing where there is no noise. A model is not told: trained at one level, it takes for noise what is none, "
        "or leaves noise in. In the table each row is a trained model, each column a level that it was tested at; bold "
        "is the best of a column.",
    )
    links.keep(PAGE, CHOICES)


def published() -> Curves:
    """The published figures; raises `PublishedError` where they are missing or damaged."""
    return denoising.curves(FIGURES, Store().root)


def _metric(chosen: Sequence[Contender]) -> levels.Metric:
    """The figure to draw: where one of the chosen is slow, all are compared on the pictures that it was measured on."""
    title = st.segmented_control(
        "Metric",
        ["PSNR", "SSIM"],
        default="PSNR",
        key=f"{PREFIX}metric",
        bind="query-params",
        label_visibility="collapsed",
        required=True,
    )
    if any(each.is_slow for each in chosen):
        return "psnr_subset" if title == "PSNR" else "ssim_subset"
    return "psnr" if title == "PSNR" else "ssim"


def _caption(curves: Curves, seen: Sequence[Contender], unmeasured: Sequence[str], dataset_name: str) -> None:
    """Of which pictures the figures are, and of whom there are none."""
    if slow := [each.key for each in seen if each.is_slow]:
        told = f"Measured on the first {SUBSET} test pictures of {look.dataset(FIGURES)}, as {look.listed(slow)} "
        told += "is slow" if len(slow) == 1 else "are slow"
    else:
        names = [each.published or "" for each in seen] or curves.names
        told = f"Measured on {levels.measured_on(curves, names)} test pictures of {look.dataset(FIGURES)}"
    if dataset_name != FIGURES:
        told += ", and not on those shown above"
    if unmeasured:
        told += f"; nothing is published of {look.listed(unmeasured)}"
    st.caption(f"{told}.")


def _measured_here(chosen: Sequence[Contender], dataset_name: str, noise: Noise, seed: int) -> None:
    """A table of the chosen ones under the chosen noise, measured once somebody asks for it."""
    quick = [each for each in chosen if not each.is_slow]
    this = (dataset_name, noise, seed)
    label = f"Measure {MEASURED} test pictures under this noise"
    if st.button(label, icon=":material/speed:", disabled=not quick or not noise.level):
        st.session_state[_ASKED] = this
    if st.session_state.get(_ASKED) != this:
        _begin("measured", {})
        return
    jobs = {each.key: [cached.scores_of(each.key, dataset_name, noise, seed, MEASURED)] for each in quick}
    ready = _begin("measured", jobs)
    quick = _without_the_failed(quick, jobs, ready)
    rows = []
    for each in quick:
        if each.key in ready:
            table = jobs[each.key][0].result()
            totals = Totals.of(table)
            rows.append((each.label, totals.psnr_mean, margin(table["psnr"]), totals.psnr_pooled, totals.ssim))
    columns = ["Denoiser", "PSNR, mean", "± 95%", "PSNR, pooled", "SSIM"]
    if rows:
        decibels = st.column_config.NumberColumn(format="%.2f dB")
        st.dataframe(
            pd.DataFrame(rows, columns=columns).sort_values("PSNR, mean", ascending=False),
            hide_index=True,
            column_config=dict.fromkeys(columns[1:4], decibels)
            | {"SSIM": st.column_config.NumberColumn(format="%.3f")},
            alt=f"PSNR and SSIM of each denoiser under {_told(noise)}",
        )
    _watch(
        {key: each for key, each in jobs.items() if key not in ready},
        f"Measuring the first {MEASURED} test pictures, denoisers done",
    )
    if slow := [each.label for each in chosen if each.is_slow]:
        st.caption(f"Without {look.listed(slow)}, of which {MEASURED} pictures would take minutes.")


# ---- one picture, many draws


@st.fragment
def many_draws(
    chosen: Sequence[Contender],
    there: Sequence[Contender],
    dataset_name: str,
    which: tuple[int, ...],
    noise: Noise,
    seed: int,
) -> None:
    """Where each denoiser errs whatever the draw, and where its output depends on the draw: of the `chosen`, those that
    are `there` on the sheet above."""
    if not noise.level:
        _begin("draws", {})
        st.caption("Without noise every draw is the same: choose a level above.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = _picture("picture", dataset_name, which)
        slow = [each for each in chosen if each.is_slow]
        with_slow = bool(slow) and st.checkbox(
            f"{look.listed([each.label for each in slow])} too",
            key=f"{PREFIX}slow",
            bind="query-params",
            help=f"{DRAWS} draws of a slow one take a minute.",
        )
    shown = [each for each in there if with_slow or not each.is_slow]
    jobs = {each.key: [cached.spread(each.key, dataset_name, picture, noise, seed, DRAWS)] for each in shown}
    ready = _begin("draws", jobs)
    shown = _without_the_failed(shown, jobs, ready)
    spreads: dict[str, Spread] = {key: jobs[key][0].result() for key in ready if any(key == each.key for each in shown)}
    bias = {key: each.bias.mean(0).numpy() for key, each in spreads.items()}
    deviation = {key: each.deviation.square().mean(0).sqrt().numpy() for key, each in spreads.items()}
    names = ["Bias", "Deviation", "Bias²", "Variance", "MSE", "PSNR"]
    if spreads:
        signed = maps.Scale.of("signed", list(bias.values()))
        positive = maps.Scale.of("positive", list(deviation.values()))
        legends = [
            signed.legend("bias: red is too bright on average, blue too dark; white is 1"),
            positive.legend("deviation from draw to draw"),
        ]
    columns = []
    for each in shown:
        cells: Sequence[Pixels | str] = ["…"] * len(names)
        if each.key in spreads:
            squared, variance = spreads[each.key].mse
            mse = squared + variance
            cells = [
                signed.colored(bias[each.key]),
                positive.colored(deviation[each.key]),
                _positional(squared),
                _positional(variance),
                _positional(mse),
                _decibels(-10 * np.log10(mse) if mse else np.inf),
            ]
        columns.append(maps.Column(each.label, cells, each.style.color))
    if columns:
        maps.show(names, columns, legends if spreads else [], None)
        st.caption(
            f"{DRAWS} draws of {_told(noise)}. The maps show the mean of the channels, the numbers are over all values."
        )
    elif len(slow) == len(chosen) and not with_slow:
        st.caption("Only slow ones are chosen: tick them, or choose another.")
    else:
        st.caption("Drawn once the pictures above are there.")
    _watch(
        {each.key: jobs[each.key] for each in shown if each.key not in ready},
        f"Denoising {DRAWS} draws, denoisers done",
    )
    explain(
        "draws",
        f"One picture, with {DRAWS} draws of the same noise. **Bias** is what the mean of the outputs misses: detail "
        "that is lost whatever the draw. **Deviation** is how much the output moves from draw to draw: noise that got "
        "through. Their squares add up to the mean squared error, so a denoiser trades one for the other: blur more, "
        f"and there is more bias and less variance. The mean of {DRAWS} draws still moves a little: Bias² contains "
        f"1/{DRAWS} of the variance.",
    )
    links.keep(PAGE, CHOICES)


def _positional(number: float) -> str:
    """Three significant digits without an exponent, so that what is small looks small beside the rest."""
    return np.format_float_positional(number, 3, fractional=False)


def _picture(name: str, dataset_name: str, which: tuple[int, ...]) -> int:
    """One of the pictures of the sheet."""
    titles = [f"{title} #{picture}" for title, picture in zip(cached.classes(dataset_name, which), which, strict=True)]
    key = f"{PREFIX}{name}"
    if st.session_state.get(key) not in titles:
        st.session_state.pop(key, None)  # other pictures are shown now
    title: str = st.selectbox("Picture", titles, key=key, bind="query-params", width=200)
    return which[titles.index(title)]


# ---- a weighted average over neighbours


@st.fragment
def neighbours(chosen: Sequence[Contender], dataset_name: str, which: tuple[int, ...], noise: Noise, seed: int) -> None:
    """With which weights each trained denoiser averages the pixels around one, beside the Wiener filter's."""
    shown = [each for each in chosen if each.run or each.is_linear]
    if not any(each.key == "wiener" for each in shown):
        shown.append(contenders.classical("wiener"))
    clean = cached.originals(dataset_name, which)
    height, width = clean.shape[2:]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = _picture("at", dataset_name, which)
        row = _place("Row", "row", height)
        column = _place("Column", "column", width)
    jobs = {each.key: [cached.weights(each.key, dataset_name, picture, noise, seed, row, column)] for each in shown}
    ready = _begin("weights", jobs)
    shown = _without_the_failed(shown, jobs, ready)
    weights = {each.key: jobs[each.key][0].result() for each in shown if each.key in ready}
    names = ["Weights", "Colours reach", "Sum", f"Pixels with {SHARE:.0%} of the weight"]
    (given, _), _ = cached.reconstructions([], dataset_name, (picture,), noise, seed)
    columns = [maps.Column("noisy" if noise.level else "input", [maps.in_colour(given[0]), *[""] * (len(names) - 1)])]
    for each in shown:
        cells: Sequence[Pixels | str] = ["…"] * len(names)
        if each.key in weights:
            found = weights[each.key]
            scale = maps.Scale.of("signed", [found.numpy()])
            cells = [
                scale.colored(found.numpy()),
                f"±{scale.highest:g}",
                f"{found.sum():.3f}",
                str(sensitivity.pixels_with(SHARE, found)),
            ]
        columns.append(maps.Column(each.label, cells, each.style.color))
    maps.show(names, columns, [], (row, column))
    st.caption(
        f"What the output at row {row}, column {column} is made of under {_told(noise)}: for each channel its weights "
        "on itself, averaged over the channels. Red adds, blue takes away, and white is nothing."
    )
    _watch(
        {each.key: jobs[each.key] for each in shown if each.key not in ready},
        "Working out weights, for the Wiener filter after a fit that is made once, denoisers done",
    )
    for line in _over_wiener(chosen, noise):
        st.markdown(line)
    explain(
        "weights",
        "The study of 2018 called its denoiser *a simple weighted average over neighbors*. Near this noisy picture "
        "every denoiser is one: the output at a pixel moves in proportion to each pixel of the input, and the map "
        "shows by how much. Where noise of one strength is added everywhere, as Gaussian noise is, the **Wiener "
        "filter** is the best average with fixed weights, the same for every picture. A network's weights change with "
        "the picture: pick a pixel at an edge, and see whether they follow it. If they never did, it could do no "
        "better than the Wiener filter.",
    )
    links.keep(PAGE, CHOICES)


def _place(label: str, name: str, size: int) -> int:
    key = f"{PREFIX}{name}"
    if st.session_state.get(key, 0) >= size:
        st.session_state[key] = size // 2  # of larger pictures
    return int(st.slider(label, 0, size - 1, size // 2, key=key, bind="query-params", width=220))


def _over_wiener(chosen: Sequence[Contender], noise: Noise) -> list[str]:
    """By how much each trained denoiser beats the Wiener filter at the nearest level that was measured."""
    trained = [each for each in chosen if each.run]
    if noise.kind != "gaussian" or not trained:
        return []
    try:
        curves = published()
    except PublishedError:
        return []  # the figure above says what is wrong
    level = levels.nearest(curves, noise.level)
    told = []
    for each in trained:
        point = curves.at(each.published or "", level)
        if point and "wiener" in point.over:
            told.append(f"- {levels.over_wiener(each.label, point.over['wiener'])}")
    if not told:
        return []
    where = f"At σ {level:.2g}" + (", the nearest level that was measured" if abs(level - noise.level) > 1e-3 else "")
    measured = curves.at("wiener", level)
    count = min(SUBSET, measured.pictures if measured else SUBSET)
    return [f"{where}, on the first {count} test pictures of {look.dataset(FIGURES)}:", "\n".join(told)]
