"""Can you tell? without a browser: what the browser is sent, what the answers say, and what is said without any."""

import io
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies import by_name
from aecore.studies.answers import FILE, Answer, Answers
from aecore.studies.discrimination import BLOCK
from pages.components import links
from pages.components.tell import blocks, game, own
from pages.components.tell.blocks import Pairing
from tests.aecore.studies.made_up_answers import answer, viewer

ROOT = Path(__file__).parents[2]
MODELS = ("shallow-maxpool", "shallow-strided", "compress-512")
FINGERPRINT = datasets.load("cifar10-excerpt").fingerprint


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, sample_fits: Path) -> Path:
    """A store with three models, to be copied."""
    folder = tmp_path_factory.mktemp("tell") / "store"
    shutil.copytree(sample_fits, folder)
    for name in (*MODELS, "mnist-dense"):
        path = Store().find(name).path
        shutil.copytree(path, folder / path.name)
    return folder


@pytest.fixture(autouse=True)
def root(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a store of its own, a machine without CIFAR-10, and no cache of another test's."""
    shutil.copytree(models, tmp_path / "store")
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "store"))
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path / "store"


def page(**query: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/explore/tell.py", default_timeout=120)
    for name, value in {"models": [*MODELS, "jpeg-75"], "draw": "5", **query}.items():
        app.query_params[f"t-{name}"] = value
    return app.run()


def sent(app: AppTest) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """The header and the pictures that the browser receives."""
    (component,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "game")
    length = int.from_bytes(component.bytes[:4], "little")
    picture = Image.open(io.BytesIO(component.bytes[4 + length :]))
    return json.loads(component.bytes[4 : 4 + length]), np.asarray(picture)


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.info))


def given(strengths: Sequence[float], right: Sequence[bool], mode: str = "closer") -> list[Answer]:
    """Answers on CIFAR-10, in which SSIM always prefers what was chosen and GMSD never anything."""
    answers = []
    for number, (strength, is_right) in enumerate(zip(strengths, right, strict=True)):
        scores = [{"mse": mse, "ssim": float((mse < 0.15) == is_right), "gmsd": 0.1} for mse in (0.1, 0.2)]
        made = answer(number, mode=mode, strength=strength, right=is_right, left=scores[0], other=scores[1])
        answers.append(replace(made, fingerprint=FINGERPRINT))
    return answers


@pytest.mark.parametrize("test", ["Closer to the original", "ABX"])
def test_what_is_sent_are_the_models_own_pictures(test: str) -> None:
    header, sheet = sent(page(test=test))
    assert [described["number"] for described in header["rounds"]] == list(range(BLOCK))
    assert sheet.shape == (BLOCK * 32, 3 * 32, 3)
    pixels = datasets.load("cifar10-excerpt").test.pixels
    known = {picture.numpy().tobytes(): number for number, picture in enumerate(pixels)}
    outputs = {name: store.load(name) for name in MODELS}
    for row, described in enumerate(header["rounds"][:4]):
        strip = sheet[row * 32 : (row + 1) * 32]
        left, middle, right = (strip[:, at : at + 32].astype(int) for at in (0, 32, 64))
        if test == "ABX":
            assert np.array_equal(middle, {"left": left, "right": right}[described["answer"]])
            assert not np.array_equal(left, right)
            continue
        number = known[np.ascontiguousarray(middle.transpose(2, 0, 1).astype(np.uint8)).tobytes()]
        for name, shown, psnr in zip(described["names"], (left, right), described["psnr"], strict=True):
            error = np.square((shown - middle) / 255).mean()
            assert psnr == f"{-10 * np.log10(error):.2f} dB"
            if name in outputs:
                made = outputs[name](to_float(pixels[[number]]))[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255
                # The page ran the same weights in a batch of another size: rounding may differ in the last bit.
                assert np.abs(shown - made.round()).max() <= 1
        closer = "left" if np.square(left - middle).sum() < np.square(right - middle).sum() else "right"
        assert described["answer"] == closer


def test_the_same_draw_gives_the_same_rounds() -> None:
    rounds = [sent(page(draw=draw))[0]["rounds"] for draw in ("5", "5", "6")]
    assert rounds[0] == rounds[1] != rounds[2]


def test_each_visit_has_another_draw() -> None:
    apps = [page(draw=[]) for _ in range(2)]
    # The same one comes once in a million tests.
    assert len({app.number_input(key="t-draw").value for app in apps}) == 2


def test_an_answer_is_stored_with_all_that_was_shown_and_once(root: Path) -> None:
    data = datasets.load("cifar10-excerpt")
    offered = by_name.contestants(Store().listing().runs, data.shape)
    chosen = [contestant for contestant in offered if contestant.label in MODELS]
    pairing = Pairing(chosen, data, "closer", 5)
    rounds, _ = blocks.block_of(pairing, 0)
    values = [[0, "left", 700, 9], [1, "right", 800, 9], [2, "up", 1, 1], [99, "left", 1, 1], "x", None]
    for _ in range(2):
        game._store(pairing, chosen, rounds, values)
    stored, damaged = Answers(root).read()
    assert not damaged
    assert [(one.number, one.choice, one.milliseconds) for one in stored] == [(0, "left", 700), (1, "right", 800)]
    for one, shown in zip(stored, rounds, strict=False):
        assert (one.picture, one.strength, one.fingerprint) == (shown.picture, shown.round.strength, FINGERPRINT)
        for side, pixels in ((one.left, shown.left), (one.right, shown.right)):
            error = np.square((pixels.astype(float) - shown.original) / 255).mean()
            assert side.scores["mse"] == pytest.approx(error, rel=1e-5)
            assert side.key == Store().find(side.label).key
            assert set(side.scores) == {"mse", "ssim", "gmsd", "ms-gmsd", "haarpsi", "fsim", "mdsi", "dss"}


def test_a_visit_goes_on_after_the_last_answer(root: Path) -> None:
    Answers(root).add([replace(one, seed=5) for one in given([1.0] * 23, [True] * 23)])
    header, _ = sent(page())
    assert header["next"] == 23
    assert [described["number"] for described in header["rounds"]] == list(range(BLOCK, 2 * BLOCK))


def test_without_answers_there_are_no_results() -> None:
    app = page()
    assert not app.exception
    assert not app.metric
    assert "Your score appears here after the first answer." in texts(app)
    assert "nothing is published" in texts(app)


def test_the_score_is_that_of_the_test_and_the_data_in_view(root: Path) -> None:
    answers = given([1.0] * 9, [True] * 7 + [False] * 2)
    others = [replace(one, fingerprint="other", seed=8) for one in answers]
    Answers(root).add([*answers, *others, *given([0.01] * 3, [False] * 3, "abx")])
    app = page()
    interval = binomtest(7, 9).proportion_ci(0.95, "exact")
    assert app.metric[0].value == "7 of 9"
    assert app.metric[1].value == f"78%  ({interval.low:.0%} to {interval.high:.0%})"
    assert "Not enough answers yet: 11 more are needed." in texts(app)
    assert "**SSIM** agreed with you most often: 9 of 9" in texts(app)
    assert "Ties, left out: GMSD 9." in texts(app)
    assert "you sided with SSIM in 2 of 2 rounds, which may be chance" in texts(app)
    app = page(test="ABX")
    assert app.metric[0].value == "0 of 3"
    assert "agreed with you" not in texts(app)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (given(*viewer(1.0, 300, 0)), "You agree with MSE in 75% of the rounds at a difference of **"),
        (given(*viewer(0.02, 300, 0, lowest=0.02), mode="abx"), "You recognise X in 75% of the rounds where two"),
        (given(viewer(1.0, 60, 0)[0], [True] * 60), "dB or less**. The answers do not exclude"),
        (given(viewer(1.0, 60, 0)[0], [n % 2 > 0 for n in range(60)]), "in less than 75% of the rounds at a diff"),
        (given([1.0] * 20, [True, True, True, False] * 5), "Your answers do not say yet where"),
    ],
)
def test_the_threshold_is_said_in_decibels(answers: list[Answer], said: str, root: Path) -> None:
    Answers(root).add(answers)
    app = page(test="ABX" if answers[0].mode == "abx" else "Closer to the original")
    assert not app.exception
    assert said in texts(app)


