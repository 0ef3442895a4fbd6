"""Runs on a small STL-10 and on a folder at 64×64, beside those of 32×32, on every page that shows runs."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.models import zoo
from aecore.reconstructors import foreign
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Run, Store
from pages.components import look
from tests.aecore.data import small_stl10
from tests.aecore.reconstructors import hostile_models
from tests.pages.sent import sheets

ROOT = Path(__file__).parents[2]
PICTURES = 20


@pytest.fixture(scope="module")
def stl10(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of data sets with a small STL-10, of smooth pictures that a model can learn."""
    root = tmp_path_factory.mktemp("data")
    rows, columns = np.mgrid[0:96, 0:96]
    waves = [np.sin(rows / (5 + number)) * np.cos(columns / (9 + number)) for number in range(PICTURES)]
    pixels = np.repeat(np.round(127 + 100 * np.stack(waves))[:, None], 3, axis=1).astype(np.uint8)
    small_stl10.write(root, pixels, [*range(10)] * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_DATA", str(root))
        small_stl10.accept(patch, PICTURES)
        yield root


@pytest.fixture(scope="module")
def runs(stl10: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """A run on STL-10, one on a folder at 64×64, and a published one at 32×32 in one store."""
    root, folder = tmp_path_factory.mktemp("checkpoints"), tmp_path_factory.mktemp("photographs")
    published = Store().find("shallow-maxpool").path
    shutil.copytree(published, root / published.name)
    from PIL import Image

    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 100, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    trained = {}
    for name, dataset in (("stl10", "stl10"), ("folder", f"folder@64:{folder}")):
        spec = execution.plan(zoo.SYSTEMS["shallow-strided"], dataset=dataset, epochs=1, batch_size=4)
        finished = [*execution.execute(spec, store=Store(root))][-1]
        assert isinstance(finished, Finished)
        trained[name] = finished.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AECORE_CHECKPOINTS", str(root))
        yield trained


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


def page(file: str, **query: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    return app.switch_page(str(ROOT / "pages" / file)).run()


def test_the_layers_of_a_system_train_on_stl10(runs: dict[str, Run]) -> None:
    run = runs["stl10"]
    assert run.spec.architecture.input_shape == (3, 96, 96)
    assert run.spec.dataset == "stl10"
    assert run.totals.pictures == PICTURES
    start = zoo.from_text(f"3x96x96 | {zoo.SYSTEMS['shallow-strided'].architecture}")
    planned = execution.plan(start, epochs=1, batch_size=4)
    assert planned.key == run.spec.key, "a line of layers begins with the data set of its shape"


@pytest.mark.parametrize("file", ["explore/gallery.py", "explore/tell.py", "explore/denoise.py", "experiment/train.py"])
@pytest.mark.usefixtures("runs")
def test_a_page_with_such_runs_has_no_error(file: str) -> None:
    app = page(file)
    assert not app.exception
    assert not app.error


@pytest.mark.usefixtures("runs")
def test_denoise_leaves_out_the_wiener_filter_where_pictures_are_too_large_for_it() -> None:
    app = page("explore/denoise.py", **{"d-data": "Embedded scenes, 64×64", "denoisers": "wavelet", "d-count": "1"})
    assert app.selectbox(key="d-data").value == "Embedded scenes, 64×64"
    for _ in range(10):  # what fails in the background is said in a later run
        assert not app.exception
        assert not app.error
        time.sleep(0.3)
        app.run()


@pytest.mark.parametrize("name", ["stl10", "folder"])
def test_the_system_page_shows_such_a_run(runs: dict[str, Run], name: str) -> None:
    label = look.label(runs[name].spec)
    app = page("explore/system.py", run=label)
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="run").value == label
    ((header, columns),) = sheets(app)
    assert [kind for kind, _ in header["rows"]].count("Worst") > 0
    assert columns["output"].shape[1:] == runs[name].spec.architecture.input_shape


def test_compare_shows_stl10_to_the_models_of_its_size(runs: dict[str, Run]) -> None:
    label = look.label(runs["stl10"].spec)
    app = page("explore/compare.py", models=label)
    assert not app.exception
    assert app.selectbox(key="data").value == "STL-10"
    assert app.multiselect(key="models").value == [label]
    offered = app.multiselect(key="models").options
    assert "jpeg-75" in offered
    assert not [name for name in offered if name.startswith("pca-")], "PCA takes no pictures of 27,648 numbers"


def test_compare_shows_scenes_to_a_model_of_somebodys_folder(runs: dict[str, Run]) -> None:
    label = look.label(runs["folder"].spec)
    app = page("explore/compare.py", models=label)
    assert not app.exception
    assert app.selectbox(key="data").value == "Embedded scenes, 64×64"
    assert app.multiselect(key="models").value == [label]


def test_compare_shows_scenes_where_stl10_is_not_here(
    runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path))
    label = look.label(runs["stl10"].spec)
    app = page("explore/compare.py", models=label)
    assert not app.exception
    assert app.selectbox(key="data").value == "Embedded scenes, 96×96"
    assert app.multiselect(key="models").value == [label]
    app = page("explore/system.py", run=label)
    assert not app.exception
    assert any(
        "STL-10 is not here: these pictures are from the embedded scenes, 96×96" in note.value for note in app.caption
    )


@pytest.mark.usefixtures("runs")
def test_train_offers_a_convolutional_system_every_size() -> None:
    app = page("experiment/train.py", start="shallow-strided")
    data = app.selectbox(key="on")
    assert {"Embedded sample", "STL-10", "Embedded scenes, 64×64"} <= set(data.options)
    data.set_value("Embedded scenes, 64×64").run()
    assert not app.exception
    assert any(
        "3×64×64 go through the same layers, which here have a code of 32×32×32" in note.value for note in app.caption
    )
    app.selectbox(key="start").set_value("dense").run()
    assert "Embedded scenes, 64×64" not in app.selectbox(key="on").options, "dense layers fit one shape"


def test_photographs_pass_through_runs_and_models_that_were_made_for_other_sizes(runs: dict[str, Run]) -> None:
    start = zoo.from_text("3x64x64 | pool4 | flatten | dense64 | dense12288 | reshape3x64x64")
    dataset, store = runs["folder"].spec.dataset, Store()
    *_, finished = execution.execute(execution.plan(start, dataset=dataset, epochs=1, batch_size=4), store=store)
    assert isinstance(finished, Finished)
    content = hostile_models.convolution(given=["N", 3, 48, 64], made=["N", 3, 48, 64]).SerializeToString()
    foreign.add(store.root, "oblong", content)
    labels = [zoo.label(run.spec) for run in (finished.run, runs["stl10"], runs["folder"])]
    app = page("explore/photos.py", **{"p-photograph": "cat", "p-models": [*labels, "onnx-oblong"]})
    while not all(work.is_over for work in app.session_state["works on photographs"].values()):
        time.sleep(0.1)
    app.run()
    assert not app.exception
    assert not app.error
    ways = app.dataframe[0].value.set_index("")["Computed at"]
    assert list(ways[labels]) == ["tiles of 64×64", "full resolution", "full resolution"]
    # The tiles change nothing, as the model does.
    assert ways["onnx-oblong"] == "tiles of 48×64"
    scores = app.dataframe[0].value.set_index("")["PSNR"]
    assert scores["onnx-oblong"] == pytest.approx(scores["noisy"], abs=0.05)
