"""The map of codes without a browser: what the browser gets, what is chosen by the address, and what is said."""

import io
import json
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.files.fits import FOLDER
from aecore.measuring import maps
from aecore.runs.store import Store
from pages.components.code import atlas, code_map, enclosed
from pages.components.links import Page
from tests.optional import needs_umap

SCRIPT = """
import streamlit as st
from aecore.runs.store import Store
from pages.app.pages import COMPARE
from pages.components import links
from pages.components.code import code_map

def shown():
    page = links.Page("map", "t-")
    link = page.arrive()
    code_map.show(page, Store().find({run!r}), {data!r})
    page.note(link)

st.navigation([st.Page(shown, default=True), st.Page(COMPARE.path)]).run()
"""


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    """No other test's jobs and codes."""
    st.cache_data.clear()
    st.cache_resource.clear()


class Sent(NamedTuple):
    """What the browser gets."""

    header: dict[str, Any]
    places: NDArray[np.float32]
    psnr: NDArray[np.float32]
    labels: NDArray[np.uint16]
    strip: bytes


def drawn(run: str, data: str, **choices: str) -> AppTest:
    """The map once it is computed: UMAP takes half a minute, and minutes on a busy machine."""
    for _ in range(3000):
        # Another visit each time, because a link is followed by the first run of a visit.
        app = AppTest.from_string(SCRIPT.format(run=run, data=data), default_timeout=60)
        app.query_params.update({f"t-{name}": value for name, value in choices.items()})
        app.run()
        assert not app.exception
        if app.get("bidi_component") or app.error or app.info:
            return app
        time.sleep(0.1)
    raise TimeoutError("the map was not there after five minutes")


def sent(app: AppTest) -> Sent:
    (component,) = (element.proto for element in app.get("bidi_component"))
    content = component.bytes
    start = 4 + int.from_bytes(content[:4], "little")
    header = json.loads(content[4:start])
    count = header["count"]
    return Sent(
        header,
        np.frombuffer(content, np.float32, 2 * count, start).reshape(count, 2),
        np.frombuffer(content, np.float32, count, start + 8 * count),
        np.frombuffer(content, np.uint16, count, start + 12 * count),
        content[start + 14 * count :],
    )


def test_every_test_picture_has_the_place_of_its_code() -> None:
    shown = sent(drawn("compress-64", "cifar10-excerpt"))
    run, test = Store().find("compress-64"), datasets.load("cifar10-excerpt").test
    codes = run.model().encode(to_float(test.pixels)).double().numpy()
    left, singular, _ = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    expected = (left * singular)[:, :2]
    expected *= np.sign((expected * shown.places).sum(0))
    np.testing.assert_allclose(shown.places, expected, atol=0.01 * singular[1] / np.sqrt(len(test)))
    shares = singular**2 / (singular**2).sum()
    assert shown.header["axes"] == [
        f"1st principal component: {shares[0]:.1%} of the variance",
        f"2nd principal component: {shares[1]:.1%} of the variance",
    ]
    assert shown.labels.tolist() == test.labels.tolist()
    np.testing.assert_allclose(shown.psnr, run.scores()["psnr"][: len(test)], rtol=1e-6)
    assert shown.header["near"] is None
    assert shown.strip == b""


def test_a_picture_in_the_address_has_its_neighbours_in_both_spaces() -> None:
    app = drawn("compress-64", "cifar10-excerpt", picture="123")
    assert not app.warning
    shown, test = sent(app), datasets.load("cifar10-excerpt").test
    codes = Store().load("compress-64").encode(to_float(test.pixels))
    pictures = [123]
    for near, space in zip(shown.header["near"], (codes, to_float(test.pixels).flatten(1)), strict=True):
        distances = (space.double() - space[123].double()).square().sum(1).sqrt()
        order = distances.argsort()[1:9]
        assert near["pictures"] == order.tolist()
        np.testing.assert_allclose([float(text) for text in near["distances"]], distances[order], atol=0.06)
        alike = int((test.labels[order] == test.labels[123]).sum())
        assert near["sentence"] == f"{alike} of 8 share the class"
        pictures += near["pictures"]
    tiles = np.asarray(Image.open(io.BytesIO(shown.strip))).reshape(32, 17, 32, 3).transpose(1, 3, 0, 2)
    assert np.array_equal(tiles, test.pixels[pictures].numpy())


def test_a_lasso_in_the_address_is_a_table_with_the_worst_first() -> None:
    app = drawn("compress-64", "cifar10-excerpt", lasso="3, 17, 200-203")
    assert not app.warning
    assert sent(app).header["lasso"] == [3, 17, 200, 201, 202, 203]
    (table,) = (element.value for element in app.dataframe)
    scores = Store().find("compress-64").scores().set_index("picture")["psnr"]
    expected = scores[[3, 17, 200, 201, 202, 203]].sort_values()
    assert table["Picture"].tolist() == expected.index.tolist()
    np.testing.assert_allclose(table["PSNR"], expected, rtol=1e-6)
    (link,) = (element.proto for element in app.get("page_link"))
    assert link.label == "Open them on Compare"
    numbers = ", ".join(map(str, expected.index))
    assert parse_qs(link.query_string) == {
        "models": ["compress-64"],
        "pictures": ["Numbers"],
        "numbers": [numbers],
        "data": ["CIFAR-10"],
    }
    assert any("6 pictures in the lasso" in text.value for text in app.markdown)


