"""Compare without a browser: choices, links, noise, and what is said when something is missing."""

import json
import shutil
import time
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from scipy import stats
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import to_float
from aecore.measuring.intervals import paired_differences
from aecore.measuring.metrics import METRICS
from aecore.runs import store
from aecore.runs.groups import groups
from aecore.runs.store import Store
from aecore.studies import by_name
from pages.app import browser_packages
from pages.components import errors, tables
from pages.components.colour_scales import Kind
from pages.components.compare import verdicts
from tests.aecore.rounding import SHOWN, of_mse
from tests.pages.copies import copied
from tests.pages.sent import sheets

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_data_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test sees a machine without CIFAR-10, and no cache of another test's store."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()


def page(**query: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/explore/compare.py", default_timeout=120)
    for name, value in {"metric": "MSE", **query}.items():
        app.query_params[name] = value
    return app.run()


def sheet(app: AppTest) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header of the sheet, and the pictures of each column, `[N, C, H, W]` from 0 to 255."""
    (one,) = sheets(app)
    return one


def as_sent(pictures: torch.Tensor) -> np.ndarray:
    """Float pictures `[N, C, H, W]` as a column of the sheet has them."""
    return (pictures.clamp(0, 1) * 255).round().numpy()


def test_without_data_the_excerpt_is_shown_under_the_title_of_the_whole() -> None:
    app = page(data="CIFAR-10")
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="data").options == ["CIFAR-10", "MNIST", "Embedded sample"]
    assert any("the first 1,000 test pictures of CIFAR-10" in caption.value for caption in app.caption)
    assert any(button.label == "Fetch CIFAR-10, 170 MB" for button in app.button)
    assert len(app.multiselect(key="models").value) == 4
    assert max(app.dataframe[0].value["Picture"]) < 1000


def test_without_data_the_stored_scores_are_those_of_these_pictures() -> None:
    app = page(models=["dense"], pictures="Worst of a model", count="3")
    stored = Store().find("dense").scores()[:1000].nlargest(3, "mse")
    table = app.dataframe[0].value
    assert list(table["Picture"]) == list(stored["picture"])
    np.testing.assert_allclose(table["dense"], stored["mse"], rtol=1e-3)  # what is stored was computed from float16


def test_without_data_digits_are_the_excerpt_of_mnist() -> None:
    app = page(models="mnist-dense")
    assert not app.exception
    assert app.selectbox(key="data").value == "MNIST"
    assert any(button.label == "Fetch MNIST, 12 MB" for button in app.button)


def test_the_embedded_sample_says_what_it_is() -> None:
    app = page(data="Embedded sample")
    assert "crops of a few photographs" in app.info[0].value


def test_all_seeds_are_one_choice_and_single_ones_are_listed_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store().find("shallow-strided")
    shutil.copytree(run.path, tmp_path / run.path.name)
    other, _ = copied(run, tmp_path, seed=3, mse=0.002), copied(run, tmp_path, seed=4, mse=0.001, light=True)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    label = f"shallow-strided {other.key[:6]}"
    app = page(models="shallow-strided", count="1")
    models = app.multiselect(key="models")
    assert [option for option in models.options if option.startswith("shallow-strided")] == ["shallow-strided"]
    assert f"3 seeds, test PSNR {groups(Store().listing().runs)[0].psnr_text}" in models.help
    assert any(
        "shallow-strided: seed 0 is shown. Its 3 seeds have a test PSNR of" in caption.value for caption in app.caption
    )
    app.checkbox(key="models unfolded").check().run()
    options = app.multiselect(key="models").options
    assert [option for option in options if option.startswith("shallow-strided")] == ["shallow-strided", label]
    linked = page(models=["shallow-strided", label], count="1")
    assert not linked.warning
    assert linked.multiselect(key="models").value == ["shallow-strided", label]
    assert f"**{label}**: trained on clean pictures, seed 3" in linked.multiselect(key="models").help


def test_where_every_run_has_one_seed_there_is_nothing_to_unfold() -> None:
    assert not [box for box in page(count="1").checkbox if box.key == "models unfolded"]


def test_the_table_holds_what_the_core_computes() -> None:
    app = page(models=["shallow-strided"], level="0.3", count="5")
    table = app.dataframe[0].value
    split = datasets.load("cifar10-excerpt").test
    chosen = list(table["Picture"])
    clean = to_float(split.pixels[chosen])
    output = store.load("shallow-strided")(noisy(clean, Noise("gaussian", 0.3), 0, chosen))
    expected = (output.clamp(0, 1).double() - clean).square().mean((1, 2, 3))
    np.testing.assert_allclose(table["shallow-strided"], expected.numpy(), rtol=of_mse(clean[0]))


def test_a_link_brings_back_every_choice() -> None:
    app = page(models=["dense", "deep-strided-4"], noise="Masking", level="0.25", count="3", draw="7", seed="2")
    assert app.multiselect(key="models").value == ["dense", "deep-strided-4"]
    assert app.selectbox(key="noise").value == "Masking"
    assert app.slider(key="level").value == 0.25
    assert len(app.dataframe[0].value) == 3
    assert app.number_input(key="seed").value == 2
    spread = page(models="dense", count="1", spread="Noise chosen above").segmented_control(key="spread")
    assert spread.value == "Noise chosen above"


def test_a_model_that_is_no_longer_chosen_leaves_the_address_of_what_it_was_chosen_for() -> None:
    app = page(models=["dense", "shallow-maxpool"], pictures="Worst of a model", worst="dense", count="1")
    assert app.selectbox(key="worst").value == "dense"
    app.multiselect(key="models").set_value(["shallow-maxpool"]).run()
    assert app.selectbox(key="worst").value == "shallow-maxpool"
    assert app.query_params.get("worst") in (None, ["shallow-maxpool"])


@pytest.mark.parametrize(
    "query",
    [
        {"models": "no-such-model"},
        {"noise": "nosuch"},
        {"level": "-3"},
        {"level": "NaN"},
        {"noise": "Poisson", "level": "0.0005"},
        {"count": "1000000"},
        {"draw": "x"},
        {"data": "mnist", "models": "mnist-dense"},
        {"data": "../../etc/passwd"},
        {"models": ["dense"] * 40},
    ],
)
def test_a_bad_link_falls_back(query: dict[str, str | list[str]]) -> None:
    app = page(**query)
    assert not app.exception
    assert len(app.dataframe[0].value) >= 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"models": ["dense", "no-such-model"]}, "models = no-such-model (instead: dense)"),
        ({"noise": "nosuch"}, "noise = nosuch (instead: Gaussian)"),
        ({"level": "7"}, "level = 7 (instead: 0)"),
        ({"data": "nowhere"}, "data = nowhere (instead: CIFAR-10)"),
        ({"pictures": "Best", "draw": "x"}, "pictures = Best (instead: Random); draw = x (instead: 0)"),
    ],
)
def test_what_a_link_cannot_have_is_said(query: dict[str, str | list[str]], message: str) -> None:
    assert message in page(**query).warning[0].value


def test_an_address_in_which_every_model_was_taken_out_is_not_remarked_on() -> None:
    assert not page(models="", metric="").warning


def test_a_link_that_can_be_had_is_not_remarked_on() -> None:
    assert not page(models=["dense"], noise="Salt and pepper", level="0.5", count="3", view="Wipe").warning


@pytest.mark.parametrize("kind", ["Uniform", "Speckle", "Salt and pepper", "Poisson", "Masking", "Occlusion"])
def test_every_noise_works_at_its_highest_level(kind: str) -> None:
    app = page(models=["shallow-maxpool"], count="2")
    app.slider(key="level").set_value(2.0).run()
    app.selectbox(key="noise").set_value(kind).run()
    assert not app.exception
    slider = app.slider(key="level")
    slider.set_value(slider.max).run()
    assert not app.exception
    chosen = list(app.dataframe[0].value["Picture"])
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[chosen])
    given = noisy(clean, Noise(kind.lower().replace(" and ", "-"), slider.max), 0, chosen)
    _, columns = sheet(app)
    assert list(columns) == ["original", "noisy", "shallow-maxpool"]
    np.testing.assert_array_equal(columns["original"], as_sent(clean))
    np.testing.assert_array_equal(columns["noisy"], as_sent(given))
    assert not np.array_equal(columns["noisy"], columns["original"])
    output = as_sent(store.load("shallow-maxpool")(given))
    np.testing.assert_allclose(columns["shallow-maxpool"], output, atol=1)  # rounding may go either way


def test_no_model_chosen_says_what_to_do() -> None:
    app = page()
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert any("Choose a model" in info.value for info in app.info)


def test_damaged_weights_are_named_and_the_others_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {run.name: run.path for run in Store().listing().runs}
    root = tmp_path / "checkpoints"
    for name in ("shallow-maxpool", "shallow-strided"):
        shutil.copytree(paths[name], root / paths[name].name)
    weights = root / paths["shallow-maxpool"].name / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    app = page(models=["shallow-maxpool", "shallow-strided"])
    assert not app.exception
    assert "weights.safetensors is damaged" in app.error[0].value
    assert "shallow-strided" in app.dataframe[0].value


@pytest.mark.parametrize("name", ["weights.safetensors", "history.csv"])
def test_a_damaged_file_of_the_only_model_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Store().find("shallow-maxpool").path
    root = tmp_path / "checkpoints"
    shutil.copytree(path, root / path.name)
    (root / path.name / name).write_bytes(b"")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    app = page(models="shallow-maxpool")
    assert not app.exception
    assert f"{name} is damaged" in app.error[0].value


def test_digits_are_shown_to_the_model_made_for_them(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models="mnist-dense")
    assert app.selectbox(key="data").value == "MNIST"
    assert "mnist-dense" in app.dataframe[0].value
    app.selectbox(key="data").set_value("CIFAR-10").run()
    assert not app.exception
    assert len(app.multiselect(key="models").value) == 4


def test_real_pictures_are_used_where_they_are(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models=["shallow-strided"], count="2")
    assert not app.exception
    assert not app.info
    table = app.dataframe[0].value
    labels = datasets.load("cifar10").test.labels[torch.tensor(list(table["Picture"]))]
    assert list(table["Class"]) == [datasets.load("cifar10").classes[label] for label in labels]


def test_pictures_by_class_are_of_that_class() -> None:
    table = page(pictures="Class", **{"class": "frog"}).dataframe[0].value
    assert set(table["Class"]) == {"frog"}


def test_pictures_by_number_are_those() -> None:
    table = page(pictures="Numbers", numbers="3, 17 200-202").dataframe[0].value
    assert list(table["Picture"]) == [3, 17, 200, 201, 202]


@pytest.mark.parametrize(
    ("numbers", "message"), [("12, frog", "'frog' is not a picture"), ("999-1001", "There is no picture 999-1001")]
)
def test_numbers_of_no_picture_are_told_what_is_legal(numbers: str, message: str) -> None:
    app = page(pictures="Numbers", numbers=numbers)
    assert not app.exception
    assert message in app.error[0].value
    assert "from 0 to 999" in app.error[0].value


def test_the_worst_pictures_of_a_model_are_those_of_its_scores(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models=["dense", "shallow-strided"], pictures="Worst of a model", worst="shallow-strided", count="4")
    errors = Store().find("shallow-strided").scores()["mse"].to_numpy()
    assert list(app.dataframe[0].value["Picture"]) == list(np.argsort(-errors, kind="stable")[:4])


def test_disagreement_shows_where_two_models_lie_furthest_apart(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    query = {"models": ["dense", "shallow-strided"], "pictures": "Disagreement", "one": "dense", "count": "4"}
    errors = [Store().find(name).scores()["mse"].to_numpy() for name in ("dense", "shallow-strided")]
    expected = np.argsort(-np.abs(errors[0] - errors[1]), kind="stable")[:4]
    assert list(page(**query).dataframe[0].value["Picture"]) == list(expected)


def test_choosing_no_second_model_takes_the_choices_away_that_need_it() -> None:
    app = page(models=["dense", "shallow-strided"], pictures="Disagreement")
    app.multiselect(key="models").set_value(["dense"]).run()
    assert not app.exception
    assert app.selectbox(key="pictures").value == "Random"


def in_view(view: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    app = page(models=["dense"], level="0.1", view=view)
    assert not app.exception
    return sheet(app)


@pytest.mark.parametrize(("view", "kind"), [("Error", "absolute"), ("Signed error", "signed")])
def test_a_view_of_errors_has_the_pictures_and_the_colours_of_their_errors(view: str, kind: str) -> None:
    (plain, pictures), (header, shown) = in_view("Pictures"), in_view(view)
    assert plain["colours"] is None
    assert header["colours"]["kind"] == kind
    assert len(header["colours"]["table"]) == 3 * 256
    assert list(shown) == ["original", "noisy", "dense"]
    for name in shown:
        np.testing.assert_array_equal(shown[name], pictures[name])


def in_colour(pictures: dict[str, np.ndarray], name: str, kind: Kind) -> np.ndarray:
    """The errors of a column in the colours of the view, `[N, 3, H, W]`, with one scale for all of its pictures."""
    output, clean = pictures[name].astype(np.uint8), pictures["original"].astype(np.uint8)
    return errors.colored(errors.scale_of(kind, [output], clean), output, clean)


@pytest.mark.parametrize("name", ["noisy", "dense"])
def test_the_error_view_is_brighter_where_the_error_is_larger(name: str) -> None:
    _, pictures = in_view("Error")
    sizes = np.abs(pictures[name] - pictures["original"]).mean(axis=1)
    brightness = np.moveaxis(in_colour(pictures, name, "absolute"), 1, 3) @ [0.2126, 0.7152, 0.0722]
    within = sizes < np.quantile(sizes, 0.9)  # larger errors than the end of the scale are alike
    assert stats.spearmanr(sizes[within], brightness[within]).statistic > 0.99


@pytest.mark.parametrize("name", ["noisy", "dense"])
def test_the_signed_error_is_red_where_the_output_is_too_bright_and_blue_where_it_is_too_dark(name: str) -> None:
    _, pictures = in_view("Signed error")
    signed = (pictures[name] - pictures["original"]).mean(axis=1)
    clear = np.abs(signed) > 0.02 * 255
    assert (signed[clear] > 0).any()
    assert (signed[clear] < 0).any()
    red, _, blue = np.moveaxis(in_colour(pictures, name, "signed").astype(int), 1, 0)
    np.testing.assert_array_equal(np.sign(red - blue)[clear], np.sign(signed)[clear])


def test_the_number_of_a_sheet_rises_with_every_change_of_it_and_only_then() -> None:
    app = page(models=["dense"], count="2")
    first = sheet(app)[0]["number"]
    assert sheet(app.run())[0]["number"] == first, "what is unchanged is not sent again"
    changed = sheet(app.slider(key="level").set_value(0.2).run())[0]["number"]
    assert changed > first
    assert sheet(app.slider(key="level").set_value(0.1).run())[0]["number"] > changed


@pytest.mark.parametrize("view", ["Difference", "Wipe", "Blink"])
def test_views_that_the_browser_draws_have_the_pictures_themselves(view: str) -> None:
    (plain, pictures), (header, shown) = in_view("Pictures"), in_view(view)
    assert (plain["view"], header["view"]) == ("Pictures", view)
    assert list(shown) == list(pictures)
    for name in shown:
        np.testing.assert_array_equal(shown[name], pictures[name])


def test_the_browser_gets_what_it_needs_to_draw_the_same_noise() -> None:
    app = page(models=["dense", "shallow-maxpool", "dense-deep", "jpeg-75"], level="0.1", count="2", seed="3")
    header, _ = sheet(app)
    live = header["live"]
    if browser_packages.folder() is None:
        assert "make browser-packages" in live["missing"]
        return
    chosen = list(app.dataframe[0].value["Picture"])
    assert live["seeds"] == [key("noise of picture", 3, picture) & 0xFFFFFFFF for picture in chosen]
    assert (live["kind"], live["level"], live["slider"]) == ("gaussian", 0.1, ".st-key-level")
    # Neither a baseline nor a model of 84 MB.
    assert set(live["models"]) == {Store().find(name).key for name in ("dense", "shallow-maxpool")}
    assert header["columns"][-1]["key"] not in live["models"]


@pytest.mark.parametrize(("metric", "best"), [("MSE", "idxmin"), ("PSNR", "idxmax"), ("SSIM", "idxmax")])
def test_the_best_model_is_best_by_the_metric_that_is_shown(metric: str, best: str) -> None:
    table = page(models=["dense", "shallow-maxpool"], metric=metric).dataframe[0].value
    expected = getattr(table[["dense", "shallow-maxpool"]], best)(axis="columns")
    assert list(table["Best model"]) == list(expected)


def test_pictures_without_error_are_said_in_words_and_all_that_have_none_are_best() -> None:
    shown = page(models=["dense", "identity", "median"], metric="PSNR").dataframe[0]
    assert shown.proto.placeholder == "no error"
    assert shown.value[["identity", "median"]].isna().all(axis=None)
    assert shown.value["dense"].between(10, 40).all()
    assert set(shown.value["Best model"]) == {"identity, median"}


@pytest.mark.parametrize("metric", ["GMSD", "HaarPSI"])
def test_another_metric_is_chosen_from_a_list_and_told(metric: str) -> None:
    app = page(models=["dense", "shallow-maxpool"], level="0.1", count="3")
    assert not [element for element in app.selectbox if element.key == "more"]
    app.segmented_control(key="metric").set_value("More").run()
    app.selectbox(key="more").set_value(metric).run()
    assert not app.exception
    rule = METRICS[metric.lower()]
    assert rule.meaning in [element.value for element in app.caption]
    table = app.dataframe[0].value
    chosen = list(table["Picture"])
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[chosen])
    given = noisy(clean, Noise("gaussian", 0.1), 0, chosen)
    for column, output in [("noisy", given), ("dense", store.load("dense")(given))]:
        np.testing.assert_allclose(table[column], rule.compute(output.double(), clean.double()), atol=SHOWN)
    best = table[["dense", "shallow-maxpool"]].agg("idxmax" if rule.higher_is_better else "idxmin", axis="columns")
    assert list(table["Best model"]) == list(best)


def test_the_class_that_is_read_is_a_metric_that_says_yes_or_no() -> None:
    app = page(models=["dense", "shallow-maxpool"], level="0", count="12", metric="More", more="Class read")
    assert not app.exception
    table = app.dataframe[0].value
    test = datasets.load("cifar10-excerpt").test
    chosen = list(table["Picture"])
    for name in ("dense", "shallow-maxpool"):
        output = store.load(name)(to_float(test.pixels[chosen]))
        assert list(table[name]) == METRICS["legible"].compute(output, test.labels[chosen]).tolist()
    read = [
        ", ".join(name for name in ("dense", "shallow-maxpool") if row[name] == 1) or "none"
        for _, row in table.iterrows()
    ]
    assert list(table["Read from"]) == read
    mean = f"Mean Class read: dense {table['dense'].mean():.0%}, shallow-maxpool {table['shallow-maxpool'].mean():.0%}."
    assert [caption for caption in app.caption if caption.value.startswith(mean)]


def test_the_class_is_not_read_from_pictures_of_other_classes() -> None:
    app = page(models="dense", data="Embedded sample", count="2", metric="More", more="GMSD")
    assert "Class read" not in app.selectbox(key="more").options
    [caption] = [element for element in app.caption if element.value == METRICS["gmsd"].meaning]
    assert "- There is no classifier for these pictures: only for those of CIFAR-10 and MNIST." in caption.help


def test_a_link_brings_back_another_metric() -> None:
    app = page(models="dense", count="1", metric="More", more="MDSI")
    assert not app.warning
    assert app.selectbox(key="more").value == "MDSI"


def test_metrics_that_are_not_defined_for_digits_are_left_out(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models="mnist-dense", count="2", metric="More", more="MS-GMSD")
    assert app.selectbox(key="more").value == "MS-GMSD"
    assert app.selectbox(key="more").options == ["GMSD", "MS-GMSD", "HaarPSI", "FSIM", "Class read"]
    [caption] = [element for element in app.caption if element.value == METRICS["ms-gmsd"].meaning]
    assert "- DSS needs pictures of at least 32×32 pixels, got 1×28×28." in caption.help
    app.selectbox(key="data").set_value("CIFAR-10").run()
    assert not app.exception
    assert "DSS" in app.selectbox(key="more").options


def test_the_file_of_the_table_holds_the_basic_metrics_and_the_chosen_one() -> None:
    scores = pd.DataFrame({"mse": [0.01], "psnr": [20.0], "ssim": [0.5], "gmsd": [0.125]})
    text = tables.csv([7], ["frog"], {}, {"dense": scores})
    assert text == "picture,class,dense mse,dense psnr,dense ssim,dense gmsd\n7,frog,0.01,20,0.5,0.125\n"


def test_a_clear_difference_is_told_and_too_few_pictures_are_not_judged() -> None:
    judged = page(models=["dense", "shallow-strided"], count="12")
    said = "\n".join(element.value for element in judged.markdown)
    assert "**shallow-strided** does better than dense" in said
    assert "One training run each: another seed may turn this round." in captions(judged)
    assert "Over" not in said
    few = page(models=["dense", "shallow-strided"], count="5")
    assert any("at least 6 pictures" in element.value for element in few.caption)


def trained_from(seeds: int, root: Path, errors: dict[str, list[float]]) -> dict[str, list[float]]:
    """Copies of systems from several seeds with the mean errors given by name; the PSNRs that follow."""
    for name, values in errors.items():
        run = Store(ROOT / "checkpoints").find(name)
        for seed, error in enumerate(values[:seeds]):
            copied(run, root, seed=seed, mse=error)
    return {name: [-10 * log10(error) for error in values[:seeds]] for name, values in errors.items()}


ERRORS = {
    "shallow-strided": [0.00100, 0.00104, 0.00098, 0.00101, 0.00099, 0.00103],
    "shallow-maxpool": [0.00121, 0.00118, 0.00119, 0.00126, 0.00117, 0.00124],
}


def test_models_that_are_equal_on_every_picture_are_said_to_be() -> None:
    scores = pd.DataFrame({"one": [1.0, 0.0] * 5, "other": [1.0, 0.0] * 5})
    (difference,) = paired_differences(scores)
    assert verdicts.sentence(difference, "legible") == "one and other: **equal on every picture** :gray[(Class read)]"


def test_where_both_are_trained_from_several_seeds_the_verdict_goes_on_with_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psnr = trained_from(6, tmp_path, ERRORS)
    shutil.copytree(Store().find("dense").path, tmp_path / Store().find("dense").path.name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = page(models=[*ERRORS, "dense"], count="8")
    assert not app.exception
    apart = np.subtract(*psnr.values())
    low, high = stats.ttest_1samp(apart, 0).confidence_interval()
    said = (
        f"Over 6 seeds the test PSNR of shallow-strided is higher by {apart.mean():.2f} dB :gray[(95% interval "
        f"{low:.2f} to {high:.2f})]. [See the claim](claims?claim=strided&contrast=shallow&budget=full)"
    )
    lines = next(block.value for block in app.markdown if "does better than" in block.value).splitlines()
    assert [said in line for line in lines] == [True, False, False]
    assert [line.endswith(":gray[Not compared over seeds.]") for line in lines] == [False, True, True]
    assert "another seed may turn this round" in captions(app)


def test_the_interval_over_seeds_is_that_of_the_model_that_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = [0.001, 0.0012, 0.0009, 0.0011, 0.001, 0.00115], [0.00099, 0.0011, 0.00095, 0.001, 0.0009, 0.0012]
    psnr = trained_from(6, tmp_path, {"shallow-strided": one, "shallow-maxpool": other})
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    apart = np.subtract(psnr["shallow-maxpool"], psnr["shallow-strided"])
    low, high = stats.ttest_1samp(apart, 0).confidence_interval()
    assert low < 0 < apart.mean()
    said = (
        f"Over 6 seeds **no difference shown** :gray[(the test PSNR of shallow-maxpool is higher by "
        f"{apart.mean():.2f} dB, 95% interval −{-low:.2f} to +{high:.2f})]."
    )
    for models in (["shallow-strided", "shallow-maxpool"], ["shallow-maxpool", "shallow-strided"]):
        app = page(models=models, count="8")
        assert any(said in block.value for block in app.markdown)


def test_two_seeds_are_too_few_for_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_from(2, tmp_path, ERRORS)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = page(models=list(ERRORS), count="8")
    said = "Over 2 seeds too few to judge: the test PSNR of shallow-strided is higher by"
    assert any(said in block.value for block in app.markdown)
    assert "another seed may turn this round" not in captions(app)


def test_seeds_of_other_noise_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_from(6, tmp_path, {"shallow-strided": ERRORS["shallow-strided"]})
    run = Store().find("shallow-maxpool")
    runs = [
        copied(run, tmp_path, seed=seed, mse=error, noise=Noise("gaussian", 0.1))
        for seed, error in enumerate(ERRORS["shallow-maxpool"])
    ]
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    app = page(models=["shallow-strided", f"shallow-maxpool {runs[0].key[:6]}"], count="8")
    assert not app.exception
    assert not any("Over 6 seeds" in block.value for block in app.markdown)
    assert "another seed may turn this round" in captions(app)


def complete(app: AppTest) -> AppTest:
    """Look again, as the browser does, until everything that takes seconds is there."""
    while any("hourglass" in caption.value for caption in app.caption):
        time.sleep(0.05)
        app.run()
    return app


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


def test_errors_spread_under_the_noise_of_the_page() -> None:
    app = page(models=["shallow-maxpool"], level="0.5")
    assert "without noise; denoisers under the noise" in captions(app)
    app.segmented_control(key="spread").set_value("Noise chosen above").run()
    assert not app.exception
    assert "noise σ 0.5, seed 0" in captions(complete(app))
    app.slider(key="level").set_value(0.25).run()
    assert "noise σ 0.25, seed 0" in captions(complete(app)), "the noise of before must not stay"
    app.segmented_control(key="spread").set_value("Training noise of each model").run()
    assert "without noise; denoisers under the noise" in captions(complete(app))
    linked = complete(page(models=["shallow-maxpool"], level="0.5", spread="Noise chosen above"))
    assert "noise σ 0.5, seed 0" in captions(linked)
    assert len([one for one in linked.subheader if one.value == "Distribution of the errors"]) == 1


BASELINES = ["pca-16", "jpeg-75", "wavelet", "identity"]


def test_baselines_stand_beside_models_in_the_table_and_the_verdicts(
    tmp_path: Path, sample_fits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Store().find("shallow-strided")
    shutil.copytree(sample_fits, tmp_path / "store")
    shutil.copytree(run.path, tmp_path / "store" / run.path.name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    app = complete(page(models=["shallow-strided", *BASELINES], level="0.1", count="8", data="Embedded sample"))
    assert not app.exception
    assert not app.warning
    table = app.dataframe[0].value
    sample = datasets.load("sample")
    clean = to_float(sample.test.pixels[list(table["Picture"])])
    noise = Noise("gaussian", 0.1)
    given = noisy(clean, noise, 0, list(table["Picture"]))
    for name in BASELINES:
        output = by_name.find(name, sample, noise, Store(tmp_path / "store"))(given)
        np.testing.assert_allclose(table[name], METRICS["mse"].compute(output, clean), rtol=1e-4)
    said = "\n".join(markdown.value for markdown in app.markdown)
    assert all(name in said for name in BASELINES)
    # The loss curves are those of what was trained, and the errors those of everything.
    figures = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert [{trace["name"] for trace in figure["data"]} for figure in figures] == [
        {"shallow-strided", *BASELINES} - {"identity"},
        {"shallow-strided"},
    ]
    assert "identity: no error on any picture" in captions(app)


def test_any_number_of_components_and_any_quality_is_chosen_by_name() -> None:
    app = page(models=["pca-37", "jpeg-11", "pca-99999", "jpeg-101"], count="1")
    assert app.multiselect(key="models").value == ["pca-37", "jpeg-11"]
    assert "models = pca-99999, jpeg-101" in app.warning[0].value


def test_a_baseline_is_added_to_the_choice() -> None:
    app = page(models=["dense"], count="1")
    app.segmented_control(key="models baseline").set_value("JPEG").run()
    app.number_input(key="models number of jpeg").set_value(40).run()
    app.button(key="models add").click().run()
    assert not app.exception
    assert app.multiselect(key="models").value == ["dense", "jpeg-40"]
    assert app.button(key="models add").disabled


def test_models_that_learned_from_different_pictures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Store().find("shallow-strided")
    shutil.copytree(run.path, tmp_path / run.path.name)
    other = copied(run, tmp_path, dataset="sample", epochs=4)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    label = f"shallow-strided {other.key[:6]}"
    said = f"Trained on different pictures: shallow-strided on CIFAR-10; {label} on the embedded sample."
    app = page(models=["shallow-strided", label], count="1")
    assert any(said in warning.value for warning in app.warning)
    assert not page(models=["shallow-strided"], count="1").warning


def test_the_verdict_is_in_the_metric_of_the_table() -> None:
    app = page(models=["dense", "shallow-strided"], count="8", metric="PSNR")
    table = app.dataframe[0].value
    difference = table["shallow-strided"] - table["dense"]
    low, high = stats.ttest_rel(table["shallow-strided"], table["dense"]).confidence_interval()
    said = f"mean PSNR higher by {difference.mean():.2f} dB, 95% interval {low:.2f} to {high:.2f}"
    assert any(f"**shallow-strided** does better than dense :gray[({said})]" in block.value for block in app.markdown)
    means = ", ".join(f"{name} {table[name].mean():.2f}" for name in ("dense", "shallow-strided"))
    assert any(f"Mean PSNR in dB: {means}." in note.value for note in app.caption)


def test_a_picture_without_error_has_no_verdict_in_decibels() -> None:
    app = page(models=["identity", "dense", "shallow-strided"], count="8", metric="PSNR")
    assert not app.exception
    assert any(
        "identity: some pictures have no error. Their PSNR is infinite, so it has no mean." in note.value
        for note in app.caption
    )
    assert any("**shallow-strided** does better than dense" in block.value for block in app.markdown)


def test_decibels_are_shown_first() -> None:
    app = AppTest.from_file(ROOT / "pages/explore/compare.py", default_timeout=120).run()
    assert app.segmented_control(key="metric").value == "PSNR"
