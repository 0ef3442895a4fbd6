"""Photos without a browser: what is computed, what is said of odd files, and what stays in the session."""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from aecore.data import datasets, photographs
from aecore.data.noise import Noise, noisy
from aecore.measuring.metrics import mse, psnr
from aecore.models import zoo
from aecore.reconstructors import codecs, foreign, tiled
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Store
from aecore.studies import by_name
from aecore.studies.contestants import OWN
from pages.components import jobs
from pages.components.lens import panes
from pages.components.photos import brought, choices, work
from pages.components.photos.brought import Brought
from pages.components.photos.work import NOISY, Work
from tests.aecore.data import hostile_pictures as hostile
from tests.aecore.reconstructors import hostile_models

ROOT = Path(__file__).parents[2]
CAT = photographs.sample("cat")


def page(**choices: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=60)
    app.query_params.update({name.replace("_", "-", 1): choice for name, choice in choices.items()})
    return app.switch_page(str(ROOT / "pages/explore/photos.py"))


def finished(app: AppTest) -> AppTest:
    """The page once everything is computed."""
    app.run()
    for _ in range(200):
        assert not app.exception
        works = app.session_state["works on photographs"].values()
        if all(one.is_over for one in works):
            return app.run()
        time.sleep(0.1)
    raise TimeoutError("a small photograph took more than 20 s")


def shown(app: AppTest) -> dict[str, Any]:
    """What the viewer is told."""
    (lens,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "lens")
    header: dict[str, Any] = json.loads(lens.json)
    return header


def scores(app: AppTest) -> pd.DataFrame:
    table: pd.DataFrame = app.dataframe[0].value
    return table.set_index("")


