"""The gallery without a browser: its figure, its filters, its cards, and what is said of what is missing or damaged."""

import json
import re
import shutil
from io import BytesIO
from itertools import pairwise
from math import log10
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.models import zoo
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies import legibility, rates
from aecore.studies.pca_curves import Curve as PCACurve
from aecore.studies.pca_curves import pca_curve
from aecore.studies.rates import Curve, Lead, Point, Rates
from pages.components.entries import Entry, entries, settings
from pages.components.gallery import bits, headline, moving_pictures
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


def cards(app: AppTest) -> list[str]:
    """The labels on the cards, in order."""
    return re.findall(r":gray\[`(.*?)`\]", texts(app))


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


def test_the_figure_holds_every_run_that_can_be_compared_at_its_decibels() -> None:
    app = shown()
    expected = {
        run.name: (run.spec.architecture.code_size, run.totals.psnr_pooled)
        for run in Store().listing().runs
        if run.spec.dataset == "cifar10" and run.spec.recipe.noise is None and run.name != "compress-rates"
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
    assert list(drawn.y) == pytest.approx([-10 * log10(error) for error in curve.mse[1:]])


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
    high = PCACurve("cifar10", "", "", (0, 1, 3071), (1.0, 0.9, 0.8))
    low = PCACurve("cifar10", "", "", (0, 1, 3071), (1.0, 0.001, 0.0001))
    assert headline.verdict(listed, high).startswith("Better than PCA with as many numbers: dense.")
    verdict = headline.verdict(listed, low)
    assert "dense comes nearest" in verdict
    assert "The code of shallow-strided holds more numbers than the picture." in verdict
    assert headline.verdict(listed, None) == ""


def test_a_poor_run_of_ones_own_does_not_move_the_axis(some_runs: Path) -> None:
    before = figure(shown())["layout"]["yaxis"]["range"]
    run = copied(Store().find("shallow-strided"), some_runs, seed=0, epochs=7, mse=0.5)
    app = shown()
    assert figure(app)["layout"]["yaxis"]["range"] == before
    label = f"shallow-strided {run.key[:6]}"
    (point,) = [trace for trace in figure(app)["data"] if trace["name"] == label]
    assert before[0] < point["y"][0] < before[0] + 1
    assert f"Drawn at the lower edge: {label} (3.0 dB)." in texts(app)


# ---- the figure against bits


def led(*leads: float) -> tuple[Point, ...]:
    """Points at 100, 200, … bits, this far above PCA in dB, each with a margin of 0.02."""
    return tuple(
        Point(8, 1, 64, 100 * (index + 1), 0.01 / (index + 1), over_pca=Lead(decibels, 0.02))
        for index, decibels in enumerate(leads)
    )


def in_bits(*curves: Curve) -> Rates:
    return Rates("cifar10", "", "How", (*curves, Curve("pca", "pca", led(0, 0, 0))))


def test_the_verdict_against_bits_tells_where_each_leads_and_by_how_much() -> None:
    listed = [entry for entry in entries(Store().listing().runs) if entry.label in ("dense", "compress-64")]
    behind, near = Curve("dense", "autoencoder", led(-2, -1, -3), best=1), led(-0.5, 0.04, -0.5)
    ahead = Curve("compress-64", "autoencoder", led(-0.1, 0.2, 0.5, 0.03), best=2)
    assert bits.verdict(listed, in_bits(behind, ahead)) == (
        "At equal bits only these autoencoders lead PCA: compress-64 at 200 to 300 bits. "
        "The largest difference is that of compress-64: +0.50 ± 0.02 dB at 300 bits."
    )
    assert bits.verdict(listed, in_bits(behind, Curve("compress-64", "autoencoder", near, best=1))) == (
        "At equal bits no autoencoder here leads PCA. compress-64 comes nearest: +0.04 ± 0.02 dB at 200 bits."
    )
    assert bits.verdict(listed[:0], in_bits(behind, ahead)) == ""
    assert bits.verdict(listed, in_bits()) == ""


def test_against_bits_a_bar_marks_where_a_model_leads_pca() -> None:
    published = rates.curves("cifar10", ROOT / "checkpoints")
    trained = [curve for curve in published.curves if curve.kind == "autoencoder"]
    for query, drawn in ((None, trained), ("dense", [])):
        app = shown(against="Bits per picture", **({"family": query} if query else {}))
        assert not app.exception
        traces = [go.Figure({"data": [trace]}).data[0] for trace in figure(app)["data"]]
        bars = [trace for trace in traces if trace.mode == "lines+text"]
        lines = {trace.name: trace for trace in traces if trace.mode != "lines+text"}
        assert set(lines) == {*(curve.name for curve in trained), "PCA", "JPEG", "WebP", "AVIF"}
        for curve in trained:
            assert list(lines[curve.name].x) == [point.bits for point in curve.points]
        assert {bar.name for bar in bars} == {curve.name for curve in drawn if curve.windows}
        for curve in drawn:
            ends = [list(bar.x) for bar in bars if bar.name == curve.name]
            assert ends == [[window[0].bits, window[-1].bits] for window in curve.windows]
        assert len({bar.y[0] for bar in bars}) == len({bar.name for bar in bars})
        assert published.method in "".join(caption.value for caption in app.caption)


def test_a_selected_point_names_its_system() -> None:
    assert headline.clicked({"selection": {"points": [{"customdata": "dense"}]}}) == "dense"
    assert headline.clicked({"selection": {"points": [{"customdata": ["dense"]}]}}) == "dense"
    assert headline.clicked({"selection": {"points": [{"x": 3}]}}) is None
    assert headline.clicked({"selection": {"points": []}}) is None
    assert headline.clicked(None) is None


def test_systems_are_searched_by_name_and_layer_and_sorted() -> None:
    assert cards(shown(search="no such thing")) == []
    assert cards(shown(search="MAXPOOL 4")) == ["deep-maxpool-4"]
    assert cards(shown(search="deconv48")) == ["compress-64", "compress-128", "compress-rates"]
    best = cards(shown(sort="Highest PSNR", family=["dense", "shallow"], dataset="CIFAR-10"))
    assert best == ["shallow-strided-bn", "shallow-strided", "shallow-maxpool", "dense", "dense-deep"]
    assert cards(shown(sort="Smallest code"))[0] == "compress-64"


def test_the_first_screen_shows_real_pictures_at_every_level() -> None:
    (component,) = (e.proto for e in shown().get("bidi_component") if e.proto.component_name == "moving")
    length = int.from_bytes(component.bytes[:4], "little")
    header = json.loads(component.bytes[4 : 4 + length])
    sheet = np.asarray(Image.open(BytesIO(component.bytes[4 + length :]))).transpose(2, 0, 1)
    pictures = list(moving_pictures.PICTURES)
    clean = datasets.load("cifar10-excerpt").test.pixels[pictures]
    np.testing.assert_array_equal(sheet[:, :32, :128], np.concatenate(list(clean.numpy()), axis=2))
    level = header["levels"].index(0.2)
    noise = noisy(to_float(clean), Noise("gaussian", 0.2), 0, pictures)
    for column, (name, *_) in enumerate(header["columns"][1:]):
        output = noise if name == "noisy" else store.load(name)(noise)
        expected = np.concatenate(list((output.clamp(0, 1) * 255).round().numpy()), axis=2)
        cut = sheet[:, 32 * (level + 1) :, 128 * column :][:, :32, :128].astype(float)
        assert np.abs(cut - expected).max() <= 1
        psnr = -10 * log10(float((output.clamp(0, 1).double() - to_float(clean)).square().mean()))
        assert header["psnr"][level][column] == f"{psnr:.1f} dB"


def test_without_the_telling_models_the_first_screen_is_the_figure(some_runs: Path) -> None:
    assert "Move the noise slider" in texts(shown())
    shutil.rmtree(Store().find("shallow-strided").path)
    app = shown()
    assert not app.exception
    assert "Move the noise slider" not in texts(app)


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
    assert point["y"] == [pytest.approx(mean(decibels))]
    assert point["error_y"]["array"] == [pytest.approx(stdev(decibels))]
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
    assert [caption.value for caption in app.caption].count("Stored without weights: only scores and loss curves.") == 1
    links = [link.proto for link in app.get("page_link") if link.proto.label == "Compare"]
    assert [link.disabled for link in links] == [False, True]
    assert links[1].help == "Stored without weights: only scores and loss curves."
    assert len([block for block in app.get("html") if 'class="pixels preview"' in block.value]) == 2


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
    next(button for button in app.button if button.label == "Show all systems").click().run()
    assert "`dense-deep`" in texts(app)


@pytest.mark.parametrize("query", [{"family": "nonsense"}, {"dataset": "../../etc"}, {"bn": ["1", "2"]}])
def test_a_bad_link_falls_back_with_a_note(query: dict[str, str | list[str]]) -> None:
    app = shown(**query)
    assert not app.exception
    assert "could not be followed" in app.warning[0].value
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


def test_a_recipe_of_ones_own_is_put_into_words(some_runs: Path) -> None:
    published = Store(ROOT / "checkpoints").find("denoise-030")
    changes: dict[str, Any] = {"noise": Noise("gaussian", 1.0, 0.03, logarithmic=True), "loss": "psnr"}
    own = copied(published, some_runs, average=0.999, flips=True, **changes)
    entry = entries([own])[-1]
    words = "loss PSNR, weights averaged (0.999), mirrored at random"
    assert entry.story == f"9 epochs, seed 0, on CIFAR-10, noise σ 0.03 to 1 (log scale), {words}."
    assert entry.title.replace("\\", "").endswith(f"own run: noise σ 0.03 to 1 (log scale), {words}")
    more = copied(published, some_runs, average=0.999, flips=True, **changes, images=500, epochs=2)
    title = "own run: 2 epochs, 500 pictures, noise σ 0.03 to 1 (log scale), 3 other changes"
    assert entries([more])[-1].title.replace("\\", "").endswith(title)
    rows = settings(entry)
    assert rows["Noise"] == "gaussian:0.03..1:log"
    assert rows["Loss"] == "psnr"
    assert (rows["Average of weights"], rows["Mirroring"]) == ("decay 0.999", "at random")
    assert not {"Average of weights", "Mirroring"} & settings(entries([])[0]).keys()


def test_a_card_says_from_how_many_reconstructions_the_class_is_read() -> None:
    app, published = shown(), legibility.published("cifar10", Store().root)
    assert published is not None
    captions = [caption.value for caption in app.caption if caption.value.startswith("Class read")]
    assert len(captions) == len(zoo.SYSTEMS)
    share, originals = f"{published.of('dense').accuracy:.1%}", f"{published.original.accuracy:.1%}"
    assert f"Class read from **{share}** of outputs, {originals} of originals" in captions


def test_without_published_readings_a_card_says_nothing_of_them_and_damaged_ones_are_named(some_runs: Path) -> None:
    app = shown()
    assert "legibility" not in texts(app)
    assert not [caption for caption in app.caption if caption.value.startswith("Class read")]
    (some_runs / "legibility-cifar10.json").write_text("{")
    assert "legibility-cifar10.json is damaged: `python -m aecore legibility` makes it again" in texts(shown())
