"""Denoise without a browser: choices, links, figures by level, and what is said when something is missing."""

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import to_float
from aecore.files.figures import write
from aecore.measuring.metrics import psnr
from aecore.reconstructors.denoisers import METHODS
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies import denoising, sensitivity
from aecore.studies.contestants import of_run
from aecore.studies.denoising import Bits, Curves, Point
from pages.components import jobs, links
from pages.components.denoise import draws, levels
from tests import optional

ROOT = Path(__file__).parents[2]
FIGURES = "denoising-cifar10.json"
# Made up so that everything to be read off is known.
LINES: dict[str, dict[float, float | None]] = {
    "noisy": {0.0: None, 0.2: 14.0, 0.6: 8.0, 1.0: 6.0},
    "blur": {0.0: None, 0.2: 24.0, 0.6: 18.0, 1.0: 14.0},
    "denoise-030": {0.0: 25.0, 0.2: 24.5, 0.6: 17.5, 1.0: 12.0},
    "denoise-100": {0.0: 19.0, 0.2: 19.0, 0.6: 18.5, 1.0: 18.0},
}
OVER = {"wiener": (-1.5, -1.75, -1.25)}
CURVES = Curves(
    "cifar10",
    datasets.load("cifar10").fingerprint,
    tuple(
        # The first pictures are a little harder than the rest.
        Point(name, level, 1000, value, 0.1, value, ssim, value and value - 0.25, ssim - 0.01, OVER)
        for name, line in LINES.items()
        for level, value in line.items()
        for ssim in (0.9 - level / 2 + 0.05 * (name == "blur"),)
    ),
)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, sample_fits: Path) -> Path:
    """A store with two denoisers, for all tests: what is fitted once stays there."""
    folder = tmp_path_factory.mktemp("denoise") / "checkpoints"
    shutil.copytree(sample_fits, folder)
    for name in ("denoise-030", "denoise-100", "mnist-dense"):
        path = Store().find(name).path
        shutil.copytree(path, folder / path.name)
    return folder


@pytest.fixture(autouse=True)
def figures(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test sees that store and figures in it, a machine without CIFAR-10, and no cache of another test's."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    write(root / FIGURES, asdict(CURVES))
    st.cache_data.clear()
    st.cache_resource.clear()
    yield root / FIGURES
    # What is still computed must find this store, and not the one of the published runs.
    for pool in jobs.LANES.values():
        pool.submit(lambda: None).result()


def page(**query: str | list[str]) -> AppTest:
    """The page with everything on it that is not computed by a fit."""
    app = AppTest.from_file(ROOT / "pages/explore/denoise.py", default_timeout=120)
    for name, value in {"denoisers": ["denoise-030", "blur"], "count": "2", **query}.items():
        app.query_params[name if name == "denoisers" else f"d-{name}"] = value
    return complete(app.run())


def complete(app: AppTest) -> AppTest:
    """Look again, as the browser does, until the denoisers are done; a fit is not waited for."""
    while [caption for caption in captions(app) if "hourglass" in caption and "fitted at first use" not in caption]:
        look_again(app)
    return app


def look_again(app: AppTest) -> None:
    time.sleep(0.05)
    app.session_state[links.REDRAWN] = True  # as the page notes when it draws itself again
    app.run()


def captions(app: AppTest) -> list[str]:
    return [element.value for element in app.caption]


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in app.markdown)


def maps(app: AppTest) -> list[str]:
    """The tables of maps, without their pictures."""
    blocks = [re.sub(r'src="[^"]*"', "", block.value) for block in app.get("html")]
    return [block.partition("<table>")[2] for block in blocks if "<table>" in block]


def cells(table: str, row: str) -> list[str]:
    """What stands in one row of a table of maps."""
    (line,) = re.findall(rf'<th scope="row">{row}</th>(.*?)</tr>', table)
    return re.findall(r"<td>(.*?)</td>", line)


