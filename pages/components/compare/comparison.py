"""The parts of Compare. Each is a fragment: its controls redraw that part and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from aecore.data.noise import Noise
from aecore.measuring.metrics import BASIC, METRICS, ScoreError
from aecore.studies.contestants import Contestant
from pages.components import cached, downloads, errors, figures, jobs, lineup, links, look, pickers, tables
from pages.components.compare import verdicts
from pages.components.downloads import File
from pages.components.explain import explain
from pages.components.lens import saved_page, sheets
from pages.components.lens.saved_page import Saved
from pages.components.lineup import Lineup

PAGE = links.Page("compare")
DEFAULT = ("dense", "shallow-maxpool", "deep-strided-4-bn", "denoise-030")
MEASURED = 2000  # test pictures to measure where no errors are stored
MORE = "More"
_AS_TRAINED, _UNDER = "Training noise of each model", "Noise chosen above"
_SPREAD = "spread"  # the choice between these two
_NAMES = {rule.title: name for name, rule in METRICS.items()}


@st.fragment
def pictures(chosen: Sequence[Contestant], dataset_name: str, indices: tuple[int, ...]) -> None:
    """Everything that depends on the noise: the sheet, the table, the verdicts and the distribution of errors."""
    controls, sheet, progress, scores, spread = (st.container() for _ in range(5))  # see `jobs.watch`
    with controls:
        given, view = pickers.noise_and_view(PAGE, list(errors.VIEWS))
    noise, seed = given.noise, given.seed
    shown = lineup.compute(chosen, dataset_name, indices, noise, seed)
    with sheet:
        drawn = lineup.sheet(shown, view, given, tables.selected())
    with progress:
        lineup.watch(shown)
    with scores:
        saving = st.container(horizontal=True, vertical_alignment="center")
        explain(
            "How to read the pictures",
            "Each row is a test picture, which no model saw in training. **original** is the clean picture; once you "
            "add "
            "noise, **noisy** is the input of every model. Each further column is the output of one model. Hover over "
            "a cell, or move with the arrow keys, to see it enlarged with its scores.\n\n" + lineup.HOW_TO_LOOK,
        )
        if shown.outputs:
            _scores(shown, noise, seed, saving, partial(sheets.saved, drawn))
            with saving:
                saved_page.button(Saved("Autoencoders on the same noisy pictures", shown, drawn, given), "compare.html")
    # In this fragment only if its figure depends on the noise that is chosen here: it takes long to draw.
    if distribution_follows():
        with spread:
            distribution(chosen, dataset_name, noise, seed)


def _scores(
    shown: Lineup,
    noise: Noise | None,
    seed: int,
    saving: st.delta_generator.DeltaGenerator,
    sheet: Callable[[], bytes],
) -> None:
    models, metric = _table(shown, noise, seed, saving, sheet)
    st.subheader("Is the difference real?")
    verdicts.show(models, metric, shown.ready)
    explain(
        "How the differences are tested",
        "For each pair of models: the mean difference of the metric chosen above over these pictures, with its 95% "
        "confidence interval. If pictures were drawn at random many times, 95 of 100 such intervals would contain"
        " the true difference. An interval that contains zero leaves open whether there is a difference. Of "
        "twenty pairs that do not differ, about one will seem to differ. If you picked the pictures for their errors, "
        "this says nothing about other pictures. Another seed would train another network, with other errors.",
    )


def _table(
    shown: Lineup,
    noise: Noise | None,
    seed: int,
    saving: st.delta_generator.DeltaGenerator,
    sheet: Callable[[], bytes],
) -> tuple[Mapping[str, pd.DataFrame], str]:
    """Draw the error of each picture, and the downloads in the container `saving`, among them the `sheet`.

    Returns the scores by label, and the metric that was chosen.
    """
    dataset_name, indices = shown.dataset_name, shown.indices
    st.subheader("Error of each picture")
    metric = _metric(shown.clean.shape[1:], cached.dataset(dataset_name).classes)

    def scored(scores: pd.DataFrame, contestant: Contestant | None) -> pd.DataFrame:
        if metric in BASIC:
            return scores
        return scores.assign(**{metric: cached.another_score(metric, contestant, dataset_name, indices, noise, seed)})

    inputs = {"noisy": scored(shown.noisy[1], None)} if shown.noisy else {}
    models = {contestant.label: scored(shown.outputs[contestant.key][1], contestant) for contestant in shown.ready}
    classes = cached.classes(dataset_name, indices)
    with saving:
        st.caption(lineup.note(shown), width="stretch")
        downloads.button(
            "Sheet",
            File("sheet.png", "image/png", sheet),
            help="The sheet as a PNG file, once every model is done",
            disabled=bool(shown.late),
        )
        downloads.button(
            "Table",
            downloads.table("errors.csv", lambda: tables.csv(indices, classes, inputs, models)),
            help="MSE, PSNR, SSIM and the metric chosen below as a CSV file",
        )
    tables.per_picture(indices, classes, cached.thumbnails(dataset_name, indices), inputs, models, metric)
    return models, metric


def _metric(shape: tuple[int, ...], classes: tuple[str, ...]) -> str:
    """The metric of the table: a basic one, or another one that is defined for pictures of this shape and class."""
    # Decibels first, as on every page.
    basic = [METRICS[name].title for name in sorted(BASIC, key=lambda name: name != "psnr")]
    with st.container(horizontal=True, vertical_alignment="center"):
        title = PAGE.segments("Metric", [*basic, MORE], "metric")
        if title == MORE:
            titles, left_out = [], []
            for name, rule in METRICS.items():
                try:
                    rule.require(shape, classes)
                except ScoreError as error:
                    left_out.append(str(error))
                else:
                    titles += [rule.title] * (name not in BASIC)
            key = PAGE.key("more")
            links.forget_unless(key, titles)  # it may be defined only for pictures of another shape
            title = st.selectbox(
                "Other metric", titles, key=key, bind="query-params", label_visibility="collapsed", width=130
            )
            note = "Not available here:\n" + "\n".join(f"- {reason}" for reason in left_out) if left_out else None
            st.caption(METRICS[_NAMES[title]].meaning, width="stretch", help=note)
    return _NAMES[title]


def distribution_follows() -> bool:
    """Whether the distribution of the errors is the one under the noise that is chosen for the pictures."""
    return bool(st.session_state.get(PAGE.key(_SPREAD)) == _UNDER)


@st.fragment
def distribution(
    chosen: Sequence[Contestant], dataset_name: str, noise: Noise | None = None, seed: int = 0, follows: bool = True
) -> None:
    """How the errors are distributed over the test pictures: under `noise`, or, unless it `follows`, as trained."""
    controls, figure, progress = (st.container() for _ in range(3))  # see `jobs.watch`
    controls.subheader("Distribution of the errors")
    with controls:
        how = PAGE.segments(
            "Noise",
            [_AS_TRAINED, _UNDER],
            _SPREAD,
            f"Under the noise chosen above, the first {MEASURED:,} test pictures are measured: about a second per "
            f"model.",
        )
    if (how == _UNDER) is not follows:
        links.redraw()  # it belongs to another fragment now
    quick = [contestant for contestant in chosen if not contestant.is_slow]
    stored = {}
    if not follows:
        stored = {
            contestant.key: cached.stored_scores(contestant.run, dataset_name) for contestant in quick if contestant.run
        }
        condition = "without noise; denoisers under the noise that they were trained with"
    else:
        condition = f"under noise {look.noise(noise)}, seed {seed}" if noise else "without noise"
    measuring = {
        contestant.key: cached.scores(contestant, dataset_name, noise, seed, MEASURED)
        for contestant in sorted(quick, key=lambda contestant: contestant.effort)
        if contestant.key not in stored
    }
    with figure:
        quick, measured, late = jobs.collect("distribution", measuring, quick)
        _spread_figure(quick, stored | measured, condition)
        if slow := [contestant.label for contestant in chosen if contestant.is_slow]:
            st.caption(f"{look.listed(slow)} left out: {MEASURED:,} pictures would take minutes.")
    with progress:
        jobs.watch(late, f"Measuring {MEASURED:,} test pictures, models done")
    explain(
        "How to read the distribution",
        "How the error is distributed over the test pictures. The further left a curve lies, the better the model. A "
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
    left_out = f" {look.listed(exact)}: no error on any picture, so no curve on this axis." if exact else ""
    st.caption(f"{pictures} test pictures per model, {condition}.{left_out}")


@st.fragment
def loss_curves(chosen: Sequence[Contestant]) -> None:
    """How the models learned."""
    with st.container(horizontal=True):
        by = PAGE.segments("Against", ["epoch", "seconds"], "by")
        axis = PAGE.segments("Axis", ["log", "linear"], "axis")
    histories = {contestant.key: cached.history(contestant.key) for contestant in chosen}
    figures.loss_curves(
        chosen, histories, key="losses", by="epoch" if by == "epoch" else "seconds", logarithmic=axis == "log"
    )
    explain(
        "How to read the loss curves",
        "Lines with markers show the error on the validation pictures after each epoch, which is one pass through "
        "the training pictures. Thin lines show the error on the training pictures during the epoch. A denoiser is "
        "measured under the noise it was trained with, so its error is higher. Seconds depend on the machine that "
        "trained the model.",
    )
