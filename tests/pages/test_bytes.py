"""Bytes without a browser: what the sheet says is what the core packs, and what is missing is said."""

import shutil
import time
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring import budgets
from aecore.measuring.budgets import best_within
from aecore.reconstructors.packers import Files
from aecore.runs.store import Store
from aecore.studies import packing, rates
from aecore.studies.contestants import Contestant
from aecore.studies.rate_measurement import QUALITIES
from pages.components.bytes import choices, comparison, curves
from pages.components.bytes.work import Packed
from tests.pages.sent import sheets, unpacked

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "checkpoints"
CODECS = ["JPEG", "WebP", "AVIF"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a model, whose tables are fitted, and the published rates. It is to be copied."""
    root = tmp_path_factory.mktemp("store")
    path = Store(PUBLISHED).find("compress-64").path
    shutil.copytree(path, root / path.name)
    shutil.copy(PUBLISHED / "rates-cifar10.json", root)
    packing.find(compress(root), datasets.load("cifar10-excerpt"), rates.curves("cifar10", root), Store(root))
    return root


def compress(root: Path) -> Contestant:
    """The model in the store."""
    runs = Store(root).listing().runs
    return next(one for one in packing.offered(rates.curves("cifar10", root), runs) if one.label == "compress-64")


@pytest.fixture(autouse=True)
def _no_data_and_an_own_store(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test sees a machine without CIFAR-10, and a store of its own."""
    shutil.copytree(store, tmp_path / "store")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()


def page(**query: str | list[str]) -> AppTest:
    """The page once every coder is done."""
    app = AppTest.from_file(ROOT / "pages/explore/bytes.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[f"b-{name}"] = value
    return done(app.run())


def done(app: AppTest) -> AppTest:
    """The page, looked at until nothing is packed in the background any more."""
    while any("Packing every setting" in caption.value for caption in app.caption):
        time.sleep(0.2)
        app.run()
    assert not app.exception
    return app


def columns(app: AppTest) -> dict[str, dict[str, Any]]:
    """What the sheet says of each column, by its heading."""
    ((header, _),) = sheets(app)
    return {column["heading"]: column for column in header["columns"]}


def shown(app: AppTest) -> list[int]:
    """The numbers of the pictures."""
    ((header, _),) = sheets(app)
    return [int(detail.removeprefix("#")) for _, detail in header["rows"]]


@pytest.mark.parametrize("budget", [20, 384, 1024])
def test_the_sheet_shows_the_best_that_the_core_has(budget: int) -> None:
    app = page(coders=["WebP", "compress-64"], count="2", budget=str(budget))
    said, ((_, pixels),) = columns(app), sheets(app)
    data, known = datasets.load("cifar10-excerpt"), rates.curves("cifar10", PUBLISHED)
    packers = {
        "WebP": Files("webp", QUALITIES),
        "compress-64": packing.find(compress(Store().root), data, known, Store()),
    }
    for row, picture in enumerate(shown(app)):
        clean = to_float(data.test.pixels[picture])
        assert np.array_equal(pixels["original"][row], data.test.pixels[picture])
        for label, packer in packers.items():
            best = best_within(packer, clean, budget)
            caption = said[label]["captions"][row]
            if best is None:
                least = min(len(packer.pack(clean[None], setting)[0]) for setting in range(len(packer.settings)))
                assert caption == ["needs at", f"least {least:,} B"]
                assert (pixels[label][row] == 127).all()
            else:
                assert best.size <= budget
                assert caption == [f"{best.size:,} B", f"{-10 * log10(best.error):.1f} dB"]
                # A batch of another size may round otherwise in the last bit.
                assert np.abs(pixels[label][row] - best.pixels.numpy().astype(int)).max() <= 1


def test_the_head_of_a_column_has_means_and_the_header() -> None:
    app = page(coders=CODECS, count="3", budget="1024")
    data = datasets.load("cifar10-excerpt")
    clean = to_float(data.test.pixels[shown(app)])
    for label, column in columns(app).items():
        if label == "original":
            continue
        best = [best_within(Files(label.lower(), QUALITIES), picture, 1024) for picture in clean]
        packer = Files(label.lower(), QUALITIES)
        size, header, psnr = column["note"].split("\n")
        assert size == f"{np.mean([one.size for one in best if one]):,.0f} B"
        assert header == f"{np.mean([packer.header(one.setting) for one in best if one]):.0f} header"
        assert psnr == f"{-10 * log10(np.mean([one.error for one in best if one])):.1f} dB"
        numbers = dict(column["numbers"][0])
        assert numbers["Header"] == f"{packer.header(best[0].setting):,} of {best[0].size:,}" if best[0] else False


def test_the_best_of_each_row_is_marked() -> None:
    app = page(coders=[*CODECS, "compress-64"], count="4", budget="512")
    said = columns(app)
    coders = {label: column for label, column in said.items() if label != "original"}
    for row in range(4):
        psnrs = {label: float(column["captions"][row][1].removesuffix(" dB")) for label, column in coders.items()}
        marked = [label for label, column in coders.items() if column["best"][row]]
        assert marked
        assert all(psnrs[label] == max(psnrs.values()) for label in marked)


def test_where_nothing_fits_nothing_is_marked() -> None:
    app = page(coders=CODECS, count="2", budget="8")
    for label, column in columns(app).items():
        if label != "original":
            assert column["note"] == "none fits"
            assert column["best"] == [False, False]
            assert dict(column["numbers"][0])["Bytes"].startswith("needs at least ")


def test_the_slider_goes_on_from_the_smallest_to_the_largest_budget() -> None:
    offered = np.array(choices.BUDGETS)
    assert (offered[0], offered[-1]) == (choices.SMALLEST, choices.LARGEST) == (8, 3072)
    steps = offered[1:] / offered[:-1]
    assert steps.min() > 1.06
    assert steps.max() <= 1.125
    app = page(coders="JPEG", count="1")
    assert app.select_slider[0].value == choices.FIRST
    sizes = []
    for budget in (384, 512, 3072):
        done(app.select_slider(key="b-budget").set_value(budget).run())
        size = int(columns(app)["JPEG"]["captions"][0][0].removesuffix(" B").replace(",", ""))
        assert size <= budget
        sizes.append(size)
    assert sizes == sorted(sizes)


def test_the_budget_is_put_into_words() -> None:
    shape = (3, 32, 32)
    raw = "the 3,072 bytes of the raw pixels"
    assert choices.in_words(384, shape) == f"384 bytes are 3 bits per pixel, 8× smaller than {raw}."
    assert choices.in_words(3072, shape) == f"3,072 bytes are 24 bits per pixel, as many as {raw}."


def test_the_browser_gets_the_pictures_of_every_budget() -> None:
    """What a picture shows within a budget after a release is what the series has for it."""
    app = page(coders=["JPEG", "WebP"], count="2", budget="384")
    (held,) = (element.proto.bytes for element in app.get("bidi_component") if element.proto.component_name == "series")
    ((header, _),) = sheets(app)
    named, content = unpacked(held)
    assert named["name"] == header["series"]["name"]
    texts, _ = unpacked(content)
    for budget in (8, 384, 1024, 3072):
        done(app.select_slider(key="b-budget").set_value(budget).run())
        ((header, _),) = sheets(app)
        position = header["series"]["position"]
        assert choices.BUDGETS[position] == budget
        assert header["series"]["sentence"] == texts["sentences"][position]
        for said, column in zip(texts["columns"], header["columns"], strict=True):
            assert said["notes"][position] == column["note"]
            cells = [row["cells"][row["which"][position]] for row in said["rows"]]
            assert [caption for _, caption, _ in cells] == column.get("captions", [[], []])


def test_a_link_brings_back_every_choice() -> None:
    app = page(coders=["AVIF", "JPEG"], budget="640", data="Embedded sample", count="2", draw="3", view="Wipe")
    assert not app.warning
    assert app.multiselect(key="b-coders").value == ["AVIF", "JPEG"]
    assert app.select_slider(key="b-budget").value == 640
    assert app.selectbox(key="b-data").value == "Embedded sample"
    assert "crops of a few photographs" in app.info[0].value
    ((header, _),) = sheets(app)
    assert header["view"] == "Wipe"
    assert list(columns(app)) == ["original", "AVIF", "JPEG"]


def test_what_a_link_cannot_have_is_said() -> None:
    app = page(coders=["JPEG", "wiener"], budget="400", count="1")
    assert "b-coders = wiener" in app.warning[0].value
    assert "b-budget = 400" in app.warning[0].value


def test_without_training_pictures_the_page_says_what_tables_come_from() -> None:
    app = page(coders="compress-64", count="1")
    assert any("fitted on 300 validation pictures" in caption.value for caption in app.caption)
    assert "PCA" not in app.multiselect(key="b-coders").options
    assert "PCA must be fitted to the training pictures" in app.multiselect(key="b-coders").help
    assert any(button.label == "Fetch CIFAR-10, 170 MB" for button in app.button)


def test_damaged_weights_are_named_and_the_others_are_shown() -> None:
    weights = Store().find("compress-64").path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    app = page(coders=["compress-64", "JPEG"], count="1")
    assert "compress-64" in app.error[0].value
    assert list(columns(app)) == ["original", "JPEG"]


@pytest.mark.parametrize("content", [None, b"{"])
def test_without_published_rates_image_codecs_are_left(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "store" / "rates-cifar10.json"
    path.unlink() if content is None else path.write_bytes(content)
    app = page(count="1")
    assert "Until then, only image codecs are here." in app.warning[0].value
    assert app.multiselect(key="b-coders").options == CODECS
    assert list(columns(app)) == ["original", *CODECS]


def test_without_a_coder_the_page_says_so() -> None:
    app = page(coders="")
    done(app.multiselect(key="b-coders").set_value([]).run())
    assert "Choose a coder on the left" in app.info[0].value


def test_the_curves_count_headers_and_end_where_the_published_ones_do() -> None:
    known = rates.curves("cifar10", PUBLISHED)
    for curve in known.curves:
        drawn = curves.points(curve)
        assert len(drawn) == len(curve.points)
        last = curve.points[-1]
        assert drawn[-1] == ((last.bits + last.header) / 8, last.psnr)
    assert curves.points(known.curve("jpeg"))[0][0] > 300


def test_while_better_pictures_may_come_a_column_is_dim_and_nothing_is_the_best() -> None:
    clean = to_float(datasets.load("cifar10-excerpt").test.pixels[:2])
    packer = Files("jpeg", (5, 50))
    jpeg, webp, _ = packing.offered(None, [])
    partly = Packed(jpeg, budgets.measure(packer, clean, [0]), packer.settings[:1], is_whole=False)
    nothing = Packed(webp, None, (), is_whole=False)
    drawn = comparison.columns([partly, nothing], "cifar10-excerpt", (0, 1), 1024)
    assert [column.heading for column in drawn] == ["original", "JPEG", "WebP"]
    assert drawn[1].dim
    assert drawn[1].note.startswith("so far:\n")
    assert not any(drawn[1].best)
    assert drawn[2].computing
    assert (drawn[2].pixels == 127).all()
    whole = [Packed(jpeg, partly.outcomes, partly.words, is_whole=True)]
    _, done_column = comparison.columns(whole, "cifar10-excerpt", (0, 1), 1024)
    assert not done_column.dim
    assert list(done_column.best) == [True, True]