def test_without_data_the_excerpt_is_shown_with_what_needs_no_fit() -> None:
    app = page(denoisers=["denoise-030", "wiener"])
    assert not app.exception
    assert not app.error
    assert "denoisers = wiener (instead: denoise-030)" in app.warning[0].value
    picker = app.multiselect(key="denoisers")
    assert "tv" in picker.options
    assert "wiener must be fitted to the training pictures, which are not here." in picker.help
    assert any("the first 1,000 test pictures of CIFAR-10" in caption for caption in captions(app))
    assert any(button.label == "Fetch CIFAR-10, 170 MB" for button in app.button)
    assert not any("which are not those shown above" in caption for caption in captions(app))


def test_on_the_embedded_sample_the_figures_say_whose_they_are() -> None:
    app = page(data="Embedded sample")
    assert not app.exception
    assert "fitted on it" in app.info[0].value
    assert any(
        "test pictures of CIFAR-10" in caption and "which are not those shown above" in caption
        for caption in captions(app)
    )


def test_a_link_brings_back_every_choice() -> None:
    app = page(
        denoisers=["blur"], noise="Masking", level="0.25", draw="7", seed="2", view="Error", row="5", column="30"
    )
    assert not app.warning
    assert app.multiselect(key="denoisers").value == ["blur"]
    assert app.selectbox(key="d-noise").value == "Masking"
    assert app.slider(key="d-level").value == 0.25
    assert app.number_input(key="d-seed").value == 2
    assert app.segmented_control(key="d-view").value == "Error"
    assert (app.slider(key="d-row").value, app.slider(key="d-column").value) == (5, 30)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"denoisers": ["blur", "no-such"]}, "denoisers = no-such (instead: blur)"),
        ({"noise": "nosuch"}, "d-noise = nosuch (instead: Gaussian)"),
        ({"level": "7"}, "d-level = 7 (instead: 0.1)"),
        ({"level": "NaN"}, "d-level = NaN (instead: 0.1)"),
        ({"picture": "frog #-1", "at": "x"}, "d-picture = frog #-1"),
        ({"row": "99", "view": "Best"}, "d-view = Best (instead: Pictures)"),
    ],
)
def test_what_a_link_cannot_have_is_said_and_replaced(query: dict[str, str | list[str]], said: str) -> None:
    app = page(**query)
    assert not app.exception
    assert said in app.warning[0].value


def test_missing_and_damaged_figures_are_told_and_measuring_is_offered(figures: Path) -> None:
    figures.unlink()
    app = page()
    assert not app.exception
    assert "denoising-cifar10.json is missing: `python -m aecore denoising`" in app.info[0].value
    assert any("Measure" in button.label for button in app.button)
    facts = asdict(CURVES) | {"sha256": "0" * 64}
    figures.write_text(json.dumps(facts))
    app.run()
    assert not app.exception
    assert "denoising-cifar10.json is damaged" in app.info[0].value


def test_no_denoiser_chosen_says_what_to_do() -> None:
    app = page()
    app.multiselect(key="denoisers").set_value([]).run()
    assert not app.exception
    assert any("Choose a denoiser" in element.value for element in app.info)


def test_damaged_weights_are_named_and_the_others_shown(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root, tmp_path / "store")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    (Store().find("denoise-030").path / "weights.safetensors").write_bytes(b"")
    app = page(denoisers=["denoise-030", "denoise-100"])
    assert not app.exception
    assert "weights.safetensors is damaged" in app.error[0].value
    assert "denoise-100" in maps(app)[0]
    assert "denoise-030" not in maps(app)[0]

    shutil.copytree(root, tmp_path / "store", dirs_exist_ok=True)  # mended
    monkeypatch.setattr(jobs, "FORGIVEN", 0)
    app = page(denoisers=["denoise-030", "denoise-100"])
    assert not app.error
    assert "denoise-030" in maps(app)[0]


def test_numbers_of_no_picture_are_told_what_is_legal() -> None:
    app = page(pictures="Numbers", numbers="5000")
    assert not app.exception
    assert "from 0 to 999" in app.error[0].value