def file(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_models_of_every_kind_reconstruct_a_photograph() -> None:
    app = finished(page(p_photograph="cat", p_models=["denoise-unet", "dense", "jpeg-25"]))
    table = scores(app)
    assert list(table.index) == ["noisy", "denoise-unet", "dense", "jpeg-25"]
    assert list(table["Computed at"]) == ["full resolution", "full resolution", "tiles of 32×32", "full resolution"]
    clean = torch.from_numpy(CAT.pixels)[None] / 255
    given = noisy(clean, Noise("gaussian", 0.1), 0, (0,))
    assert table["PSNR"]["noisy"] == pytest.approx(float(psnr(mse(given, clean))), abs=1e-3)
    # The trained network on the whole photograph, mirrored to a multiple of eight: 300×451 to 304×456.
    padded = torch.nn.functional.pad(given, (0, 5, 0, 4), mode="reflect")
    expected = Store().load("denoise-unet").module(padded)[..., :300, :451].detach()
    assert table["PSNR"]["denoise-unet"] == pytest.approx(float(psnr(mse(expected, clean))), abs=1e-3)
    pictures = shown(app)["columns"]
    assert [picture["heading"] for picture in pictures] == ["original", *table.index]
    assert pictures[2]["note"] == f"{table['PSNR']['denoise-unet']:.1f} dB"


def test_without_noise_no_noisy_photograph_is_shown() -> None:
    app = finished(page(p_photograph="cat", p_level="0", p_models="identity"))
    assert list(scores(app).index) == ["identity"]
    assert np.isnan(scores(app)["PSNR"]["identity"])  # no error
    assert [picture["note"] for picture in shown(app)["columns"]] == ["", "no error"]


def test_a_link_brings_back_every_choice() -> None:
    app = finished(
        page(p_photograph="rocket", p_noise="Masking", p_level="0.3", p_seed="4", p_view="Wipe", p_models="jpeg-25")
    )
    header = shown(app)
    assert header["view"] == "Wipe"
    assert header["about"] == ("rocket, 640×427 pixels. Its colours were converted from its own profile to sRGB.")
    (_, _, noise, seed), *_ = app.session_state["works on photographs"]
    assert (noise, seed) == ("masking:0.3", 4)
    assert not app.warning


def test_without_a_photograph_the_page_says_how_to_bring_one() -> None:
    app = page(p_from="Your own").run()
    assert not app.exception
    assert any("Upload a photograph" in info.value for info in app.info)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore::PIL.Image.DecompressionBombWarning")
def test_hostile_files_are_photographs_or_one_sentence_on_the_page() -> None:
    """Brought eight at a time, as the page takes them."""
    files = list(hostile.files())
    app = page(p_from="Your own", p_models="identity", p_level="0")
    app.run()
    for first in range(0, len(files), 4 * brought.MOST):  # every fourth handful: the page is drawn for each
        handful = files[first : first + brought.MOST]
        held = Brought()
        app.session_state["photographs brought"] = held
        for name, content in handful:
            try:
                photograph = photographs.read(content, name)
            except photographs.PhotographError as error:
                held.refused.append(str(error))
            else:
                held.files.append(brought.File(photograph.title, photograph.digest, content))
        held.times = first
        app.run()
        assert not app.exception
        assert len(app.error) == len(held.refused)


def test_what_was_brought_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    content = [file(Image.new("RGB", (9, 9), (number, 0, 0))) for number in range(12)]
    brought.add([(f"{number}.png", one) for number, one in enumerate(content)])
    held = brought.here()
    assert [one.title for one in held.files] == [f"{number}.png" for number in range(8)]
    assert held.refused == ["At most 8 photographs are taken at once: 4 left out."]
    brought.add([("a.txt", b"no picture"), ("new.png", content[9]), ("0 again.png", content[7])])
    assert [one.title for one in held.files] == [*(f"{number}.png" for number in range(1, 7)), "new.png", "0 again.png"]
    assert len(held.refused) == 1
    monkeypatch.setattr(brought, "MOST_HELD", 3 * len(content[0]))
    before = list(held.files)
    gone = brought.add([])
    assert [*gone, *held.files] == before
    assert held.made_room == [one.title for one in gone]
    assert len(held.files) <= 3


def test_a_session_does_not_see_the_photographs_of_another() -> None:
    one, other = (page(p_from="Your own", p_models="identity", p_level="0").run() for _ in range(2))
    content = file(hostile.scene())
    digest = photographs.read(content, "own.png").digest
    one.session_state["photographs brought"] = Brought([brought.File("own.png", digest, content)])
    finished(one)
    other.run()
    assert shown(one)["photograph"] == digest
    assert "photographs brought" in other.session_state
    assert not other.session_state["photographs brought"].files
    assert "works on photographs" not in other.session_state


def test_outputs_that_are_not_shown_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MOST_HELD", 3 * CAT.pixels.nbytes)
    app = page(p_photograph="cat", p_models="identity")
    for seed in range(4):
        app.query_params["p-seed"] = str(seed)
        finished(app)
        app.number_input(key="p-seed").set_value(seed)
        finished(app)
    works = app.session_state["works on photographs"]
    assert sum(work._bytes(one) for one in works.values()) <= 4 * CAT.pixels.nbytes
    assert {facts[3] for facts in works} >= {3}


def test_what_was_computed_of_a_photograph_goes_with_it() -> None:
    app = page(p_from="Your own", p_models="identity", p_level="0").run()
    contents = [file(Image.new("RGB", (40, 40), (number, 0, 0))) for number in range(brought.MOST + 1)]
    app.file_uploader[0].upload("0.png", contents[0], "image/png").run()
    assert len(finished(app).session_state["works on photographs"]) == 1
    app.button(key="remove photograph").click().run()
    assert not app.session_state["works on photographs"]
    assert "photograph decoded" not in app.session_state

    app.file_uploader[0].upload("0.png", contents[0], "image/png").run()
    (first,) = finished(app).session_state["works on photographs"]
    for number, content in enumerate(contents[1:], start=1):
        assert first in app.session_state["works on photographs"]
        assert not app.info
        app.file_uploader[0].upload(f"{number}.png", content, "image/png").run()
    assert first not in finished(app).session_state["works on photographs"]
    assert [info.value for info in app.info] == [
        "0\\.png had to make room: at most 8 photographs, of 80 MB together, are held."
    ]


def test_what_is_cancelled_is_computed_when_it_is_asked_for_again() -> None:
    app = finished(page(p_photograph="cat", p_models="identity"))
    for one in app.session_state["works on photographs"].values():
        one.job = None
        one.give_up()
    app.run()
    assert {picture["note"] for picture in shown(app)["columns"][1:]} == {"cancelled"}
    app.button(key="works on photographs again").click().run()
    assert not any("cancelled" in picture["note"] for picture in shown(finished(app))["columns"])


def test_a_work_that_no_page_looks_at_ends_by_itself() -> None:
    one = Work(asked=time.monotonic() - work._WANTED - 1)
    with pytest.raises(CancelledError):
        one.check()
    assert one.is_over


def test_what_was_abandoned_is_begun_again_when_the_page_is_opened() -> None:
    app = finished(page(p_photograph="cat", p_models="identity"))
    for one in app.session_state["works on photographs"].values():
        one.job, one.is_abandoned = None, True
    app.run()
    assert not any(picture["note"] == "cancelled" for picture in shown(finished(app))["columns"])
    assert list(scores(app).index) == ["noisy", "identity"]


def test_what_failed_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because a limit was lifted meanwhile."""
    webp = codecs.FORMATS["webp"]
    monkeypatch.setitem(codecs.FORMATS, "webp", replace(webp, longest=100))
    app = finished(page(p_photograph="cat", p_models="webp-75", p_level="0"))
    assert [error.value for error in app.error] == [
        "WebP takes pictures of at most 100 pixels per side, not 451×300\\."
    ]
    monkeypatch.setitem(codecs.FORMATS, "webp", webp)
    assert finished(app).error  # not yet
    monkeypatch.setattr(jobs, "FORGIVEN", 0)
    app.run()
    assert not finished(app).error
    assert list(scores(app).index) == ["webp-75"]


def test_a_work_that_is_given_up_stops_at_the_next_part() -> None:
    one = Work()

    def steps() -> Iterator[float]:
        yield 0.1
        one.give_up()
        yield 0.2
        pytest.fail("it went on")

    with pytest.raises(CancelledError):
        work._followed(one, steps())
    assert one.share == 0.2


def test_what_cannot_be_done_is_one_sentence() -> None:
    content = file(Image.new("RGB", (1, 20_000), "red"))
    line = brought.File("line.png", photographs.read(content, "line.png").digest, content)
    app = page(p_from="Your own", p_models=["webp-75", "denoise-unet"], p_level="0")
    app.run()
    app.session_state["photographs brought"] = Brought([line])
    finished(app)
    assert [error.value for error in app.error] == [
        "WebP takes pictures of at most 16,383 pixels per side, not 1×20,000\\."
    ]
    assert [picture["note"] for picture in shown(app)["columns"]][1] == "failed"
    assert list(scores(app).index) == ["denoise-unet"]
    assert np.isnan(scores(app)["SSIM"]["denoise-unet"])  # narrower than its window


# ---- what is sent


def test_large_photographs_are_reduced_to_means() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1500, 1400), dtype=np.uint8)
    assert panes.factor((1500, 1400)) == 2
    sent = np.asarray(Image.open(BytesIO(panes.file_of(pixels)))).transpose(2, 0, 1)
    means = pixels.reshape(3, 750, 2, 700, 2).mean((2, 4))
    assert np.abs(sent - means).max() <= 0.5
    small = CAT.pixels
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(panes.file_of(small)))).transpose(2, 0, 1), small)


@pytest.mark.parametrize(
    ("rectangle", "legal"),
    [
        ([0, 0, 10, 10], True),
        ([10, 0, 5, 10], False),
        ([0, 0, 452, 10], False),
        ([-1, 0, 5, 5], False),
        (["a", 0, 5, 5], False),
        ([0, 0, 5], False),
        (None, False),
        ([float("inf"), 0, 5, 5], False),
    ],
)
def test_only_parts_of_this_photograph_are_sent(rectangle: Any, legal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"part": {"photograph": CAT.digest, "rectangle": rectangle}}
    monkeypatch.setattr(st, "session_state", {panes.KEY: asked})
    assert (panes._asked(CAT) is not None) == legal
    asked["part"]["photograph"] = "another"
    assert panes._asked(CAT) is None


@pytest.fixture
def everything(tmp_path: Path, sample_fits: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with all published runs, one with group norm, and models from elsewhere of open and of fixed size."""
    root = tmp_path / "checkpoints"
    shutil.copytree(sample_fits, root)
    for run in Store().listing().runs:
        shutil.copytree(run.path, root / run.path.name)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    norm = zoo.from_text("conv8 | gn4 | conv8:s2 | up | conv3")
    *_, finished = execution.execute(execution.plan(norm, dataset="sample", epochs=1), store=Store(root))
    assert isinstance(finished, Finished)
    assert finished.run.spec.architecture.reach.pixels is None
    brought_models = dict(hostile_models.files())
    foreign.add(root, "open", brought_models["convolution"])
    foreign.add(root, "fixed", brought_models["fixed size"])
    return Store(root)


@pytest.mark.slow
def test_every_contestant_that_is_offered_takes_any_size(everything: Store) -> None:
    """Except the slow ones, which have tests of their own."""
    offered = by_name.contestants(everything.listing().runs, choices.SHAPE, any_size=True)
    names = {contestant.label for contestant in offered}
    assert {"onnx-open", "onnx-fixed", "denoise-unet", "dense", "pca-16", "wiener", "tv", "avif-25"} <= names
    assert any(contestant.family == OWN for contestant in offered)
    picture = torch.rand(1, 3, 41, 67, generator=torch.Generator().manual_seed(0))
    dataset = datasets.load("sample")
    for contestant in offered:
        if contestant.is_slow or contestant.missing:
            continue
        reconstruct = by_name.find(contestant.key, dataset, Noise("gaussian", 0.1), everything)
        shape = contestant.shape or choices.SHAPE
        output = tiled.finished(tiled.at_full_resolution(reconstruct, picture, shape))
        assert output.shape == picture.shape, contestant.label
        assert output.isfinite().all(), contestant.label
        assert tiled.way(reconstruct, (41, 67), shape) in ("full resolution", "tiles of 32×32"), contestant.label


def test_the_noisy_photograph_has_a_key_of_its_own() -> None:
    assert NOISY not in {contestant.key for contestant in by_name.baselines((3, 32, 32))}