@pytest.mark.parametrize(
    ("choices", "message"),
    [({"picture": "1000"}, "picture = 1000"), ({"lasso": "3, 2000"}, "lasso"), ({"map": "TSNE"}, "map = TSNE")],
)
def test_what_a_link_asks_in_vain_is_said(choices: dict[str, str], message: str) -> None:
    app = drawn("compress-64", "cifar10-excerpt", **choices)
    assert message in app.warning[0].value
    assert sent(app).header["lasso"] == []


def test_a_model_without_a_code_is_one_sentence() -> None:
    app = drawn("denoise-unet", "cifar10-excerpt")
    assert "has no code" in app.info[0].value
    assert not app.get("bidi_component")


def test_grey_pictures_have_a_map_too() -> None:
    shown = sent(drawn("mnist-dense", "mnist-excerpt", picture="5"))
    assert shown.header["picture"] == [28, 28]
    assert Image.open(io.BytesIO(shown.strip)).size == (17 * 28, 28)


@needs_umap
@pytest.mark.slow
def test_umap_is_stored_beside_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Store().find("compress-64")
    shutil.copytree(run.path, tmp_path / run.path.name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    shown = sent(drawn("compress-64", "cifar10-excerpt", map="UMAP"))
    assert shown.header["axes"] == ["UMAP 1", "UMAP 2"]
    (stored,) = (tmp_path / FOLDER).glob("umap-*.safetensors")
    assert np.array_equal(load_file(stored)["map"].numpy(), shown.places)


def test_without_its_package_umap_is_not_offered_and_the_remedy_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "has_umap", lambda: False)
    app = drawn("compress-64", "cifar10-excerpt")
    assert any("requirements-umap.txt" in caption.value for caption in app.caption)
    assert sent(app).header["axes"][0].startswith("1st principal")


# ---- what the browser says


@pytest.mark.parametrize(
    ("asked", "picture"),
    [
        ({"picture": 7, "time": 1}, 7),
        ({"picture": -1, "time": 1}, None),
        ({"picture": "7"}, None),
        ({}, None),
        (None, None),
        (3, None),
    ],
)
def test_only_a_number_is_a_choice(asked: Any, picture: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page("asked", "a-")
    state: dict[str, Any] = {code_map.KEY: {"chosen": asked}, page.key("picture"): 4}
    monkeypatch.setattr(st, "session_state", state)
    code_map._keep(page)()
    assert state["a-picture"] == picture


def test_a_long_lasso_is_kept_but_not_in_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    page, few, many = Page("lassoed", "l-"), [3, 1, 2, 4], list(range(0, 1000, 2))
    state: dict[str, Any] = {}
    address: dict[str, str] = {}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "query_params", address)
    for pictures, shown in ((few, "3, 1, 2, 4"), (many, None), (few, "3, 1, 2, 4"), ([], None)):
        state[code_map.KEY] = {"lasso": {"pictures": pictures, "time": 1}}
        code_map._keep_lasso(page)()
        assert address.get("l-lasso") == shown
        assert code_map._lasso(page, 1000) == tuple(pictures)


# ---- the atlas


@pytest.mark.parametrize(("count", "shape"), [(1, (3, 32, 32)), (23, (1, 28, 28)), (40, (3, 20, 50))])
def test_the_atlas_holds_every_picture_exactly(count: int, shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
    made = atlas.atlas(pixels)
    assert made.is_exact
    sheet = np.asarray(Image.open(io.BytesIO(made.file)).convert("RGB"))
    for index, picture in enumerate(pixels):
        row, column = divmod(index, made.columns)
        top, left = row * made.height, column * made.width
        tile = sheet[top : top + made.height, left : left + made.width]
        assert np.array_equal(tile, np.broadcast_to(picture.transpose(1, 2, 0), tile.shape))


def test_pictures_that_do_not_fit_are_reduced_and_keep_their_shape() -> None:
    pixels = np.full((1200, 3, 128, 256), 200, np.uint8)
    made = atlas.atlas(pixels)
    assert not made.is_exact
    sheet = Image.open(io.BytesIO(made.file))
    assert max(sheet.size) <= atlas.LARGEST
    assert made.width == pytest.approx(2 * made.height, abs=1)
    assert np.asarray(sheet)[0, 0].tolist() == [200, 200, 200]


def test_classes_in_a_lasso_are_counted() -> None:
    data = datasets.load("cifar10-excerpt")
    labels = data.test.labels.tolist()
    lasso = tuple(range(60))
    sentence = enclosed.summary(data, lasso)
    assert sentence.startswith("60 pictures in the lasso: ")
    named = max(set(labels[:60]), key=labels[:60].count)
    assert f"{data.classes[named]} ({labels[:60].count(named)})" in sentence
    assert enclosed.summary(data, (3,)) == f"1 picture in the lasso: {data.classes[labels[3]]} (1)"