def test_the_published_lines_say_who_wins_where() -> None:
    app = page(denoisers=["blur", "denoise-030", "denoise-100"])
    # The lines of blur and denoise-030 cross half way from 0.2 to 0.6; blur and denoise-100 at ten elevenths of it.
    assert (
        "**denoise-030** is best from σ 0.2 up to σ 0.4, **blur** from there up to σ 0.56 and **denoise-100** under"
        in texts(app)
    )
    assert "Above σ 0.4, **blur** does better than denoise-030." in texts(app)
    assert "Above σ 0.54, **denoise-100** does better than denoise-030." in texts(app)
    assert "PSNR on pictures without noise: denoise-030 25.0 dB and denoise-100 19.0 dB" in texts(app)
    assert "blur leaves pictures without noise unchanged" in texts(app)


def drawn(app: AppTest) -> dict[str, list[float]]:
    """The lines of the figure that says who wins."""
    traces = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    return {trace["name"]: trace["y"] for trace in traces if trace.get("mode") == "lines+markers"}


@optional.needs_bm3d
def test_where_one_is_slow_all_are_compared_on_the_pictures_that_it_was_measured_on(figures: Path) -> None:
    slow = [replace(point, name="bm3d", pictures=200) for point in CURVES.of("blur")]
    write(figures, asdict(replace(CURVES, points=(*CURVES.points, *slow))))
    for others, less in ((["blur"], 0.0), (["blur", "bm3d"], 0.25)):
        app = page(denoisers=["denoise-030", *others])
        assert drawn(app)["denoise-030"] == pytest.approx([25.0 - less, 24.5 - less, 17.5 - less, 12.0 - less])
        slow_one = "Measured on the first 200 test pictures of CIFAR-10, because bm3d is slow"
        shown = slow_one if less else "Measured on 1,000 test pictures of CIFAR-10"
        assert any(shown in caption for caption in captions(app))


def test_the_gain_is_the_distance_from_the_wiener_filter(figures: Path) -> None:
    shutil.copy(ROOT / "checkpoints" / figures.name, figures)
    app = page(denoisers=["denoise-030", "blur"])
    curves = denoising.curves("cifar10", ROOT / "checkpoints")
    drawn = next(json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart"))
    (trace,) = [trace for trace in drawn if trace.get("name") == "blur"]
    own, reference = ({point.level: point.psnr for point in curves.of(name)} for name in ("blur", "wiener"))
    common = [level for level in own if own[level] is not None and reference[level] is not None]
    assert list(go.Figure({"data": [trace]}).data[0].y) == pytest.approx([own[at] - reference[at] for at in common])
    assert "25/255" in trace["customdata"]


def test_by_another_metric_others_win() -> None:
    app = page(denoisers=["blur", "denoise-030"], metric="SSIM")
    assert "Of these, **blur** is best at every measured level." in texts(app)


def test_lines_that_only_touch_do_not_cross() -> None:
    lines = {"one": {0.0: 2.0, 0.5: 1.0, 1.0: 2.0}, "other": {0.0: 1.0, 0.5: 1.0, 1.0: 1.0}}
    assert levels.crossings(lines) == []
    lines["other"][1.0] = 3.0
    assert levels.crossings(lines) == [levels.Crossing(0.5, "other", "one")]


def test_a_crossing_that_is_told_as_the_last_level_measured_is_none() -> None:
    lines = {"one": {0.0: 1.0, 1.0: 0.0}, "other": {0.0: 0.0, 1.0: 0.001}}
    assert levels.crossings(lines) == []
    assert levels.leads(lines) == [(0.0, "one")]
    lines["other"][1.0] = 0.1
    assert [f"{crossing.level:.2g}" for crossing in levels.crossings(lines)] == ["0.91"]


def test_nobody_is_called_best_where_one_gives_pictures_back_without_error() -> None:
    app = page(denoisers=["blur", "denoise-100"])
    assert "from σ 0.2" in texts(app)
    app = page(denoisers=["denoise-030", "denoise-100"])
    assert "**denoise-030** is best up to" in texts(app)


def test_who_was_not_measured_is_named() -> None:
    app = page(denoisers=["denoise-030", "wavelet"])
    assert any("no curve is published for wavelet" in caption for caption in captions(app))


@pytest.mark.parametrize(
    ("noise", "drawn"),
    [
        ("gaussian:0.4", [(0.4, 21.0)]),
        ("gaussian:0.1..0.7", [(0.2, 24.5), (0.6, 17.5)]),
        ("gaussian:2", None),
        ("salt-pepper:0.4", None),
    ],
)
def test_the_levels_that_a_model_was_trained_at_are_marked_on_its_line(
    noise: str, drawn: list[tuple[float, float]] | None
) -> None:
    run = Store().find("denoise-030")
    recipe = replace(run.spec.recipe, noise=Noise.parse(noise))
    own = of_run(replace(run, spec=replace(run.spec, recipe=recipe)))
    mark = levels.trained_mark(own, {0.2: 24.5, 0.6: 17.5, 1.0: 12.0})
    assert drawn == (mark and list(zip(mark["x"], mark["y"], strict=True)))


def test_nothing_is_published_of_a_variant() -> None:
    run = Store().find("denoise-030")
    assert of_run(run).published == "denoise-030"
    assert of_run(replace(run, spec=replace(run.spec, seed=1))).published is None


@optional.needs_bm3d
@pytest.mark.parametrize("kind", ["Salt and pepper", "Occlusion"])
def test_noise_of_which_nothing_is_published_is_measured_when_asked(kind: str) -> None:
    app = page(denoisers=["denoise-030", "wavelet", "bm3d"], noise=kind, level="0.2", count="1")
    assert f"{kind} noise is measured here on request" in app.info[0].value
    assert not app.dataframe
    (button,) = [element for element in app.button if "Measure 100 test pictures" in element.label]
    complete(button.click().run())
    assert not app.exception
    table = app.dataframe[0].value.set_index("Denoiser")
    assert set(table.index) == {"denoise-030", "wavelet"}
    assert any("bm3d left out" in element for element in captions(app))
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[:100])
    noise = Noise(kind.lower().replace(" and ", "-"), 0.2)
    output = store.load("denoise-030")(noisy(clean, noise, 0, range(100)))
    expected = psnr((output.clamp(0, 1).double() - clean).square().mean((1, 2, 3))).mean()
    assert table.loc["denoise-030", "PSNR, mean"] == pytest.approx(float(expected), abs=1e-3)


