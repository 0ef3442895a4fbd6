"""Build without a browser: what the list of layers shows follows from the line, and what is saved is there again."""

import json
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.diagnosis import diagnose
from aecore.models.layers import LAYERS, parse_layer, shape_text
from aecore.runs.store import Store
from pages.components.build import editor, line
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]
PUBLISHED = Store()
MINE = "conv8:s2 | up | conv3:sigmoid"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Every test sees a machine without CIFAR-10 and an empty store."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints").mkdir()
    st.cache_data.clear()
    return Store()


def page(**query: str) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    return checked(app.switch_page(str(ROOT / "pages/experiment/build.py")).run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [button for button in app.button if button.label == label]
    return checked(button.click().run())


def test_a_cold_visit_shows_a_system(store: Store) -> None:
    app = page()
    assert app.session_state["line"] == str(zoo.SYSTEMS[line.FIRST].architecture)
    assert figures(app)["Parameters"] == "28.7k"
    assert figures(app)["Code"] == "8,192 · 2.7×"
    assert figures(app)["Receptive field"] == "11×11"
    assert not app.warning


def test_a_link_brings_a_line_with_its_problems(store: Store) -> None:
    app = page(line="conv32 | pol | dense12")
    assert app.session_state["line"] == "conv32 | pol | dense12"
    assert set(figures(app).values()) == {"–"}
    (info,) = app.info
    assert info.value.startswith("3 problems to mend in the list")
    assert not app.warning, "the link was followed"


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ("3x64x64", "the embedded scenes, 64×64"),
        ("3x96x96", "the embedded scenes, 96×96"),
        ("1x28x28", "of MNIST"),
        ("3x48x48", ""),
    ],
)
def test_pictures_of_every_shape_are_shown_where_a_data_set_has_them(store: Store, shape: str, shown: str) -> None:
    channels = shape[0]
    app = page(line=f"{shape} | conv8 | pool | up | conv{channels}:sigmoid")
    captions = " ".join(caption.value for caption in app.caption)
    looks = [button for button in app.button if button.label == "30-second look"]
    if shown:
        assert shown in captions
        assert len(looks) == 1
    else:
        assert "No data set here has pictures of 3×48×48." in captions
        assert not looks


def test_starting_from_something_puts_its_layers_in_place_of_the_line(store: Store) -> None:
    app = page()
    app.selectbox[0].select("mnist-dense").run()
    assert checked(app).session_state["line"] == str(zoo.SYSTEMS["mnist-dense"].architecture)
    assert app.selectbox[0].value is None, "so that it can be chosen again"
    app.selectbox[0].select(line.NOTHING).run()
    assert checked(app).session_state["line"] == ""
    (info,) = app.info
    assert info.value.startswith("Add a first layer")


def test_the_time_of_an_epoch_is_rough_until_it_is_measured(store: Store) -> None:
    copied(PUBLISHED.find("shallow-maxpool"), store.root)
    app = page(line=MINE)
    assert figures(app)["An epoch, CPU"].startswith("≈ ")
    press(app, "Measure the epoch")
    assert not app.error
    assert not figures(app)["An epoch, CPU"].startswith("≈")
    assert "Measure the epoch" not in [button.label for button in app.button]


def test_an_architecture_is_saved_renamed_opened_and_removed(store: Store) -> None:
    app = page(line=MINE)
    app.text_input[0].input("My Net").run()
    press(app, "Save these layers")
    (error,) = app.error
    assert error.value.startswith("'My Net' cannot name an architecture\\: use lowercase letters")
    assert not zoo.saved_systems()
    app.text_input[0].input("my-net").run()
    press(app, "Save these layers")
    assert not app.error
    assert zoo.saved_systems()["my-net"].architecture == Architecture.parse(MINE)
    (name,) = [text for text in app.text_input if text.label == "New name"]
    name.input("our-net").run()
    press(app, "Rename")
    assert list(zoo.saved_systems()) == ["our-net"]
    app.selectbox[0].select(line.NOTHING).run()
    press(app, "our-net")
    assert app.session_state["line"] == MINE
    (remove,) = [button for button in app.button if button.key == "remove our-net"]
    checked(remove.click().run())
    assert not zoo.saved_systems()


def test_a_file_that_cannot_be_read_is_said(store: Store) -> None:
    zoo.own_zoo().save("good", Architecture.parse(MINE))
    path = zoo.own_zoo().path
    path.write_text(path.read_text() + 'bad = "conv0"\n')
    app = page()
    assert any("bad" in warning.value for warning in app.warning)
    assert any(button.label == "good" for button in app.button)


@pytest.mark.parametrize("name", zoo.SYSTEMS)
def test_the_list_shows_what_the_architecture_says(name: str) -> None:
    architecture = zoo.SYSTEMS[name].architecture
    facts = json.loads(json.dumps(editor.facts(diagnose(str(architecture)))))
    rows = facts["rows"][-len(architecture.layers) :]
    assert [row["output"] for row in rows] == [shape_text(step.output_shape) for step in architecture.steps]
    code = architecture.code
    assert [index for index, row in enumerate(rows, 1) if row["is_code"]] == ([code.position] if code else [])
    assert not any(row["problems"] for row in rows)
    assert len(facts["rows"]) == len(str(architecture).split("|"))


def test_every_problem_and_advice_stands_at_its_layer() -> None:
    text = "3x32 | conv32 | pol | skip"
    diagnosis = diagnose(text)
    facts = editor.facts(diagnosis)
    shown = [note["sentence"] for row in facts["rows"] for note in row["problems"]]
    shown += [note["sentence"] for note in facts["whole"]]
    assert sorted(shown) == sorted(problem.sentence for problem in diagnosis.problems)
    assert len(facts["rows"][2]["problems"]) == 1
    assert facts["rows"][2]["problems"][0]["repairs"]
    diagnosis = diagnose("conv32:linear | conv32 | conv3:k1:sigmoid")
    facts = editor.facts(diagnosis)
    given = [note["sentence"] for row in facts["rows"] for note in row["advice"]]
    given += [note["sentence"] for note in facts["whole"]]
    assert sorted(given) == sorted(advice.sentence for advice in diagnosis.advice)
    assert given


def test_every_layer_can_be_added_and_says_what_it_is() -> None:
    palette = editor.facts(diagnose("conv32 | pool"))["palette"]
    added = {type(parse_layer(entry["word"])) for entry in palette}
    assert added == set(LAYERS.values())
    assert all(entry["meaning"].endswith(".") and len(entry["meaning"]) > 10 for entry in palette)
    (reshape,) = [entry["word"] for entry in palette if entry["title"] == "reshape"]
    assert Architecture.parse(f"conv32 | pool | flatten | {reshape} | conv3").steps[3].output_shape == (8, 32, 32)


@pytest.mark.parametrize(
    "name", ["conv32:k5:s2:gelu", "dropout0.25", "reshape8x4x4", "gn4", "act:silu", "up3:bilinear"]
)
def test_the_settings_of_a_layer_give_its_text_again(name: str) -> None:
    """As the browser puts them together."""
    row = editor.facts(diagnose(name))["rows"][0]
    text = row["keyword"]
    for setting in row["settings"]:
        if setting["value"] != setting["standard"]:
            text += setting["value"] if setting["letter"] == "" else f":{setting['letter'] or ''}{setting['value']}"
    assert text == name
