"""Runs without any error, whose PSNR is infinite: every page that shows them still opens and says so in words."""

from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Run, Store
from aecore.scheduling.places import Place
from aecore.scheduling.queue import Queue
from pages.app.pages import PAGES, Page
from pages.components import figures

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of a model without biases on black pictures, and one with an error, in a store of their own."""
    folder, store = tmp_path_factory.mktemp("black"), Store(tmp_path_factory.mktemp("store"))
    for number in range(40):
        Image.new("RGB", (32, 32)).save(folder / f"{number}.png")
    made = []
    for layers, seed in (("conv3:k1:linear", 0), ("conv3:k1:linear", 1), ("conv3:k1:sigmoid", 0)):
        spec = execution.plan(zoo.from_text(layers), dataset=f"folder:{folder}", seed=seed, epochs=1)
        last = [*execution.execute(spec, store=store)][-1]
        assert isinstance(last, Finished)
        made.append(last.run)
        Queue(store).submit(spec, Place.here("cpu"))
    assert [run.totals.mse == 0 for run in made] == [True, True, False]
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.url)
def test_every_page_opens(page: Page, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(runs[0].path.parent))
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    st.cache_data.clear()
    st.cache_resource.clear()
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    label = f"custom {runs[0].key[:6]}"
    data = f"F{runs[0].spec.dataset[1:]}"  # as a choice of the Gallery it begins with a capital
    links = {"gallery": {"dataset": data}, "system": {"run": label}, "train": {"watched": "1"}}
    app.query_params.update(links.get(page.url, {}))
    app.switch_page(str(page.path)).run()
    assert not app.exception
    texts = [str(element.proto) for element in app.main]
    assert not [text for text in texts if "inf dB" in text]
    if page.url in ("system", "train"):
        assert any("no error" in text for text in texts)
    if page.url == "system":
        assert any(figures.NO_ZERO in text for text in texts)
    if page.url == "gallery":
        assert any("no error on any picture, drawn at the upper edge" in text for text in texts)