def test_bias_and_variance_are_those_of_the_core() -> None:
    app = page(pictures="Numbers", numbers="11", level="0.3")
    pixels = datasets.load("cifar10-excerpt").test.pixels[11]
    spread = sensitivity.spread(store.load("denoise-030"), pixels, Noise("gaussian", 0.3), draws.DRAWS)
    squared, variance = spread.mse
    table = maps(app)[0]
    assert float(cells(table, "Bias²")[0]) == pytest.approx(squared, rel=5e-3)
    assert float(cells(table, "Variance")[0]) == pytest.approx(variance, rel=5e-3)
    assert float(cells(table, "MSE")[0]) == pytest.approx(squared + variance, rel=5e-3)


def test_without_noise_there_are_no_draws() -> None:
    app = page(level="0")
    assert not app.exception
    assert any("every draw is the same" in caption for caption in captions(app))


def test_without_its_package_bm3d_is_not_offered_and_its_sentence_is_in_the_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bm3d", None)
    app = page(denoisers=["bm3d", "blur"], count="1")
    assert not app.exception
    assert not app.error
    picker = app.multiselect(key="denoisers")
    assert picker.value == ["blur"]
    assert "bm3d" not in picker.options
    assert METHODS["bm3d"].missing in picker.help


@optional.needs_bm3d
def test_slow_ones_are_left_out_of_the_draws_until_asked_for() -> None:
    app = page(denoisers=["bm3d", "blur"], count="1")
    assert not app.exception
    assert "bm3d" not in maps(app)[0]
    assert app.checkbox(key="d-slow").label == "Include bm3d"


