"""Compare without a browser: choices, links, noise, and what is said when something is missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from aecore import datasets, store
from aecore.datasets import to_float
from aecore.noise import Noise, noisy
from aecore.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_data_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test sees a machine without CIFAR-10, and no cache of another test's store."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()


def page(**query: str | list[str]) -> AppTest:
    app = AppTest.from_file(ROOT / "pages/explore/compare.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def test_without_data_the_embedded_sample_is_shown_and_labelled() -> None:
    app = page()
    assert not app.exception
    assert "Not CIFAR-10" in app.info[0].value
    assert "data fetch cifar10" in app.info[0].value
    assert len(app.multiselect(key="models").value) == 4


def test_a_link_to_a_model_whose_pictures_are_not_here_says_how_to_get_them() -> None:
    app = page(models="mnist-dense")
    assert "data fetch mnist" in app.info[0].value


def test_the_table_holds_what_the_core_computes() -> None:
    app = page(models=["shallow-strided"], level="0.3", count="5")
    table = app.dataframe[0].value
    split = datasets.load("sample").test
    chosen = list(table["Picture"])
    clean = to_float(split.pixels[chosen])
    output = store.load("shallow-strided")(noisy(clean, Noise("gaussian", 0.3), 0, chosen))
    expected = (output.clamp(0, 1) - clean).square().mean((1, 2, 3))
    np.testing.assert_allclose(table["shallow-strided"], expected.numpy(), rtol=1e-4)


def test_a_link_brings_back_every_choice() -> None:
    app = page(models=["dense", "deep-strided-4"], noise="Masking", level="0.25", count="3", draw="7", seed="2")
    assert app.multiselect(key="models").value == ["dense", "deep-strided-4"]
    assert app.selectbox(key="noise").value == "masking"
    assert app.slider(key="level").value == 0.25
    assert len(app.dataframe[0].value) == 3
    assert app.number_input(key="seed").value == 2


@pytest.mark.parametrize(
    "query",
    [
        {"models": "no-such-model"},
        {"noise": "nosuch"},
        {"level": "-3"},
        {"level": "NaN"},
        {"noise": "Poisson", "level": "0.0005"},
        {"count": "1000000"},
        {"draw": "x"},
        {"data": "mnist", "models": "mnist-dense"},
        {"data": "../../etc/passwd"},
        {"models": ["dense"] * 40},
    ],
)
def test_a_bad_link_falls_back(query: dict[str, str | list[str]]) -> None:
    assert not page(**query).exception


@pytest.mark.parametrize("kind", ["uniform", "speckle", "salt-pepper", "poisson", "masking"])
def test_every_noise_works_at_its_highest_level(kind: str) -> None:
    app = page(models=["shallow-maxpool"], count="2")
    app.slider(key="level").set_value(2.0).run()
    app.selectbox(key="noise").set_value(kind).run()
    assert not app.exception
    slider = app.slider(key="level")
    slider.set_value(slider.max).run()
    assert not app.exception


def test_no_model_chosen_says_what_to_do() -> None:
    app = page()
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert any("Choose a model" in info.value for info in app.info)


def test_damaged_weights_are_named_and_the_others_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {run.name: run.path for run in Store().listing().runs}
    root = tmp_path / "checkpoints"
    for name in ("shallow-maxpool", "shallow-strided"):
        shutil.copytree(paths[name], root / paths[name].name)
    weights = root / paths["shallow-maxpool"].name / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    app = page(models=["shallow-maxpool", "shallow-strided"])
    assert not app.exception
    assert "weights.safetensors is damaged" in app.error[0].value
    assert "shallow-strided" in app.dataframe[0].value


@pytest.mark.parametrize("name", ["weights.safetensors", "history.csv"])
def test_a_damaged_file_of_the_only_model_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Store().find("shallow-maxpool").path
    root = tmp_path / "checkpoints"
    shutil.copytree(path, root / path.name)
    (root / path.name / name).write_bytes(b"")
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    app = page(models="shallow-maxpool")
    assert not app.exception
    assert f"{name} is damaged" in app.error[0].value


def test_digits_are_shown_to_the_model_made_for_them(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models="mnist-dense")
    assert app.selectbox(key="data").value == "mnist"
    assert "mnist-dense" in app.dataframe[0].value
    app.selectbox(key="data").set_value("cifar10").run()
    assert not app.exception
    assert len(app.multiselect(key="models").value) == 4


def test_real_pictures_are_used_where_they_are(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    app = page(models=["shallow-strided"], count="2")
    assert not app.exception
    assert not app.info
    table = app.dataframe[0].value
    labels = datasets.load("cifar10").test.labels[torch.tensor(list(table["Picture"]))]
    assert list(table["Class"]) == [datasets.load("cifar10").classes[label] for label in labels]
