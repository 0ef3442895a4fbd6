"""The parts of Compare. Each is a fragment: what one of its controls changes is drawn again, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from aecore.data.noise import Noise
from aecore.measuring.metrics import BASIC, METRICS, ScoreError
from aecore.runs.store import Run
from aecore.studies.contestants import Contestant
from pages.components import cached, errors, figures, jobs, lineup, links, look, pickers, sheets, tables
from pages.components.compare import verdicts
from pages.components.explain import explain
from pages.components.lineup import Lineup

PAGE = links.Page("compare")
DEFAULT = ("dense", "shallow-maxpool", "deep-strided-4-bn", "denoise-030")
MEASURED = 2000  # test pictures whose errors are measured where they are not stored
MORE = "More"
_NAMES = {rule.title: name for name, rule in METRICS.items()}


@st.fragment
def pictures(chosen: Sequence[Contestant], dataset_name: str, which: tuple[int, ...]) -> None:
    """Everything that the noise changes: the sheet, the table, the verdicts, and the errors under this noise."""
    noise, seed, view = pickers.noise_and_view(PAGE, list(errors.VIEWS))
    found = lineup.compute(chosen, dataset_name, which, noise, seed)
    columns = lineup.sheet(found, view, tables.selected())
    lineup.watch(found)
    saving = st.container(horizontal=True, vertical_alignment="center")
    explain(
        "sheet",
        "Each row is a test picture that no model saw in training. **input** is the picture, **noisy** what the models "
        "are given once you add noise, and every further column is one version of it: all get the same "
        "noise. Hover over a cell, or walk with the arrow keys, to see it large with its numbers. The two error views "
        "show what is wrong; **Wipe** lays one version over another.",
    )
    if found.outputs:
        models = _table(found, noise, seed, saving, columns)
        st.subheader("Is the difference real?")
        verdicts.show(models)
        explain(
            "verdict",
            "For each pair of models, the mean difference of their squared errors over these pictures, with an "
            "interval that would hold the true difference 95 times in 100 if the pictures were drawn at random. Where "
            "it spans zero, these pictures show no difference. If you picked pictures for their errors, this says "
            "nothing about other pictures.",
        )
    st.subheader("How the errors spread")
    # Inside this fragment: its figure may be under the noise that is chosen here.
    distribution(chosen, dataset_name, noise, seed)


def _table(
    found: Lineup,
    noise: Noise | None,
    seed: int,
    saving: st.delta_generator.DeltaGenerator,
    columns: Sequence[sheets.Column],
) -> Mapping[str, pd.DataFrame]:
    """The error of each picture, and the downloads in the container `saving`; the scores by label."""
    dataset_name, which = found.dataset_name, found.which
    st.subheader("Error of each picture")
    metric = _metric(found.clean.shape[1:])

    def scored(scores: pd.DataFrame, contestant: Contestant | None) -> pd.DataFrame:
        if metric in BASIC:
            return scores
        return scores.assign(**{metric: cached.another_score(metric, contestant, dataset_name, which, noise, seed)})

    inputs = {"Noisy input": scored(found.noisy[1], None)} if found.noisy else {}
    models = {contestant.label: scored(found.outputs[contestant.key][1], contestant) for contestant in found.ready}
    classes = cached.classes(dataset_name, which)
    with saving:
        st.caption(lineup.NOTE, width="stretch")
        _download("Sheet", lambda: sheets.saved(columns, found.rows), "sheet.png", "The sheet as a PNG file")
        _download(
            "Table",
            lambda: tables.csv(which, classes, inputs, models),
            "errors.csv",
            "MSE, PSNR, SSIM and the metric chosen below as a CSV file",
        )
    tables.per_picture(which, classes, cached.thumbnails(dataset_name, which), inputs, models, metric)
    return models


def _metric(shape: tuple[int, ...]) -> str:
    """The metric of the table: a basic one, or another that is defined for pictures of this shape."""
    basic = [METRICS[name].title for name in BASIC]
    with st.container(horizontal=True, vertical_alignment="center"):
        title = _segments("Metric", [*basic, MORE], key=PAGE.key("metric"))
        if title == MORE:
            titles, left_out = [], []
            for name, rule in METRICS.items():
                try:
                    rule.require(shape)
                except ScoreError as error:
                    left_out.append(str(error))
                else:
                    titles += [rule.title] * (name not in BASIC)
            key = PAGE.key("more")
            if st.session_state.get(key) not in titles:
                st.session_state.pop(key, None)  # it was for pictures of another shape
            title = st.selectbox(
                "Other metric", titles, key=key, bind="query-params", label_visibility="collapsed", width=130
            )
            note = "Left out here:\n" + "\n".join(f"- {each}" for each in left_out) if left_out else None
            st.caption(METRICS[_NAMES[title]].meaning, width="stretch", help=note)
    return _NAMES[title]


@st.fragment
def distribution(chosen: Sequence[Contestant], dataset_name: str, noise: Noise | None, seed: int) -> None:
    """How the errors spread over the test pictures."""
    as_trained, under = "Each as it was trained", "Under the noise above"
    how = st.segmented_control(
        "Noise",
        [as_trained, under],
        default=as_trained,
        key="spread",
        label_visibility="collapsed",
        required=True,
        help=f"The second measures the first {MEASURED:,} test pictures, which takes a second or so per model.",
    )
    quick = [contestant for contestant in chosen if not contestant.is_slow]
    stored = {}
    if how == as_trained:
        stored = {
            contestant.key: cached.stored_scores(contestant.run, dataset_name) for contestant in quick if contestant.run
        }
        condition = "clean pictures; a denoiser's under the noise it was trained with"
    else:
        condition = f"{noise} noise, seed {seed}" if noise else "no noise"
    given = None if how == as_trained else noise
    measuring = {
        contestant.key: [cached.scores(contestant, dataset_name, given, seed, MEASURED)]
        for contestant in sorted(quick, key=lambda contestant: contestant.effort)
        if contestant.key not in stored
    }
    done = jobs.ready("distribution", measuring)
    quick = jobs.without_failed(quick, measuring, done)
    measured = {contestant.key: measuring[contestant.key][0].result() for contestant in quick if contestant.key in done}
    _spread_figure(quick, stored | measured, condition)
    if slow := [contestant.label for contestant in chosen if contestant.is_slow]:
        st.caption(f"Without {look.listed(slow)}, which would take many minutes for {MEASURED:,} pictures.")
    late = {key: own for key, own in measuring.items() if key not in done}
    jobs.watch(late, f"Measuring {MEASURED:,} test pictures, models done")
    explain(
        "distribution",
        "How error is distributed over the test pictures: the further left an outline, the better, and a "
        "long tail to the right means that some pictures come out much worse than most.",
    )


def _spread_figure(chosen: Sequence[Contestant], scores: Mapping[str, pd.DataFrame], condition: str) -> None:
    shown = [contestant for contestant in chosen if contestant.key in scores]
    if not shown:
        return
    figures.distribution({key: table["mse"] for key, table in scores.items()}, shown, key="distribution")
    counts = sorted({len(scores[contestant.key]) for contestant in shown})
    pictures = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    exact = [contestant.label for contestant in shown if not scores[contestant.key]["mse"].any()]
    left_out = f" {look.listed(exact)}: no error on any picture, so no outline on this axis." if exact else ""
    st.caption(f"{pictures} test pictures each; {condition}.{left_out}")


@st.fragment
def loss_curves(chosen: Sequence[Run]) -> None:
    """How the models learned."""
    with st.container(horizontal=True):
        by = _segments("Against", ["epoch", "seconds"], key=PAGE.key("by"))
        axis = _segments("Axis", ["log", "linear"], key=PAGE.key("axis"))
    histories = {run.key: cached.history(run.key) for run in chosen}
    figures.loss_curves(
        chosen, histories, key="losses", by="epoch" if by == "epoch" else "seconds", logarithmic=axis == "log"
    )
    explain(
        "losses",
        "Lines with marks: the error on 5,000 validation pictures after each epoch, which is one pass through the "
        "training pictures. Thin lines: the error on the training pictures while it learned. A denoiser is measured "
        "under the noise it was trained with, so its error lies higher. Seconds are those of the machine that trained.",
    )


def _segments(label: str, options: list[str], *, key: str) -> str:
    chosen: str = st.segmented_control(
        label, options, default=options[0], key=key, bind="query-params", label_visibility="collapsed", required=True
    )
    return chosen


def _download(label: str, make: Callable[[], str | bytes], file: str, text: str) -> None:
    st.download_button(label, make, file, icon=":material/download:", on_click="ignore", help=text)