def test_the_sum_of_the_weights_is_that_of_the_jacobian() -> None:
    app = page(pictures="Numbers", numbers="11", level="0.3", row="4", column="9")
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[[11]])
    given = noisy(clean, Noise("gaussian", 0.3), 0, [11])[0]
    weights = sensitivity.within_channels(sensitivity.weights_of(store.load("denoise-030"), given, 4, 9))
    while "…" in cells(maps(app)[-1], "Sum")[0]:  # the caption tells of the Wiener filter's fit, too
        look_again(app)
    table = maps(app)[-1]
    assert float(cells(table, "Sum")[0]) == pytest.approx(float(weights.sum()), abs=1e-3)
    assert int(cells(table, "Pixels with 90% of the weight")[0]) == sensitivity.fewest_pixels(0.9, weights)


def test_the_wiener_filter_is_beaten_or_not_by_the_published_figures() -> None:
    app = page(level="0.25")
    assert "At σ 0.2, the nearest measured level" in texts(app)
    assert "denoise-030 falls short of the Wiener filter by **1.50 dB**" in texts(app)


def test_another_picture_and_pixel_are_chosen() -> None:
    app = page(pictures="Numbers", numbers="11, 12")
    before = maps(app)[-1]
    app.slider(key="d-row").set_value(2).run()
    assert not app.exception
    assert maps(complete(app))[-1] != before


