"""A system's own page without a browser: every system, links good and bad, a second one beside it, what is damaged."""

import base64
import io
import json
import shutil
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import to_float
from aecore.measuring.metrics import mse
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe
from aecore.models.zoo import Start
from aecore.runs import bundles, execution
from aecore.runs.events import Finished
from aecore.runs.store import PREVIEW, Store, StoreError
from aecore.studies import legibility
from aecore.studies import resolution as resolution_study
from pages.components import cached, diagrams
from pages.components.entries import entries
from pages.components.system import differences, legible, portrait, resolution
from tests.aecore.finished import without_noise_version
from tests.aecore.runs import hostile_bundles
from tests.aecore.studies.published_legibility import BLURRED, DENOISED, SMALL
from tests.pages.copies import copied
from tests.pages.sent import sheets

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_data_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test sees a machine without CIFAR-10, and no cache of another test's store."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def some_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two of the published runs."""
    root = tmp_path / "checkpoints"
    for name in ("shallow-maxpool", "shallow-strided"):
        path = Store().find(name).path
        shutil.copytree(path, root / path.name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    return root


def page(**query: str) -> AppTest:
    """The page as the dashboard shows it at this address."""
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(str(ROOT / "pages/explore/system.py"))
    return app.run()


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def drawings(app: AppTest) -> list[str]:
    """Every drawing on the page in words."""
    protos = [element.proto for element in app.get("bidi_component")]
    return [json.loads(proto.json)["alt"] for proto in protos if proto.component_name == "diagram"]


def value_of(app: AppTest, label: str) -> str:
    (metric,) = [metric for metric in app.metric if metric.label == label]
    return str(metric.value)


def texts(app: AppTest) -> str:
    return "\n".join(element.value for kind in (app.markdown, app.info, app.warning, app.error) for element in kind)


@pytest.mark.parametrize("name", zoo.SYSTEMS)
def test_every_system_has_a_page(name: str) -> None:
    app = page(run=name)
    system = zoo.SYSTEMS[name]
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.title[0].value == system.title
    assert system.story in texts(app)
    assert ("The study of 2018" in texts(app)) == bool(system.seed_words)
    assert system.seed_words in texts(app)
    (table,) = (frame.value for frame in app.dataframe if "Layer" in frame.value)
    assert list(table["Layer"]) == [str(layer) for layer in system.architecture.layers]
    assert table["Parameters"].sum() == system.architecture.parameters
    parts = list(table["Part"])
    if system.architecture.code is None:
        assert set(parts) == {"–"}
    else:
        assert parts == sorted(parts, key=["encoder", "code", "decoder"].index)
        assert parts.count("code") == 1
    (drawing,) = drawings(app)
    assert drawing.startswith(f"Architecture of {name}: ")
    assert [chart.key for chart in app.get("plotly_chart")] == [
        f"confusion-{name}",
        *["resolution"] * (name in resolution_study.NAMES),
        "losses",
    ]


@pytest.mark.parametrize(("name", "count"), [("shallow-strided", 1000), ("mnist-dense", 200)])
def test_without_data_best_and_worst_are_those_of_the_excerpt(name: str, count: int) -> None:
    app = page(run=name)
    assert any(f"the first {count:,} test pictures of" in caption.value for caption in app.caption)
    scores = Store().find(name).scores()["mse"][:count]
    expected = [*scores.nsmallest(3), *scores.sort_values().iloc[(count - 3) // 2 :][:3], *scores.nlargest(3)]
    assert shown_errors(app) == [float(f"{mse:.3g}") for mse in expected]


def test_real_pictures_are_those_of_the_stored_scores(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(run="denoise-030")
    assert not app.exception
    assert not app.info
    scores = Store().find("denoise-030").scores()["mse"]
    shown = shown_errors(app)
    assert (min(shown), max(shown)) == (float(f"{scores.min():.3g}"), float(f"{scores.max():.3g}"))


def test_scores_under_older_noise_are_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors under the pictures are those of the noise that the pictures are shown under."""
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    start = zoo.from_text("conv4 | conv3:k1:sigmoid")
    spec = execution.plan(start, dataset="sample", epochs=1, images=100, noise=Noise("gaussian", 0.2))
    *_, last = execution.execute(spec)
    assert isinstance(last, Finished)
    run = last.run
    expected = shown_errors(page(run=f"custom {run.key[:6]}"))
    without_noise_version(Store().rescore(run, run.scores().assign(mse=0.5), run.read(PREVIEW)))
    st.cache_data.clear()
    assert shown_errors(page(run=f"custom {run.key[:6]}")) == expected


# ---- links


def test_without_a_link_a_system_is_shown() -> None:
    assert page().title[0].value == zoo.SYSTEMS["shallow-strided"].title


def test_a_bad_link_names_the_nearest_and_shows_it() -> None:
    app = page(run="mnist-dens")
    assert not app.exception
    assert "mnist-dense" in app.warning[0].value
    assert app.title[0].value == zoo.SYSTEMS["mnist-dense"].title


@pytest.mark.parametrize("wanted", ["../../etc/passwd", "🦊", "x" * 3000, "[", " "])
def test_nonsense_falls_back_with_a_note(wanted: str) -> None:
    app = page(run=wanted, beside=wanted)
    assert not app.exception
    assert app.title[0].value == zoo.SYSTEMS["shallow-strided"].title
    assert len(app.warning) == 2


def test_a_key_leads_to_its_run() -> None:
    app = page(run=Store().find("dense").key[:8])
    assert app.title[0].value == "Dense"
    assert not app.warning


def test_a_second_system_can_be_laid_beside() -> None:
    app = page(run="shallow-strided", beside="shallow-maxpool")
    assert not app.exception
    assert "1 row of layers differs; the recipes are the same." in texts(app)
    first, second = drawings(app)
    assert first.startswith("Architecture of shallow-strided: ")
    assert second.startswith("Architecture of shallow-maxpool: ")
    app.selectbox(key="beside").set_value("denoise-100").run()
    assert "the recipes differ in epochs, noise." in texts(app)
    app.selectbox(key="run").set_value("denoise-100").run()
    assert not app.exception, "it cannot stand beside itself"


# ---- runs that differ only in the seed


def test_a_seed_is_chosen_beside_the_system(some_runs: Path) -> None:
    run = Store().find("shallow-strided")
    copied(run, some_runs, seed=3, mse=0.002)
    app = page(run="shallow-strided")
    assert not app.exception
    assert app.selectbox(key="run_seed").options == ["0", "3"]
    app.selectbox(key="run_seed").set_value(3).run()
    assert value_of(app, "Test PSNR") == "27.0 dB"
    assert "±" in value_of(app, "PSNR of 2 seeds")
    assert app.title[0].value == "Shallow, strided"
    assert value_of(page(run="shallow-strided", run_seed="3"), "Test PSNR") == "27.0 dB"


@pytest.mark.parametrize("named_by", ["label", "key", "folder"])
def test_a_link_to_any_run_opens_it_and_is_rewritten(some_runs: Path, named_by: str) -> None:
    run = copied(Store().find("shallow-strided"), some_runs, seed=3, mse=0.002)
    app = page(run={"label": f"shallow-strided {run.key[:6]}", "key": run.key[:10], "folder": run.path.name}[named_by])
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="run").value == "shallow-strided"
    assert app.selectbox(key="run_seed").value == 3
    assert (app.query_params["run"], app.query_params["run_seed"]) == ("shallow-strided", "3")
    assert value_of(app, "Test PSNR") == "27.0 dB"


def test_a_seed_that_another_system_lacks_is_no_choice_there(some_runs: Path) -> None:
    for name, seed in (("shallow-strided", 3), ("shallow-maxpool", 5)):
        copied(Store().find(name), some_runs, seed=seed)
    app = page(run="shallow-strided", run_seed="3")
    app.selectbox(key="run").set_value("shallow-maxpool").run()
    assert not app.exception
    assert app.selectbox(key="run_seed").value == 0
    app.selectbox(key="run").set_value("dense").run()
    assert not [choice for choice in app.selectbox if choice.key == "run_seed"]
    assert "could not be followed: run_seed = 9" in page(run="shallow-strided", run_seed="9").warning[0].value


# ---- what is missing or damaged


def test_a_run_without_weights_says_so_and_shows_what_is_stored(some_runs: Path) -> None:
    run = copied(Store().find("shallow-strided"), some_runs, epochs=7, light=True)
    app = page(run=run.key)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.info[0].value == "Stored without weights: only scores and loss curves."
    assert "only the first test pictures can be shown, as stored" in app.info[1].value
    assert html(app).count('class="pixels preview"') == 1
    (compare,) = [link.proto for link in app.get("page_link") if link.proto.label == "Compare"]
    (bundle,) = [button.proto for button in app.get("download_button") if button.proto.label == "Download as .zip"]
    assert compare.disabled
    assert bundle.disabled
    assert bundle.help == compare.help == "Stored without weights: only scores and loss curves."
    assert len(app.get("plotly_chart")) == 1


def test_a_penalty_is_a_dotted_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    layers = Architecture.parse("flatten | dense8 | sparsity | dense3072:sigmoid | reshape3x32x32")
    recipe = Recipe(epochs=2, images=100, penalties={"sparsity": 1e-3})
    *_, last = execution.execute(execution.plan(Start("sparse", "Sparse", layers, recipe, "sample"), dataset="sample"))
    assert isinstance(last, Finished)
    app = page(run=last.run.key)
    assert not app.exception
    assert "sparsity weight 0.001" in texts(app)
    (chart,) = app.get("plotly_chart")
    lines = {line["name"]: line for line in json.loads(chart.proto.spec)["data"]}
    assert lines["sparsity, training"]["line"]["dash"] == "dot"
    known = {line["line"]["color"] for line in lines.values()}
    assert len(known) == 1
    drawn = np.frombuffer(base64.b64decode(lines["sparsity, training"]["y"]["bdata"]), np.float64)
    assert drawn == pytest.approx(last.run.history()["sparsity"].to_numpy())


@pytest.mark.parametrize(
    ("changes", "caption"),
    [
        ({}, "Thin lines: MSE on the training pictures during the epoch. Denoisers"),
        ({"average": 0.99}, "Thin lines: MSE on the training pictures during the epoch, with the weights before they "),
        ({"average": 0.99, "loss": "psnr"}, "Thick lines: MSE on the validation pictures after each epoch. Denoisers"),
    ],
)
def test_the_curves_are_said_to_be_what_is_drawn(changes: dict[str, Any], caption: str, some_runs: Path) -> None:
    run = copied(Store().find("shallow-strided"), some_runs, epochs=7, **changes)
    app = page(run=run.key)
    assert any(caption in drawn.value for drawn in app.caption)
    (chart,) = app.get("plotly_chart")
    assert len(json.loads(chart.proto.spec)["data"]) == 1 + ("Thin" in caption)


def test_an_untrained_system_shows_its_architecture_and_how_to_train_it(some_runs: Path) -> None:
    app = page(run="deep-strided-4", beside="shallow-strided")
    assert not app.exception
    assert "python -m aecore train deep-strided-4`" in texts(app)
    first, _ = drawings(app)
    assert first.startswith("Architecture of deep-strided-4: ")
    assert not app.get("download_button") or all(
        "Weights" not in element.proto.label for element in app.get("download_button")
    )


@pytest.mark.parametrize("name", ["history.csv", "scores.csv.gz", "weights.safetensors", "run.json"])
@pytest.mark.parametrize("damage", ["emptied", "changed", "deleted"])
def test_a_damaged_file_is_named_and_the_rest_shown(name: str, damage: str, some_runs: Path) -> None:
    file = next(some_runs.glob(f"shallow-strided-*/{name}"))
    if damage == "deleted":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(b"" if damage == "emptied" else content)
    app = page(run="shallow-strided")
    assert not app.exception
    if name != "scores.csv.gz" or damage != "changed":  # on the embedded sample its own scores are not read
        assert name in texts(app)
    assert app.title[0].value == "Shallow, strided"
    (drawing,) = drawings(app)
    assert drawing.startswith("Architecture of shallow-strided: ")
    assert len(app.dataframe[0].value) == 6


def test_the_download_holds_the_run(some_runs: Path) -> None:
    run = Store().find("shallow-strided")
    with zipfile.ZipFile(io.BytesIO(portrait._archive(run))) as packed:
        held = {Path(name).name: packed.read(name) for name in packed.namelist()}
    for name in ("run.json", "weights.safetensors", "history.csv", "scores.csv.gz", "preview.png"):
        assert held[name] == (run.path / name).read_bytes()
    assert {"README.md", "model.onnx"} < held.keys()
    (run.path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        portrait._archive(run)


def test_a_run_from_elsewhere_shows_no_folder_of_this_computer(some_runs: Path, tmp_path: Path) -> None:
    """Its bundle was forged to name one: the key of a run does not hold the name of its data set."""
    secret = tmp_path / "secret"
    secret.mkdir()
    for number in range(12):
        Image.new("RGB", (32, 32), (number * 20, 0, 0)).save(secret / f"{number}.png")
    run, store = Store().find("shallow-strided"), Store(tmp_path / "checkpoints")
    bundle = tmp_path / "run.zip"
    bundles.write(run, bundle)
    forged = hostile_bundles.of_dataset(bundle.read_bytes(), f"folder:{secret}")
    store.remove(run)
    imported = bundles.read(io.BytesIO(forged), store).run
    app = page(run=imported.key)
    assert not app.exception
    shown = texts(app) + html(app) + " ".join(caption.value for caption in app.caption)
    assert "An unnamed folder is not here: these pictures are from the embedded sample" in shown
    assert "secret" not in shown


# ---- the drawing and the differences


@pytest.mark.parametrize("name", zoo.SYSTEMS)
def test_a_drawing_holds_every_layer_and_marks_the_code(name: str) -> None:
    architecture = zoo.SYSTEMS[name].architecture
    blocks = diagrams.blocks(architecture)
    assert blocks[0].shape == blocks[-1].shape == architecture.input_shape
    codes = [block.shape for block in blocks if block.is_code]
    assert codes == ([architecture.code.output_shape] if architecture.code else [])
    assert [step for block in blocks for step in block.steps] == list(architecture.steps)
    assert all(block.steps[-1].output_shape == block.shape for block in blocks[1:])
    sent = json.loads(json.dumps(diagrams.drawing(architecture, name)))["blocks"]
    layers = [layer for block in sent for layer in block["layers"]]
    assert [layer["position"] for layer in layers] == list(range(1, len(architecture.layers) + 1))
    assert [layer["text"] for layer in layers] == [str(layer) for layer in architecture.layers]
    assert sum(layer["parameters"] for layer in layers) == architecture.parameters
    assert sum(layer["macs"] for layer in layers) == architecture.macs


def test_layers_are_written_in_a_few_words() -> None:
    architecture = Architecture.parse("conv32:k5:s2:gelu | bn | dropout0.2 | deconv3:k4:linear | avgpool | up:bilinear")
    assert [block.operation for block in diagrams.blocks(architecture)] == [
        (),
        ("conv 32", "5×5", "stride 2", "gelu", "batch norm", "dropout 0.2"),
        ("deconv 3", "4×4", "stride 2", "linear"),
        ("mean pool", "2×2"),
        ("up 2×", "bilinear"),
    ]


def test_a_skip_is_drawn_from_where_it_begins_to_where_it_ends() -> None:
    architecture = Architecture.parse(
        "conv8 | skip | conv4:s2 | bn | skip | conv4 | concat | conv8:s1 | up | add | conv3"
    )
    blocks = diagrams.blocks(architecture)
    ends = [(block.skipped_from, place) for place, block in enumerate(blocks) if block.skipped_from is not None]
    assert ends == [(2, 4), (1, 7)]
    assert blocks[4].shape == (8, 16, 16)
    drawing = diagrams.drawing(architecture, "this")
    assert [block["skipped_from"] for block in drawing["blocks"]] == [None, None, None, None, 2, None, None, 1, None]
    assert "concat to 8×16×16 with 4×16×16 by a skip" in drawing["alt"]


def test_a_skip_leaves_before_the_batch_norm_that_follows_it() -> None:
    blocks = diagrams.blocks(Architecture.parse("conv8 | skip | bn | conv8 | bn | add | conv3"))
    assert [block.operation[0] for block in blocks[1:]] == ["conv 8", "batch norm", "conv 8", "add", "conv 3"]
    assert blocks[4].skipped_from == 1


def test_the_code_is_said_in_words() -> None:
    def heading(line: str) -> str:
        return str(diagrams.drawing(Architecture.parse(line), "this")["heading"])

    assert heading("conv8:s4 | up4 | conv3") == "code: 8×8×8 = 512 numbers"
    assert heading("flatten | dense1024 | dense3072 | reshape3x32x32") == "code: 1,024 numbers"
    assert heading("skip | conv8 | conv3:linear | add") == "no code: a skip connection bypasses every layer"


@pytest.mark.parametrize(
    "line",
    [
        "conv3:k1:sigmoid",
        "bn | conv3:k1:sigmoid",
        "1x512x512 | pool64 | up64 | conv1:k1:linear",
        "1x1x1 | flatten | dense1 | dropout0.5 | act:gelu | reshape1x1x1",
        " | ".join(["conv3:k1"] * 200),
        "avgpool | deconv3:k2:s2:tanh | up2:bilinear | avgpool",
        "skip | conv8 | conv3:linear | add",
        "conv8 | skip | conv8:s2 | bn | skip | conv8:s2 | up | concat | conv8 | up | add | conv3",
    ],
)
def test_any_architecture_can_be_drawn(line: str) -> None:
    architecture = Architecture.parse(line)
    blocks = diagrams.blocks(architecture)
    assert [block.is_code for block in blocks].count(True) == (architecture.code is not None)
    assert [step for block in blocks for step in block.steps] == list(architecture.steps)
    assert json.loads(json.dumps(diagrams.drawing(architecture, "<b>")))["alt"].startswith("Architecture of <b>: ")


def test_what_differs_is_marked_by_more_than_colour() -> None:
    everyone = {entry.label: entry for entry in entries([])}
    rows = list(differences.layer_rows(everyone["shallow-strided"], everyone["shallow-maxpool"]))
    assert [mark for mark, *_ in rows] == ["", "≠", "", "", "", ""]
    rows = list(differences.layer_rows(everyone["shallow-strided"], everyone["shallow-strided-bn"]))
    assert [mark for mark, *_ in rows].count("+") == 3
    same = everyone["dense"]
    assert differences.summary(same, same) == "The layers are the same; the recipes are the same."


# ---- a folder that changes


def shown_errors(app: AppTest) -> list[float]:
    """The errors above the best, median and worst pictures, as they are shown."""
    return [float(detail.rpartition("MSE ")[2]) for header, _ in sheets(app) for _, detail in header["rows"]]


def test_errors_are_those_of_the_pictures_that_are_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    folder, draw = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()

    def add(first: int, last: int) -> None:
        for number in range(first, last):
            Image.fromarray(draw.integers(0, 255, (32, 32, 3), np.uint8)).save(folder / f"{number}.png")

    def expected() -> Any:
        test = datasets.load(f"folder:{folder}").test
        errors = mse(run.model()(to_float(test.pixels)).clamp(0, 1), to_float(test.pixels)).sort().values
        middle = max(0, (len(errors) - 3) // 2)
        kinds = [*errors[:3], *errors[middle : middle + 3], *errors.flip(0)[:3]]
        return pytest.approx([float(error) for error in kinds], rel=6e-3)  # three digits are shown

    add(0, 60)
    spec = execution.plan(zoo.from_text("conv4 | conv3:k1:sigmoid"), dataset=f"folder:{folder}", epochs=1)
    *_, last = execution.execute(spec)
    assert isinstance(last, Finished)
    run = last.run
    app = page(run=f"custom {run.key[:6]}")
    assert shown_errors(app) == expected()
    assert not any("has changed since" in info.value for info in app.info)
    assert not any("left out" in caption.value for caption in app.caption)
    add(60, 90)
    (folder / "a_note*.txt").touch()
    time.sleep(cached.LOOK + 0.1)
    app.run()
    assert not app.exception
    assert shown_errors(app) == expected()
    assert any("has changed since this run was trained" in info.value for info in app.info)
    said = r"class and MSE. 1 of 91 files was left out\: a\_note\*\.txt is not a picture\."
    assert any(caption.value.endswith(said) for caption in app.caption)
    for file in sorted(folder.iterdir())[20:]:
        file.unlink()
    time.sleep(cached.LOOK + 0.1)
    app.run()
    assert not app.exception
    assert shown_errors(app) == expected()


def test_beside_another_both_show_their_pictures_and_layers() -> None:
    app = page(run="dense", beside="compress-64")
    assert not app.exception
    kinds = ["Best"] * 3 + ["Median"] * 3 + ["Worst"] * 3
    assert [[kind for kind, _ in header["rows"]] for header, _ in sheets(app)] == [kinds, kinds]
    tables = [frame.value for frame in app.dataframe if "Layer" in frame.value]
    assert [len(table) for table in tables] == [
        len(zoo.find(name).architecture.layers) for name in ("dense", "compress-64")
    ]
    assert len([button for button in app.button if button.label.startswith("Fetch")]) == 1


def test_a_run_of_ones_own_has_a_title_a_note_and_can_be_deleted(some_runs: Path) -> None:
    run = copied(Store().find("shallow-strided"), some_runs, epochs=7)
    label = f"shallow-strided {run.key[:6]}"
    app = page(run=label)
    app.text_input[0].set_value("Seven epochs")
    app.text_area[0].set_value("Is it *longer*?")
    next(button for button in app.button if button.label == "Save").click().run()
    assert not app.exception
    assert app.title[0].value == "Seven epochs"
    assert any(r"Is it \*longer\*?" in caption.value for caption in app.caption)
    next(button for button in app.button if button.label == "Delete this run").click().run()
    assert run.path.exists()
    next(button for button in app.button if button.label == "Delete").click().run()
    assert not run.path.exists()


def test_a_published_run_cannot_be_deleted() -> None:
    assert not [button for button in page(run="shallow-strided").button if button.label.startswith("Delete")]


def test_what_is_read_from_the_output_and_the_code_is_shown_with_what_is_confused() -> None:
    app, readings = page(run="dense"), legibility.published("cifar10", Store().root)
    assert readings is not None
    reading = readings.of("dense")
    assert reading is not None
    assert value_of(app, "Class read") == value_of(app, "From the output") == f"{reading.accuracy:.1%}"
    assert value_of(app, "From the originals") == f"{readings.original.accuracy:.1%}"
    assert value_of(app, "From the code") == f"{reading.probe:.1%}"
    worst = readings.worst(reading)
    assert worst is not None
    assert f"**{worst.true}** is read as **{worst.read}** in {worst.here:.0%} of its pictures" in texts(app)
    squares = [json.loads(chart.proto.spec)["data"][0] for chart in app.get("plotly_chart")]
    (square,) = [data for data in squares if data["type"] == "heatmap"]
    counts = np.array(reading.counts)
    assert square["text"][3][3] == f"{counts[3, 3] / counts[3].sum():.0%}"
    assert square["x"] == square["y"] == list(readings.classes)


def test_a_denoiser_is_compared_with_its_noisy_input_and_one_without_a_code_has_no_probe() -> None:
    app, readings = page(run="denoise-unet", beside="dense"), legibility.published("cifar10", Store().root)
    assert readings is not None
    reading = readings.of("denoise-unet")
    assert reading is not None
    assert value_of(app, "From its noisy input") == f"{reading.accuracy_given:.1%}"
    assert len([metric for metric in app.metric if metric.label == "From the code"]) == 1  # of dense


def test_readings_are_not_shown_where_none_are_published_or_they_are_damaged(some_runs: Path) -> None:
    for content in (None, "{"):
        if content:
            (some_runs / "legibility-cifar10.json").write_text(content)
        app = page(run="shallow-maxpool")
        assert not app.exception
        assert not [metric for metric in app.metric if metric.label in ("Class read", "From the output")]
        assert "Is the class still legible?" not in [heading.value for heading in app.subheader]


def test_a_drop_is_told_in_words_as_far_as_it_is_shown() -> None:
    said = [legible.sentence(reading, SMALL) for reading in (BLURRED, DENOISED)]
    assert said[0] == (
        "The share of pictures whose class is read is 40.0 percentage points lower than on the originals (95% interval "
        "of the drop 22.2 to 57.8). The confusion that grows the most: **cat** is read as **dog** in 80% of its "
        "pictures, on the originals in 20%."
    )
    assert said[1].startswith("No drop against the originals is shown (95% interval −5.0 to 10.0 percentage points).")
    better = replace(BLURRED, drop=-0.1, low=-0.2, high=-0.05)
    assert "is read is 10.0 percentage points higher than on the originals" in legible.sentence(better, SMALL)


def test_a_system_of_the_study_is_shown_at_three_resolutions() -> None:
    study = resolution_study.published(Store().root)
    for name in resolution_study.NAMES:
        app = page(run=name)
        assert not app.exception
        assert resolution.HEADING in [heading.value for heading in app.subheader]
        assert any(block.value == resolution_study.summary(study) for block in app.markdown)
    assert resolution.HEADING not in [heading.value for heading in page(run="dense").subheader]


def test_each_tile_is_the_scene_at_its_size_enlarged_by_a_whole_factor() -> None:
    study = resolution_study.published(Store().root)
    for scene in study.scenes:
        tiles = np.asarray(resolution.tiles("shallow-strided", scene))
        for place, side in enumerate(resolution_study.SIDES):
            scenes = datasets.load(f"scenes-{side}")
            assert scenes.classes[int(scenes.test.labels[scene.number])] == scene.title
            picture = scenes.test.pixels[scene.number].permute(1, 2, 0).numpy()
            left = place * 198
            shown = tiles[:192, left : left + 192, :3]
            assert np.array_equal(shown, picture.repeat(192 // side, 0).repeat(192 // side, 1))
            output = tiles[198 : 198 + 192, left : left + 192, :3].astype(float)
            # It resembles the picture more than the picture's mean colour does.
            assert np.square(output - shown).mean() < np.square(shown - shown.mean((0, 1))).mean()


def test_without_the_published_study_nothing_is_said_of_it(some_runs: Path) -> None:
    app = page(run="shallow-strided")
    assert not app.exception
    assert resolution.HEADING not in [heading.value for heading in app.subheader]
