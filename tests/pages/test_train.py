"""Train without a browser: the form follows what one starts from, its cost is told, and what cannot be is said."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.data.catalog import SOURCES
from aecore.data.noise import Noise
from aecore.files import background
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe
from aecore.models.zoo import Start
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Store
from aecore.scheduling import queue as queue_module
from aecore.scheduling import supervision
from aecore.scheduling.dispatch import Dispatch
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from aecore.scheduling.reports import Report
from aecore.training.events import Epoch, Progress
from pages.components.entries import LIGHT
from pages.components.figures import NO_ZERO
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Every test sees a machine without CIFAR-10 and an empty store."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints").mkdir()
    st.cache_data.clear()
    st.cache_resource.clear()
    return Store()


def page(**query: str) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page(str(ROOT / "pages/experiment/train.py")).run()


def launch(app: AppTest) -> AppTest:
    (button,) = [button for button in app.button if button.label.startswith("Launch")]
    return button.click().run()


def begun(**recipe: Any) -> tuple[Queue, int, int]:
    """A queue, a run of it that is marked as running, and the fence of its attempt."""
    queue = Queue()
    spec = execution.plan(zoo.find("shallow-maxpool"), dataset="sample", **recipe)
    run = queue.submit(spec, Place.here("cpu")).id
    fence = Dispatch(queue).start(run, 1)
    assert fence is not None
    return queue, run, fence


def test_an_empty_queue_says_what_to_do() -> None:
    app = page()
    assert not app.exception
    assert any("Nothing was launched yet" in info.value for info in app.info)


@pytest.mark.parametrize("name", ["denoise-100", "dense-deep", "shallow-strided-bn"])
def test_the_form_holds_the_recipe_of_what_one_starts_from(name: str) -> None:
    app = page()
    app.selectbox(key="start").set_value(name).run()
    recipe = zoo.SYSTEMS[name].recipe
    assert app.number_input(key="epochs").value == recipe.epochs
    assert app.number_input(key="batch").value == recipe.batch_size
    assert app.selectbox(key="added").value == ("Gaussian" if recipe.noise else "None")
    if recipe.noise:
        assert app.slider(key="strength").value == recipe.noise.level


def test_a_link_to_another_start_brings_its_whole_recipe() -> None:
    app = page()
    app.number_input(key="epochs").set_value(50).run()
    app.switch_page(str(ROOT / "pages/explore/gallery.py")).run()
    app.query_params["start"] = "denoise-100"
    app.switch_page(str(ROOT / "pages/experiment/train.py")).run()
    assert app.selectbox(key="start").value == "denoise-100"
    assert app.number_input(key="epochs").value == zoo.find("denoise-100").recipe.epochs
    assert app.selectbox(key="added").value == "Gaussian"


def test_each_penalty_of_the_layers_can_be_weighed(store: Store) -> None:
    layers = Architecture.parse("flatten | dense8 | sparsity | dense3072:sigmoid | reshape3x32x32")
    recipe = Recipe(epochs=1, images=100, penalties={"sparsity": 1e-3})
    spec = execution.plan(Start("sparse", "Sparse", layers, recipe, "sample"), dataset="sample")
    assert isinstance([*execution.execute(spec)][-1], Finished)
    app = page(start=f"sparse {spec.key[:6]}")
    assert app.number_input(key="weight-sparsity").value == 1e-3
    app.number_input(key="weight-sparsity").set_value(0.5).run()
    with supervision.hold(store.root):
        assert not launch(app).exception
        (entry,) = Queue().entries()
    assert entry.spec == replace(spec, recipe=replace(recipe, penalties={"sparsity": 0.5}))
    app.selectbox(key="start").set_value("dense").run()
    assert not [control for control in app.number_input if control.key == "weight-sparsity"]


def test_seeds_of_a_run_are_one_start(store: Store) -> None:
    published = Store(ROOT / "checkpoints").find("shallow-maxpool")
    first, _ = (copied(published, store.root, seed=seed, epochs=7) for seed in (1, 2))
    options = page().selectbox(key="start").options
    assert [option for option in options if option.startswith("shallow-maxpool")] == [
        "shallow-maxpool",
        f"shallow-maxpool {first.key[:6]}",
    ]


def test_what_is_launched_is_what_the_form_says(store: Store) -> None:
    app = page()
    app.selectbox(key="start").set_value("shallow-maxpool").run()
    app.number_input(key="epochs").set_value(3)
    app.number_input(key="images").set_value(700)
    app.selectbox(key="added").set_value("Masking").run()
    app.slider(key="strength").set_value(0.25)
    app.text_input(key="seeds").set_value("1, 4-5").run()
    with supervision.hold(store.root):  # nobody starts them meanwhile
        assert not launch(app).exception
        entries = Queue().entries()
    system = zoo.find("shallow-maxpool")
    changes = {"epochs": 3, "images": 700, "noise": Noise("masking", 0.25)}
    expected = [execution.plan(system, dataset="sample", seed=seed, **changes) for seed in (1, 4, 5)]
    assert [entry.spec for entry in entries] == expected
    assert {entry.place for entry in entries} == {Place.here("cpu")}


def test_a_range_of_noise_levels_stays_as_in_the_recipe_until_it_is_changed(store: Store) -> None:
    published = Store(ROOT / "checkpoints").find("denoise-030")
    own = copied(published, store.root, noise=Noise("gaussian", 0.5, 0.03, logarithmic=True))
    app = page(start=f"denoise-030 {own.key[:6]}")
    with supervision.hold(store.root):
        launch(app)
        launch(app.slider(key="strength").set_value(0.4).run())
        launch(app.button_group(key="drawn").set_value("evenly").run())
        launch(app.number_input(key="lowest").set_value(0.1).run())
        launch(app.checkbox(key="below").uncheck().run())
        entries = Queue().entries()
    assert [str(entry.spec.recipe.noise) for entry in entries] == [
        "gaussian:0.03..0.5:log",
        "gaussian:0.03..0.4:log",
        "gaussian:0.03..0.4",
        "gaussian:0.1..0.4",
        "gaussian:0.4",
    ]


def test_levels_that_suit_another_kind_of_noise_begin_at_the_lowest_of_this_one(store: Store) -> None:
    app = page(start="denoise-unet", added="Poisson", drawn="on a log scale")
    assert not app.exception
    with supervision.hold(store.root):
        launch(app)
        assert str(Queue().entries()[0].spec.recipe.noise) == "poisson:0.001..1:log"


def test_every_setting_of_a_run_is_in_another_like_it(store: Store) -> None:
    changes: dict[str, Any] = {"noise": Noise("masking", 0.5, 0.1, logarithmic=True), "loss": "psnr", "average": 0.9995}
    changes |= {"flips": True, "redraw": True, "schedule": "cosine", "initialisation": "torch", "images": 300}
    own = copied(Store(ROOT / "checkpoints").find("denoise-030"), store.root, **changes)
    app = page(start=f"denoise-030 {own.key[:6]}")
    assert app.number_input(key="average").value == 0.9995
    assert app.checkbox(key="flips").value
    with supervision.hold(store.root):
        launch(app)
        launch(app.number_input(key="average").set_value(0.0).run())
        launch(app.checkbox(key="flips").uncheck().run())
        entries = Queue().entries()
    recipe = own.spec.recipe
    expected = [recipe, replace(recipe, average=None), replace(recipe, average=None, flips=None)]
    assert [entry.spec.recipe for entry in entries] == expected


def test_a_level_beyond_the_range_of_another_kind_of_noise_is_cut(store: Store) -> None:
    published = Store(ROOT / "checkpoints").find("denoise-030")
    own = copied(published, store.root, noise=Noise("gaussian", 1.5))
    app = page(start=f"denoise-030 {own.key[:6]}", added="Masking", strength="1.4")
    assert not app.exception
    assert app.slider(key="strength").max == app.slider(key="strength").value == 1.0


def test_what_was_queued_before_the_queue_was_full_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "QUEUED_AT_MOST", 2)
    app = page()
    app.text_input(key="seeds").set_value("0-4").run()
    with supervision.hold(store.root):
        launch(app)
        assert len(Queue().entries()) == 2
    assert app.error[0].value.startswith("2 of 5 runs were queued. 2 runs are queued already: wait")
    assert app.toast[0].value == "2 runs queued"


def test_a_loss_of_zero_is_left_out_of_the_live_curve_and_said(store: Store) -> None:
    with supervision.hold(store.root):
        queue, run, fence = begun()
        row = Epoch(1, 0.0, 0.0, 0.0, 1000.0, 1.0)
        Report(queue, run, fence).epoch(Progress(1, 100, 100, 0.0, 1000.0, 1.0), (row,), b"")
        app = page()
    assert not app.exception
    assert any(caption.value == NO_ZERO for caption in app.caption)


@pytest.mark.parametrize(("loss", "title"), [("psnr", "Loss (80 dB − mean PSNR)"), ("mae", "Loss (MAE)")])
def test_the_live_curve_says_what_its_loss_is(loss: str, title: str, store: Store) -> None:
    with supervision.hold(store.root):
        queue, run, fence = begun(loss=loss, average=0.99)
        row = Epoch(1, 55.0, 54.0, 0.004, 1000.0, 1.0)
        Report(queue, run, fence).epoch(Progress(1, 100, 100, 55.0, 1000.0, 1.0), (row,), b"")
        app = page()
    (chart,) = app.get("vega_lite_chart")
    assert json.loads(chart.proto.spec)["encoding"]["y"]["title"] == title
    assert any("weights averaged (0.99)" in caption.value for caption in app.caption)


def test_a_run_that_never_began_says_so(store: Store) -> None:
    with supervision.hold(store.root):
        app = launch(page())
        app.button(key=f"Cancel {Queue().entries()[0].id}").click().run()
    assert any("cancelled before it began" in markdown.value for markdown in app.markdown)


def test_a_finished_light_run_is_not_offered_to_compare(store: Store) -> None:
    spec = execution.plan(zoo.find("shallow-maxpool"), dataset="sample", epochs=1, images=100)
    assert [*execution.execute(spec, light=True)][-1].run.is_light  # type: ignore[union-attr]
    Queue().submit(spec, light=True)
    (link,) = [link.proto for link in page().get("page_link") if link.proto.label == "Compare"]
    assert link.disabled
    assert link.help == LIGHT


def test_a_measurement_that_is_killed_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "command", lambda *_: [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    app = page()
    (button,) = [button for button in app.button if button.label == "Measure"]
    button.click().run()
    assert not app.exception
    assert any("Measuring was stopped from outside" in error.value for error in app.error)


def test_launching_twice_queues_once_and_a_line_can_be_cancelled(store: Store) -> None:
    app = page()
    with supervision.hold(store.root):
        launch(launch(app))
        (entry,) = Queue().entries()
        assert any("queued, number 1" in markdown.value for markdown in app.markdown)
        app.button(key=f"Cancel {entry.id}").click().run()
        assert Queue().entry(entry.id).state == "cancelled"
        app.button(key=f"Remove {entry.id}").click().run()
        assert Queue().entries() == []
    assert not app.exception


@pytest.mark.parametrize(
    ("seeds", "message"), [("frog", "'frog' is not a seed"), ("3-1", "There is no seed 3-1"), (" ", "No seed is given")]
)
def test_seeds_that_cannot_be_are_told_and_nothing_can_be_launched(seeds: str, message: str) -> None:
    app = page()
    app.text_input(key="seeds").set_value(seeds).run()
    assert message in app.error[0].value
    assert not [button for button in app.button if button.label.startswith("Launch")]


def test_what_a_link_asks_of_a_recipe_is_done_or_named() -> None:
    noise = {"added": "Gaussian", "strength": "0.5", "below": "true", "lowest": "0.05", "drawn": "on a log scale"}
    app = page(start="dense", **noise, average="0.99", flips="true", loss="PSNR")
    assert not app.warning
    assert app.slider(key="strength").value == 0.5
    assert app.number_input(key="lowest").value == 0.05
    assert app.button_group(key="drawn").value == "on a log scale"
    assert app.number_input(key="average").value == 0.99
    assert app.checkbox(key="flips").value
    assert app.selectbox(key="loss").value == "PSNR"
    (note,) = page(start="denoise-unet", drawn="by dice", lowest="9", average="7", flips="maybe").warning
    for part in ("drawn = by dice (instead: evenly)", "lowest = 9 (", "average = 7 (", "flips = maybe ("):
        assert part in note.value
    (note,) = page(start="dense", drawn="evenly").warning
    assert "drawn = evenly (this page shows no such choice)" in note.value


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"lowest": "0", "drawn": "on a log scale"}, "On a log scale the lowest level of noise must be above 0"),
        ({"lowest": "1.5"}, "The lowest level of noise, 1.5, must be below the highest, 1."),
        ({"average": "1"}, "average must be a decay from 0 to below 1"),
    ],
)
def test_settings_that_cannot_be_are_told_and_no_control_is_lost(choices: dict[str, str], message: str) -> None:
    app = page(start="denoise-unet", batch="64", **choices)
    (error,) = app.error
    assert message in error.value
    assert not [button for button in app.button if button.label.startswith("Launch")]
    assert app.number_input(key="batch").value == 64


def test_a_recipe_that_cannot_be_is_told() -> None:
    app = page()
    app.number_input(key="rate").set_value(0.0).run()
    assert "learning rate must be above 0" in app.error[0].value


def test_digits_need_their_data_set() -> None:
    app = page()
    app.selectbox(key="start").set_value("mnist-dense").run()
    assert not app.exception
    assert any(button.label == "Fetch MNIST, 12 MB" for button in app.button)


def test_a_header_that_its_format_does_not_know_is_told_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    folder = tmp_path / SOURCES["mnist"].folder
    folder.mkdir(parents=True)
    for file in SOURCES["mnist"].files:
        (folder / file).write_bytes(bytes((0, 0, 10, 1, 0, 0, 0, 0)))  # no type of IDX has the number 10
    app = page(start="mnist-dense")
    assert not app.exception
    assert [error.value for error in app.error] == [
        f"MNIST in {folder} is damaged: run `python -m aecore data fetch mnist` to replace it."
    ]


def test_a_failed_run_says_why(store: Store) -> None:
    with supervision.hold(store.root):
        queue, run, fence = begun()
        Dispatch(queue).end(run, fence, "failed", "The disk is full.")
        app = page()
    assert not app.exception
    assert any("The disk is full." in warning.value for warning in app.warning)


def test_the_watched_run_is_in_the_address_and_one_that_is_gone_is_told(store: Store) -> None:
    with supervision.hold(store.root):
        queue = Queue()
        first, second = (
            queue.submit(execution.plan(zoo.find(name), dataset="sample"), Place.here("cpu"))
            for name in ("dense", "conv-dense")
        )
        app = page(watched=str(second.id))
        assert any("conv-dense" in subheader.value for subheader in app.subheader)
        app.button(key=f"Watch {first.id}").click().run()
        assert app.query_params["watched"] == str(first.id)
        queue.cancel(first.id)
        queue.forget(first.id)
        app.run()
        note = f"The queue's list has no run {first.id}. Shown is run {second.id}."
        assert any(note in caption.value for caption in app.caption)
    assert not app.exception


def test_a_damaged_queue_is_told(store: Store) -> None:
    (store.root / "queue.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    app = page()
    assert not app.exception
    assert any("queue.sqlite cannot be used" in error.value for error in app.error)