def test_digits_have_one_channel(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(denoisers=["blur"], data="MNIST", row="31")
    assert not app.exception
    assert app.slider(key="d-row").value < 28
    assert np.isfinite(float(cells(maps(app)[0], "MSE")[0]))


def test_the_denoisers_are_ranked_at_the_level_with_the_lead_and_its_interval() -> None:
    curves = denoising.curves("cifar10", ROOT / "checkpoints")
    names = {"bm3d": "bm3d", "denoise-030": "030", "denoise-unet": "unet"}
    at = {name: curves.at(name, 50 / 255) for name in names}
    psnrs = {name: point.psnr_subset for name, point in at.items() if point}
    unet = at["denoise-unet"]
    assert unet
    mean, low, high = unet.over["bm3d"]
    assert levels.ranking(curves, names, 0.2, "psnr_subset") == (
        f"At σ 50/255, the nearest measured level: **unet {psnrs['denoise-unet']:.1f} dB**, "
        f"bm3d {psnrs['bm3d']:.1f} dB, 030 {psnrs['denoise-030']:.1f} dB. unet leads bm3d by **{mean:.2f} dB** "
        f":gray[(95% interval {low:+.2f} to {high:+.2f}, on the first 200 pictures)]."
    )
    assert levels.ranking(curves, {"bm3d": "bm3d"}, 0.2, "psnr_subset") == ""
    # At σ 0.03 the lead of the Wiener filter over the U-Net may be chance.
    close = levels.ranking(curves, {"denoise-unet": "unet", "wiener": "wiener"}, 0.03, "psnr")
    assert close.startswith("At σ 0.03: **wiener ")
    assert "which leaves open which is better" in close


def with_the_wiener_filter(**levels_of_others: dict[float, float]) -> Curves:
    """Curves in which the Wiener filter is 2 dB below the least possible error, at three levels and one between."""
    linear = {0.1: 27.36, 0.3: 21.63, 0.4: 21.0, 0.5: 19.24}
    points = [
        Point(name, level, 200 if name == "bm3d" else 1000, value + 0.2, 0.1, value, 0.9, value + 0.1, 0.9, {})
        for name, line in {"noisy": {0.1: 20.0}, "wiener": linear, **levels_of_others}.items()
        for level, value in line.items()
    ]
    return replace(CURVES, points=tuple(points))


def traces(app: AppTest, chart: int = 0) -> dict[str, dict[str, object]]:
    """What is drawn in a figure, by name."""
    drawn = json.loads(app.get("plotly_chart")[chart].proto.spec)["data"]
    return {trace.get("name", ""): trace for trace in drawn}


def test_the_share_of_the_possible_gain_is_drawn_and_said(figures: Path) -> None:
    curves = with_the_wiener_filter(**{"denoise-030": {0.1: 27.86, 0.3: 22.63, 0.4: 22.0, 0.5: 19.74}})
    write(figures, asdict(curves))
    app = page(denoisers=["denoise-030"], metric="Share of the possible gain")
    assert not app.exception
    assert (
        "**denoise-030 closes 25 to 50% of the gap between the best linear filter and the least possible error**; "
        "least at σ 0.1"
    ) in texts(app)
    drawn = traces(app)
    assert drawn["denoise-030"]["y"] == pytest.approx([25, 50, 25])
    assert drawn[levels.LEAST]["y"] == [100, 100, 100]
    assert "noisy" not in drawn


def test_the_ceiling_stands_in_views_of_pooled_psnr_alone(figures: Path) -> None:
    curves = with_the_wiener_filter(**{"denoise-030": {0.1: 27.0, 0.3: 22.63}})
    write(figures, asdict(curves))
    app = page(denoisers=["denoise-030"], metric="PSNR, pooled")
    drawn = traces(app)
    assert drawn["denoise-030"]["y"] == [27.0, 22.63]
    # At 0.4, where it is not known, 2 dB above the Wiener filter as at the levels around.
    assert drawn[levels.LEAST]["y"] == pytest.approx([29.36, 23.63, 23.0, 21.24])
    assert "closes at most 50%" in texts(app)
    assert "at σ 0.3; at σ 0.1 it is worse than the filter" in texts(app)
    for metric in ("PSNR", "Gain over the Wiener filter", "SSIM"):
        assert levels.LEAST not in traces(page(denoisers=["denoise-030"], metric=metric))
    write(figures, asdict(replace(curves, points=tuple(point for point in curves.points if point.name != "wiener"))))
    app = page(denoisers=["denoise-030"], metric="PSNR, pooled")
    assert levels.LEAST not in traces(app)
    assert "closes" not in texts(app)


def test_the_table_of_trained_denoisers_is_in_pooled_psnr_with_the_ceiling_below(figures: Path) -> None:
    write(figures, asdict(with_the_wiener_filter(**{"denoise-030": {0.1: 27.0, 0.3: 22.63, 0.4: 21.1}})))
    app = page(denoisers=["denoise-030"])
    table = json.loads(app.get("plotly_chart")[1].proto.spec)
    assert table["data"][0]["text"] == [["<b>27.0</b>", "<b>22.6</b>", "<b>21.1</b>"]]
    columns = table["data"][0]["x"]
    shown = {columns[note["x"]]: note["text"] for note in table["layout"]["annotations"]}
    assert shown == {"0.1": "29.4", "0.3": "23.6"}
    assert {note["y"] for note in table["layout"]["annotations"]} == {1}, "the row below the one denoiser"
    assert any(caption.startswith("PSNR in dB, pooled") for caption in captions(app))


@optional.needs_bm3d
def test_slow_ones_have_no_place_in_views_of_pooled_psnr(figures: Path) -> None:
    curves = with_the_wiener_filter(**{"denoise-030": {0.1: 28.36}, "bm3d": {0.1: 29.0}})
    write(figures, asdict(curves))
    for metric in ("Share of the possible gain", "PSNR, pooled"):
        app = page(denoisers=["denoise-030", "bm3d"], metric=metric, count="1")
        assert "bm3d" not in traces(app)
        assert any("bm3d was measured on 200 of them only" in caption for caption in captions(app))
        assert not any("no curve is published" in caption for caption in captions(app))


def test_bits_stand_beside_what_is_published_of_diffusion_models(figures: Path) -> None:
    bits = (
        Bits(denoising.NO_NETWORK, 2000, 4.684, 0.037, 4.686),
        Bits("denoise-unet", 2000, 4.5, 0.04, 4.51, (0.0371, 1.19)),
    )
    write(figures, asdict(replace(CURVES, bits=bits)))
    app = page()
    (table,) = [element.value for element in app.markdown if "Bits per value |" in element.value]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert rows == [
        ["No network: Wiener filter and grid", "4.68\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.04", "–"],
        ["denoise-unet", "4.50\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.04", "σ 0.037 to 1.2"],
        ["DDPM, published", "3.37 to 3.51", "–"],
        ["IDDPM, published", "2.94 to 3.17", "–"],
    ]
    assert any("over 2,000 test pictures" in caption for caption in captions(app))
    write(figures, asdict(CURVES))
    assert "Bits per value" not in texts(page())