def test_answers_are_exported_as_a_table() -> None:
    answers = given([1.0, 2.0], [True, False])
    table = pd.read_csv(io.StringIO(own.csv(answers)))
    assert list(table["is_right"]) == [True, False]
    assert list(table["left mse"]) == [0.1, 0.1]
    assert list(table["right label"]) == ["jpeg-75", "jpeg-75"]
    assert list(table["strength"]) == [1.0, 2.0]


def test_a_damaged_line_is_named_and_the_others_count(root: Path) -> None:
    Answers(root).add(given([1.0, 2.0], [True, True]))
    with (root / FILE).open("a") as file:
        file.write('{"format": 1, "ti')
    app = page()
    assert not app.exception
    assert any("Line 3 of answers.jsonl is damaged and left out." in warning.value for warning in app.warning)
    assert app.metric[0].value == "2 of 2"


def test_answers_that_cannot_be_read_are_named(root: Path) -> None:
    (root / FILE).mkdir()
    app = page()
    assert not app.exception
    assert any("answers.jsonl cannot be read" in warning.value for warning in app.warning)


def test_two_models_are_needed() -> None:
    app = page(models=["shallow-maxpool"])
    assert not app.exception
    assert "Choose at least two models on the left" in texts(app)


def test_without_a_model_codecs_are_compared_and_training_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "empty"))
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    app.switch_page(str(ROOT / "pages/explore/tell.py")).run()
    assert not app.exception
    assert "No model is trained on such pictures yet: image codecs are compared." in texts(app)
    assert app.get("page_link")
    assert {name for described in sent(app)[0]["rounds"] for name in described["names"]} > {"jpeg-75"}


def test_grey_pictures_are_compared_too(root: Path) -> None:
    app = page(data="MNIST", models=["mnist-dense", "jpeg-25", "webp-25"])
    assert not app.exception
    assert sent(app)[0]["side"] == 28
    assert blocks.metrics((1, 28, 28)) == ["mse", "ssim", "gmsd", "ms-gmsd", "haarpsi", "fsim"]


def test_who_must_be_fitted_is_waited_for() -> None:
    app = page(data="Embedded sample", models=["shallow-maxpool", "pca-64"])
    while not app.get("bidi_component"):
        assert any("Computing" in caption.value for caption in app.caption)
        time.sleep(0.1)
        app.session_state[links.REDRAWN] = True  # as the page notes when it draws itself again
        app.run()
    assert {name for described in sent(app)[0]["rounds"] for name in described["names"]} == {
        "shallow-maxpool",
        "pca-64",
    }


def test_models_that_never_differ_have_no_rounds() -> None:
    app = page(models=["jpeg-75", "identity"])
    assert not app.exception
    assert "No two of these models differ on these pictures" in texts(app)
