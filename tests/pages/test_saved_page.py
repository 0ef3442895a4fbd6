"""The saved page without a browser: what the file holds, how large it is, and where it is offered."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from aecore.data.noise import KINDS
from docs import live
from pages.app import browser_packages
from pages.components import cached
from pages.components.lens import recording, saved_page
from tests import optional, saved_views

ROOT = Path(__file__).parents[2]


class _Elements(HTMLParser):
    """The text in each element with an id, and the text that is read on the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.by_id: dict[str, str] = {}
        self.tags: list[str] = []
        self.open: list[tuple[str, str | None]] = []
        self.read = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "input"):
            self.open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not self.open:
            return
        tag, name = self.open[-1]
        if name:
            self.by_id[name] = self.by_id.get(name, "") + data
        if tag not in ("script", "style"):
            self.read += data


def held(elements: _Elements, name: str) -> bytes:
    """The bytes in the element with this id."""
    return gzip.decompress(base64.b64decode(elements.by_id[name].removeprefix("data:application/gzip;base64,")))


def recorded(content: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """The header of a recording, and its pixels by level, key and picture."""
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    differences = np.frombuffer(content, np.uint8, offset=4 + length)
    shape = len(header["levels"]), len(header["keys"]), header["rows"], -1
    return header, np.cumsum(differences.reshape(shape), axis=0, dtype=np.uint8)


@pytest.fixture(autouse=True)
def _few_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "STRIDES", (64, 32))


@pytest.mark.parametrize("kind", KINDS)
def test_levels_go_from_none_to_the_highest_through_the_saved_one(kind: str) -> None:
    every = recording.steps(kind, 1, 0.123)
    few = recording.steps(kind, 32, 0.123)
    assert every[0] == few[0] == 0
    assert every[-1] == few[-1] == KINDS[kind].highest
    assert set(few) <= set(every)
    assert 0.123 in few
    assert all(level == 0 or level >= KINDS[kind].lowest for level in every)


def test_a_recording_holds_what_the_models_give_at_each_level() -> None:
    saved = saved_views.view(["shallow-maxpool", "jpeg-75"])
    elements = _Elements(saved_page.with_recording(saved).decode())
    header, pixels = recorded(held(elements, "recording"))
    page = json.loads(elements.by_id["page"])
    levels = [entry["level"] for entry in header["levels"]]
    assert page["kinds"][0]["levels"] == levels == recording.steps("gaussian", 32, 0.1)
    assert header["keys"] == ["noisy", *page["header"]["live"]["models"]]
    for at, level in enumerate(levels):
        for place, (expected, scores) in enumerate(saved.scene.at(level, saved.contestants)):
            assert np.array_equal(pixels[at, place], expected.reshape(len(expected), -1))
            text = header["levels"][at]["columns"][place]["numbers"][0]
            assert dict(text)["SSIM"] == f"{scores['ssim'][0]:.3f}"
    assert "at 9 levels of the noise" in elements.read


def test_what_is_tuned_to_each_level_is_left_out_and_said() -> None:
    saved = saved_views.view(["shallow-maxpool", "blur"])
    elements = _Elements(saved_page.file(saved).decode())
    models = json.loads(elements.by_id["page"])["header"]["live"]["models"]
    assert list(models) == [saved.contestants[0].key]
    assert "blur takes long to compute, and can be seen only at standard deviation 0.1." in elements.read


def test_with_the_runtime_the_file_holds_the_models() -> None:
    optional.onnxruntime_web()
    saved = saved_views.view(["shallow-maxpool", "denoise-030"])
    content = saved_page.file(saved)
    elements = _Elements(content.decode())
    page = json.loads(elements.by_id["page"])
    assert [kind["kind"] for kind in page["kinds"]] == list(KINDS)
    addresses = page["header"]["live"]["models"]
    assert list(addresses) == [contestant.key for contestant in saved.contestants]
    for contestant in saved.contestants:
        assert contestant.run
        assert contestant.run.key.encode() in held(elements, addresses[contestant.key][1:])  # its metadata
    folder = browser_packages.folder()
    assert folder
    assert held(elements, "machine-code") == (folder / browser_packages.WASM_BINARY).read_bytes()
    assert len(content) < saved_page.MOST
    assert "onnxruntime-web" in elements.read


