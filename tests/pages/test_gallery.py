"""The gallery without a browser: its figure, its filters, its cards, and what is said of what is missing or damaged."""

import json
import shutil
from itertools import pairwise
from math import log10
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.models import zoo
from aecore.runs.store import Store
from aecore.studies.pca_curves import Curve, pca_curve
from pages.components.entries import Entry, entries, settings
from pages.components.gallery import headline
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]


def shown(**query: str | list[str]) -> AppTest:
    """The gallery as the dashboard shows it."""
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for kind in (app.markdown, app.info, app.warning) for element in kind)


def figure(app: AppTest) -> dict[str, Any]:
    (chart,) = app.get("plotly_chart")
    spec: dict[str, Any] = json.loads(chart.proto.spec)
    return spec


def names(app: AppTest) -> list[str]:
    """The points of the figure."""
    return [trace["name"] for trace in figure(app)["data"] if trace["mode"] == "markers"]


@pytest.fixture
def some_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two of the published runs and no curve."""
    published = {run.name: run.path for run in Store().listing().runs}
    for name in ("shallow-maxpool", "shallow-strided"):
        shutil.copytree(published[name], tmp_path / published[name].name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    return tmp_path


def test_every_system_has_a_card_with_its_story() -> None:
    app = shown()
    assert not app.exception
    assert not app.warning
    for system in zoo.SYSTEMS.values():
        assert f"`{system.name}`" in texts(app)
        assert system.story in texts(app)


# ---- the figure


def test_the_figure_holds_every_run_that_can_be_compared_at_its_error() -> None:
    app = shown()
    expected = {
        run.name: (run.spec.architecture.code_size, run.totals.mse)
        for run in Store().listing().runs
        if run.spec.dataset == "cifar10" and run.spec.recipe.noise is None
    }
    points = {trace["name"]: trace for trace in figure(app)["data"] if trace["mode"] == "markers"}
    assert len(expected) == 18
    assert {name: (trace["x"][0], trace["y"][0]) for name, trace in points.items()} == expected
    assert not any("denoise" in name for name in points)


def test_a_model_without_a_code_is_not_in_the_figure_and_has_a_dash_on_its_card(some_runs: Path) -> None:
    copied(Store(ROOT / "checkpoints").find("denoise-residual"), some_runs, noise=None)
    app = shown()
    assert not app.exception
    assert not any("denoise-residual" in name for name in names(app))
    sizes = {metric.value for metric in app.metric if metric.label == "Code size"}
    assert "–" in sizes
    assert not any(size.startswith("3,072") for size in sizes)


def test_the_line_is_the_published_curve() -> None:
    (line,) = [trace for trace in figure(shown())["data"] if trace["mode"] == "lines"]
    curve = pca_curve("cifar10", ROOT / "checkpoints")
    drawn = go.Figure({"data": [line]}).data[0]
    assert list(drawn.x) == list(curve.components[1:])
    assert list(drawn.y) == pytest.approx(curve.mse[1:])


def test_digits_have_a_figure_of_their_own() -> None:
    app = shown(dataset="MNIST")
    assert names(app) == ["mnist-dense"]
    assert "`mnist-dense`" in texts(app)
    assert "`shallow-strided`" not in texts(app)


def test_a_filter_leaves_the_others_in_the_background() -> None:
    app = shown(family="dense")
    faint = {trace["name"] for trace in figure(app)["data"] if trace.get("opacity") == 0.25}
    assert set(names(app)) - faint == {"dense", "dense-deep"}


def test_names_beside_the_points_are_apart() -> None:
    labels = [label for label in figure(shown())["layout"]["annotations"] if label["text"] in zoo.SYSTEMS]
    assert len(labels) == 18
    by_side: dict[tuple[float, str], list[float]] = {}
    for label in labels:
        scale = 340 / 2.4  # pixels a decade, about
        by_side.setdefault((label["x"], label["xanchor"]), []).append(label["y"] * scale + label.get("yshift", 0))
    for places in by_side.values():
        assert all(after - before > 11 for before, after in pairwise(sorted(places)))


def test_the_verdict_counts_who_beats_the_line() -> None:
    listed = [entry for entry in entries(Store().listing().runs) if entry.label in ("dense", "shallow-strided")]
    high = Curve("cifar10", "", "", (0, 1, 3071), (1.0, 0.9, 0.8))
    low = Curve("cifar10", "", "", (0, 1, 3071), (1.0, 0.001, 0.0001))
    assert headline.verdict(listed, high).startswith("Better than PCA with as many numbers: dense.")
    verdict = headline.verdict(listed, low)
    assert "dense comes nearest" in verdict
    assert "The code of shallow-strided holds more numbers than the picture." in verdict
    assert headline.verdict(listed, None) == ""


def test_a_selected_point_names_its_system() -> None:
    assert headline.clicked({"selection": {"points": [{"customdata": "dense"}]}}) == "dense"
    assert headline.clicked({"selection": {"points": [{"customdata": ["dense"]}]}}) == "dense"
    assert headline.clicked({"selection": {"points": [{"x": 3}]}}) is None
    assert headline.clicked({"selection": {"points": []}}) is None
    assert headline.clicked(None) is None


# ---- runs that differ only in the seed, and runs without weights


def test_several_seeds_are_one_card_and_one_point_with_a_bar(some_runs: Path) -> None:
    run = Store().find("shallow-strided")
    errors = [run.totals.mse, 0.0008, 0.0014]
    for seed in (1, 2):
        copied(run, some_runs, seed=seed, mse=errors[seed])
    app = shown()
    assert not app.exception
    assert not app.header or "Your runs" not in [header.value for header in app.header]
    (metric,) = [metric for metric in app.metric if metric.label == "Test PSNR, 3 seeds"]
    decibels = [-10 * log10(error) for error in errors]
    assert metric.value == f"{mean(decibels):.1f} ± {stdev(decibels):.1f} dB"
    (point,) = [trace for trace in figure(app)["data"] if trace["name"] == "shallow-strided"]
    assert point["y"] == [pytest.approx(mean(errors))]
    assert point["error_y"]["array"] == [pytest.approx(stdev(errors))]
    assert point["error_y"]["visible"]
    (single,) = [trace for trace in figure(app)["data"] if trace["name"] == "shallow-maxpool"]
    assert not single["error_y"]["visible"]


def test_seeds_of_a_variant_are_one_entry(some_runs: Path) -> None:
    run = Store().find("shallow-maxpool")
    first = copied(run, some_runs, seed=0, epochs=7)
    copied(run, some_runs, seed=4, epochs=7)
    (entry,) = [entry for entry in entries(Store().listing().runs) if entry.is_own_run]
    assert entry.label == f"shallow-maxpool {first.key[:6]}"
    assert entry.story == "7 epochs, seeds 0 and 4, on CIFAR-10."
    assert [run.spec.seed for run in entry.runs] == [0, 4]
    assert entry.of_seed(4).run == entry.runs[1]


def test_a_small_deviation_is_shown_with_another_digit(some_runs: Path) -> None:
    run = Store().find("shallow-strided")
    copied(run, some_runs, seed=1, mse=run.totals.mse * 1.005)
    (entry,) = [entry for entry in entries(Store().listing().runs) if entry.label == "shallow-strided"]
    assert entry.psnr.endswith(" ± 0.02 dB")


def test_a_run_without_weights_is_shown_and_cannot_be_compared(some_runs: Path) -> None:
    shutil.rmtree(Store().find("shallow-strided").path)
    copied(Store().find("shallow-maxpool"), some_runs, epochs=7, light=True)
    app = shown()
    assert not app.exception
    assert "weights.safetensors" not in texts(app)
    assert [caption.value for caption in app.caption].count("Kept light: scores and curve, no weights.") == 1
    links = [link.proto for link in app.get("page_link") if link.proto.label == "Compare"]
    assert [link.disabled for link in links] == [False, True]
    assert links[1].help == "Kept light: scores and curve, no weights."
    assert len(app.get("image")) == 2


# ---- filters


def test_a_family_can_be_chosen() -> None:
    app = shown()
    app.button_group(key="family").set_value(["denoising"]).run()
    assert "`denoise-030`" in texts(app)
    assert "`dense-deep`" not in texts(app)


def test_a_link_brings_back_every_choice() -> None:
    app = shown(family=["deep", "shallow"], bn="Batch norm")
    assert "`deep-strided-4-bn`" in texts(app)
    assert "`shallow-strided-bn`" in texts(app)
    assert "`deep-strided-4`" not in texts(app)
    assert "`conv-dense-bn`" not in texts(app)


def test_choices_that_nothing_fits_can_be_taken_back() -> None:
    app = shown(family="dense", bn="Batch norm")
    assert not app.exception
    assert "No system fits" in app.info[0].value
    app.button[0].click().run()
    assert "`dense-deep`" in texts(app)


@pytest.mark.parametrize("query", [{"family": "nonsense"}, {"dataset": "../../etc"}, {"bn": ["1", "2"]}])
def test_a_bad_link_falls_back_with_a_note(query: dict[str, str | list[str]]) -> None:
    app = shown(**query)
    assert not app.exception
    assert "cannot be had here" in app.warning[0].value
    assert "`shallow-strided`" in texts(app)


# ---- what is missing or damaged


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = shown()
    assert not app.exception
    assert "python -m aecore train shallow-strided`" in texts(app)
    assert not app.get("plotly_chart")


def test_a_damaged_run_is_named_and_the_others_are_shown(some_runs: Path) -> None:
    next(some_runs.glob("shallow-maxpool-*/run.json")).write_text("{")
    app = shown()
    assert not app.exception
    assert "run.json is damaged" in texts(app)
    assert any(metric.value.endswith("dB") for metric in app.metric)
    assert names(app) == ["shallow-strided"]


def test_without_the_curve_the_points_are_shown(some_runs: Path) -> None:
    app = shown()
    assert not app.exception
    assert "`python -m aecore baselines`" in app.warning[0].value
    assert names(app) == ["shallow-maxpool", "shallow-strided"]
    assert not [trace for trace in figure(app)["data"] if trace["mode"] == "lines"]


def test_a_damaged_curve_is_named(some_runs: Path) -> None:
    (some_runs / "pca-cifar10.json").write_text("{}")
    app = shown()
    assert not app.exception
    assert "pca-cifar10.json is damaged" in app.warning[0].value


def test_a_damaged_preview_is_named_on_its_card(some_runs: Path) -> None:
    preview = next(some_runs.glob("shallow-maxpool-*/preview.png"))
    preview.write_bytes(bytes(len(preview.read_bytes())))
    app = shown()
    assert not app.exception
    assert "preview.png is damaged" in texts(app)


# ---- entries


def test_a_variant_is_an_entry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Store().find("shallow-strided-bn")
    monkeypatch.setattr(zoo, "is_own", lambda spec: spec.name != run.name)
    st.cache_data.clear()
    everyone = entries([run, Store().find("dense")])
    assert [entry.run is not None for entry in everyone[:2]] == [False, True]
    variant: Entry = everyone[-1]
    assert variant.is_own_run
    assert variant.label == f"shallow-strided-bn {run.key[:6]}"
    assert variant.has_batch_norm
    assert variant.story == "4 epochs, seed 0, on CIFAR-10."


def test_settings_tell_what_is_left_open() -> None:
    (entry,) = [entry for entry in entries([]) if entry.label == "denoise-030"]
    rows = settings(entry)
    assert rows["Noise"] == "gaussian:0.3"
    assert rows["Images"] == "all"
    assert rows["Batch size"] == "100"
    (entry,) = [entry for entry in entries([]) if entry.label == "dense"]
    assert settings(entry)["Noise"] == "none"
