"""Models that a person brings, without a browser: what joins, what is refused, what is removed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.reconstructors import foreign, foreign_process
from aecore.runs import bundles
from aecore.runs.store import Store
from aecore.studies import by_name
from pages.components import jobs
from pages.components.photos import work
from tests.aecore.reconstructors import hostile_models

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "pages/app/navigation.py"  # whose links to other pages need all of them
COMPARE, DENOISE = (ROOT / f"pages/explore/{name}.py" for name in ("compare", "denoise"))
PUBLISHED = ROOT / "checkpoints"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with one of the published runs, on a machine without CIFAR-10."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    path = Store(PUBLISHED).find("shallow-maxpool").path
    shutil.copytree(path, tmp_path / "checkpoints" / path.name)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield Store(tmp_path / "checkpoints")
    for digest in list(foreign_process._running):
        foreign_process.stop(digest)


def bring(app: AppTest, name: str, content: bytes) -> AppTest:
    """Open the dialog, choose a file and add it.

    A browser draws the dialog alone again. Here all of the page is, which would close it: so its button is pressed
    every time.
    """
    app.button(key="bring").click().run()
    app.button(key="bring").click()
    app.file_uploader(key="brought").set_value((name, content, "application/octet-stream")).run()
    app.button(key="bring").click()
    return app.button(key="add brought").click().run()


def texts(app: AppTest) -> str:
    assert not app.exception
    return " ".join(element.value for element in (*app.markdown, *app.caption, *app.success, *app.error, *app.header))


def test_a_run_that_was_exported_joins_the_gallery(store: Store, tmp_path: Path) -> None:
    run = Store(PUBLISHED).find("shallow-strided")
    bundles.write(run, tmp_path / "run.zip")
    app = AppTest.from_file(GALLERY, default_timeout=60).run()
    assert "shallow-strided has joined." in texts(bring(app, "run.zip", (tmp_path / "run.zip").read_bytes()))
    assert store.find("shallow-strided").key == run.key
    app = AppTest.from_file(GALLERY, default_timeout=60).run()
    again = bring(app, "run.zip", (tmp_path / "run.zip").read_bytes())
    assert "shallow-strided was here already, and is intact." in texts(again)


@pytest.mark.parametrize(("name", "kind"), [("net.onnx", "a text"), ("run.zip", "a text"), ("net.onnx", "two inputs")])
def test_what_is_none_is_refused_in_a_sentence_and_nothing_changes(name: str, kind: str, store: Store) -> None:
    # Not the hidden folders: other pages' jobs may still write what they have fitted.
    before = sorted(path.name for path in store.root.glob("[!.]*"))
    app = bring(AppTest.from_file(GALLERY, default_timeout=60).run(), name, dict(hostile_models.files())[kind])
    assert not app.exception
    (error,) = app.error
    assert "\n" not in error.value
    assert sorted(path.name for path in store.root.glob("[!.]*")) == before


def test_a_model_from_elsewhere_is_listed_with_its_licence_and_removed(store: Store) -> None:
    app = bring(
        AppTest.from_file(GALLERY, default_timeout=60).run(), "Net.onnx", dict(hostile_models.files())["identity"]
    )
    assert "onnx-net has joined" in texts(app)
    assert "Models of others" in texts(app)
    assert "Licence: not stated" in texts(app)
    (model,) = foreign.listing(store.root).models
    app.button(key=f"remove {model.key}").click().run()
    assert "Models of others" not in texts(app)
    assert not foreign.listing(store.root).models


def test_names_that_differ_in_a_dot_or_a_dash_have_a_card_each(store: Store) -> None:
    for name in ("net.v1", "net-v1", "net.v-1"):
        foreign.add(store.root, name, dict(hostile_models.files())["identity"])
    app = AppTest.from_file(GALLERY, default_timeout=60).run()
    assert not app.exception
    assert {button.key for button in app.button if button.label == "Remove"} == {
        f"remove {model.key}" for model in foreign.listing(store.root).models
    }


def test_a_model_for_no_pictures_that_are_here_cannot_be_compared(store: Store) -> None:
    for name, side in (("fits", 64), ("odd", 48)):
        shape = ["N", 3, side, side]
        identity = hostile_models.model([hostile_models.node("Identity")], given=shape, made=shape)
        foreign.add(store.root, name, identity.SerializeToString())
    app = AppTest.from_file(GALLERY, default_timeout=60).run()
    assert not app.exception
    helps = {link.proto.help for link in app.get("page_link") if link.proto.label == "Compare" and link.proto.disabled}
    assert helps == {"No data set here has pictures of 3×48×48."}


def test_on_compare_it_is_chosen_at_once_and_has_scores(store: Store) -> None:
    app = AppTest.from_file(COMPARE, default_timeout=60).run()
    app = bring(app, "theirs.onnx", dict(hostile_models.files())["convolution"])
    assert not app.exception
    assert "onnx-theirs" in app.multiselect(key="models").value
    for _ in range(100):
        app.run()
        if tables := [frame.value for frame in app.dataframe if "onnx-theirs" in frame.value]:
            break
    # Its kernel is the identity, so there is no error but that of rounding.
    assert (tables[0]["onnx-theirs"].fillna(999) > 90).all()


@pytest.mark.parametrize(
    ("shape", "title"),
    [
        ((1, 28, 28), "MNIST"),
        ((1, "h", "w"), "MNIST"),
        ((3, 64, 64), "Embedded scenes, 64×64"),
        ((3, 96, 96), "Embedded scenes, 96×96"),
        ((3, 32, 32), "CIFAR-10"),
    ],
)
def test_the_link_to_compare_it_shows_pictures_that_it_takes(
    shape: tuple[int | str, ...], title: str, store: Store
) -> None:
    """No run here takes others than 3×32×32."""
    identity = hostile_models.model([hostile_models.node("Identity")], given=["N", *shape], made=["N", *shape])
    foreign.add(store.root, "theirs", identity.SerializeToString())
    app = AppTest.from_file(COMPARE, default_timeout=60)
    app.query_params["models"] = ["onnx-theirs"]
    app.run()
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="data").value == title
    assert app.multiselect(key="models").value == ["onnx-theirs"]
    for _ in range(100):
        app.run()
        assert not app.exception
        assert not app.error
        if tables := [frame.value for frame in app.dataframe if "onnx-theirs" in frame.value]:
            break
    assert (tables[0]["onnx-theirs"].fillna(999) > 90).all()


def test_on_denoise_it_is_offered(store: Store) -> None:
    foreign.add(store.root, "theirs", dict(hostile_models.files())["identity"])
    app = AppTest.from_file(DENOISE, default_timeout=60).run()
    assert not app.exception
    (choice,) = [select for select in app.multiselect if "onnx-theirs" in select.options]
    assert choice.label == "Denoisers"


def test_a_model_from_elsewhere_holds_up_no_other_method(store: Store) -> None:
    added = foreign.add(store.root, "theirs", dict(hostile_models.files())["identity"])
    contestant = by_name.of_foreign(added)
    others = [other for other in by_name.baselines((3, 32, 32)) if other.label != added.label]
    assert jobs.lane_of(contestant) not in {jobs.lane_of(other) for other in others}
    assert work._lane(contestant) not in {work._lane(None), *map(work._lane, others)}