@pytest.mark.parametrize("missing", ["runtime", "room"])
def test_without_the_runtime_or_room_for_it_the_pictures_are_recorded(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "runtime":
        monkeypatch.setattr(browser_packages, "folder", lambda: None)
    else:
        monkeypatch.setattr(saved_page, "MOST", 400_000)
    content = saved_page.file(saved_views.view(["shallow-maxpool"]))
    elements = _Elements(content.decode())
    assert "recording" in elements.by_id
    assert "machine-code" not in elements.by_id
    assert len(content) <= saved_page.MOST


def test_without_room_for_more_there_is_one_level_and_no_slider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_page, "MOST", saved_page._AROUND + 1000)
    content = saved_page.file(saved_views.view(["shallow-maxpool"])).decode()
    page = json.loads(_Elements(content).by_id["page"])
    assert page["kinds"][0]["levels"] == [0.1]
    assert '<div id="noise" hidden>' in content


def test_names_with_tags_in_them_stay_names() -> None:
    name = '</script><b>"bold" & <!-- x'
    saved = saved_views.view(["shallow-maxpool"], title=name)
    contestants = [replace(contestant, label=name) for contestant in saved.lineup.chosen]
    columns = [replace(column, heading=name) for column in saved.sheet.columns]
    sheet = replace(saved.sheet, columns=columns)
    saved = replace(saved, lineup=replace(saved.lineup, chosen=contestants), sheet=sheet)
    elements = _Elements(saved_page.file(saved).decode())
    assert "b" not in elements.tags
    assert not elements.open
    assert elements.read.count(name) == 3  # title, heading, table
    page = json.loads(elements.by_id["page"])
    assert [column["heading"] for column in page["header"]["columns"]] == [name] * 3


def test_a_picture_without_noise_is_saved_too() -> None:
    saved = saved_views.view(["shallow-maxpool"], level=0.0)
    columns = [column for column in saved.sheet.columns if column.role != "noisy"]
    saved = replace(saved, sheet=replace(saved.sheet, columns=columns))
    page = json.loads(_Elements(saved_page.file(saved).decode()).by_id["page"])
    assert page["header"]["live"]["level"] == 0


def test_the_file_names_no_address_and_no_path() -> None:
    content = saved_page.with_recording(saved_views.view(["shallow-maxpool"])).decode()
    assert not re.search(r"(src|href)=\"(?!data:)", content)
    assert str(ROOT) not in content


def test_the_page_in_docs_shows_what_the_command_makes() -> None:
    """Processors round differently, so the pictures may be apart by one of 255 and the texts by one digit."""
    elements = _Elements(live.FILE.read_text())
    assert live.FILE.stat().st_size < 3_000_000
    header, pixels = recorded(held(elements, "recording"))
    levels = [entry["level"] for entry in header["levels"]]
    assert levels == list(live.LEVELS)
    assert header["keys"] == ["noisy", *(contestant.key for contestant in live.models())]
    clean = np.frombuffer(held(elements, "pixels"), np.uint8)[: pixels[0, 0].size]
    assert np.array_equal(clean, cached.originals(live.DATASET, live.PICTURES).ravel())
    for level in (0.0, live.LEVEL, 1.0):
        at = levels.index(level)
        for place, (expected, scores) in enumerate(live.scene().at(level, live.models())):
            shown = pixels[at, place].astype(int)
            assert np.abs(shown - expected.reshape(len(expected), -1)).max() <= 1
            texts = header["levels"][at]["columns"][place]["numbers"]
            ssims = [float(dict(text)["SSIM"]) for text in texts]
            assert ssims == pytest.approx(scores["ssim"].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("file", "query"),
    [
        ("compare", {"models": ["shallow-maxpool"], "count": "2"}),
        ("denoise", {"denoisers": ["denoise-030"], "d-count": "2"}),
    ],
)
def test_the_pages_offer_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, query: dict[str, str | list[str]]
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    app = AppTest.from_file(ROOT / f"pages/explore/{file}.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    (button,) = [button.proto for button in app.get("download_button") if button.proto.label == "Page"]
    assert not button.disabled
    assert button.deferred_file_id
