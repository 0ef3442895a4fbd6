"""The parts of Compare. Each is a fragment: what one of its controls changes is drawn anew, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from aecore.measuring.metrics import BASIC, METRICS, ScoreError
from aecore.measuring.totals import Totals
from aecore.runs.store import Run
from pages.components import cached, errors, figures, links, look, pickers, sheets, tables
from pages.components.cached import Pixels
from pages.components.compare import verdicts
from pages.components.explain import explain

PAGE = "compare"
CHOICES = (
    "data",
    "models",
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
    "more",
    "by",
    "axis",
)
MEASURED = 2000  # test pictures whose errors are measured where a noise of one's own is asked for
MORE = "More"
_NAMES = {rule.title: name for name, rule in METRICS.items()}


@st.fragment
def pictures(chosen: Sequence[Run], dataset_name: str, which: tuple[int, ...]) -> None:
    """Everything that the noise changes: the sheet, the table and the verdicts."""
    labels = look.labels(chosen)
    noise, seed, view = pickers.noise_and_view(list(errors.VIEWS))
    clean = cached.originals(dataset_name, which)
    keys = [run.key for run in chosen]
    (noisy, noisy_scores), outputs = cached.reconstructions(keys, dataset_name, which, noise, seed)
    kind = errors.VIEWS[view]
    scale = errors.ErrorScale.of(kind, [pixels for pixels, _ in outputs.values()], clean) if kind else None

    columns = [sheets.Column("input", "", clean, [[]] * len(which))]
    if noise.level:
        columns.append(_column("noisy", noisy, noisy_scores, clean, scale))
    columns += [_column(labels[run.key], *outputs[run.key], clean, scale, look.style(run).color) for run in chosen]
    classes = cached.classes(dataset_name, which)
    rows = [(name, f"#{picture}") for name, picture in zip(classes, which, strict=True)]
    selected = st.session_state.get("table", {}).get("selection", {}).get("rows", [])
    sheets.show(columns, rows, wipe=view == "Wipe", picked=selected[0] if selected else None)
    if scale:
        scale.legend()

    saving = st.container(horizontal=True, vertical_alignment="center")
    explain(
        "sheet",
        "Each row is a test picture that no model saw in training. **input** is the picture, **noisy** what the models "
        "are given once you add noise, and every further column what one model makes of it: all get the very same "
        "noise. Hover over a cell, or walk with the arrow keys, to see it large with its numbers. The two error views "
        "show what is wrong; **Wipe** lays one version over another.",
    )

    st.subheader("Error of each picture")
    metric = _metric(clean.shape[1:])
    scored: dict[str | None, pd.DataFrame] = {None: noisy_scores} if noise.level else {}
    scored |= {key: scores for key, (_, scores) in outputs.items()}
    if metric not in BASIC:
        scored = {
            key: scores.assign(**{metric: cached.another_score(metric, key, dataset_name, which, noise, seed)})
            for key, scores in scored.items()
        }
    inputs = {"Noisy input": scored[None]} if noise.level else {}
    models = {labels[key]: scored[key] for key in keys}
    with saving:
        st.caption("Under each name: PSNR of these pictures' pooled error; higher is better.", width="stretch")
        _download("Sheet", lambda: sheets.saved(columns, rows), "sheet.png", "The sheet as a PNG file")
        _download(
            "Table",
            lambda: tables.csv(which, classes, inputs, models),
            "errors.csv",
            "MSE, PSNR, SSIM and the metric chosen below as a CSV file",
        )
    tables.per_picture(which, classes, cached.thumbnails(dataset_name, which), inputs, models, metric)

    st.subheader("Is the difference real?")
    verdicts.show(models)
    explain(
        "verdict",
        "For each pair of models, the mean difference of their squared errors over these pictures, with an interval "
        "that would hold the true difference 95 times in 100 if the pictures were drawn at random. Where it spans "
        "zero, these pictures show no difference. Pictures chosen for being bad or disputed prove nothing of others.",
    )
    links.keep(PAGE, CHOICES)


def _metric(shape: tuple[int, ...]) -> str:
    """The metric of the table: a basic one, or another that is defined for pictures of this shape."""
    basic = [METRICS[name].title for name in BASIC]
    with st.container(horizontal=True, vertical_alignment="center"):
        title = _segments("Metric", [*basic, MORE], key="metric")
        if title == MORE:
            titles, left_out = [], []
            for name, rule in METRICS.items():
                try:
                    rule.require(shape)
                except ScoreError as error:
                    left_out.append(str(error))
                else:
                    titles += [rule.title] * (name not in BASIC)
            if st.session_state.get("more") not in titles:
                st.session_state.pop("more", None)  # it was for pictures of another shape
            title = st.selectbox(
                "Other metric", titles, key="more", bind="query-params", label_visibility="collapsed", width=130
            )
            note = "Left out here:\n" + "\n".join(f"- {each}" for each in left_out) if left_out else None
            st.caption(METRICS[_NAMES[title]].meaning, width="stretch", help=note)
    return _NAMES[title]


def _column(
    heading: str,
    pixels: Pixels,
    scores: pd.DataFrame,
    clean: Pixels,
    scale: errors.ErrorScale | None,
    color: str | None = None,
) -> sheets.Column:
    numbers = [
        [("MSE", f"{mse:.3g}"), ("PSNR", f"{psnr:.2f} dB"), ("SSIM", f"{ssim:.3f}")]
        for mse, psnr, ssim in zip(scores["mse"], scores["psnr"], scores["ssim"], strict=True)
    ]
    shown = scale.colored(pixels, clean) if scale else pixels
    return sheets.Column(heading, f"{Totals.of(scores).psnr_pooled:.1f} dB", shown, numbers, color)


@st.fragment
def distribution(chosen: Sequence[Run], dataset_name: str) -> None:
    """How the errors spread over the test pictures."""
    as_trained, under = "Each as it was trained", "Under the noise above"
    how = st.segmented_control(
        "Noise",
        [as_trained, under],
        default=as_trained,
        key="spread",
        label_visibility="collapsed",
        required=True,
        help=f"The second measures the first {MEASURED:,} test pictures, which takes a second or so a model.",
    )
    if how == as_trained:
        tables_ = {run.key: cached.test_scores(run.key, dataset_name) for run in chosen}
        condition = "clean pictures; a denoiser's under the noise it was trained with"
    else:
        noise, seed = pickers.chosen_noise()
        tables_ = {run.key: cached.scores_under(run.key, dataset_name, noise, seed, MEASURED) for run in chosen}
        condition = f"{noise} noise, seed {seed}" if noise.level else "no noise"
    figures.distribution({key: table["mse"] for key, table in tables_.items()}, chosen, key="distribution")
    count = min(len(table) for table in tables_.values())
    st.caption(f"{count:,} test pictures each; {condition}.")
    explain(
        "distribution",
        "How many of the test pictures a model reconstructs how badly: the further left its outline, the better, and a "
        "long tail to the right means that some pictures come out much worse than most.",
    )


@st.fragment
def loss_curves(chosen: Sequence[Run]) -> None:
    """How the models learned."""
    with st.container(horizontal=True):
        by = _segments("Against", ["epoch", "seconds"], key="by")
        axis = _segments("Axis", ["log", "linear"], key="axis")
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
    links.keep(PAGE, CHOICES)


def _segments(label: str, options: list[str], *, key: str) -> str:
    chosen: str = st.segmented_control(
        label, options, default=options[0], key=key, bind="query-params", label_visibility="collapsed", required=True
    )
    return chosen


def _download(label: str, make: Callable[[], str | bytes], file: str, text: str) -> None:
    st.download_button(label, make, file, icon=":material/download:", on_click="ignore", help=text)
