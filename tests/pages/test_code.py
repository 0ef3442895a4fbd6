"""The page of a code without a browser: every kind of code, links good and bad, and what is said without one."""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import streamlit as st
import torch
from scipy.stats import pearsonr
from streamlit.testing.v1 import AppTest

from aecore.data import datasets
from aecore.data.noise import noisy
from aecore.data.splits import to_float
from aecore.files.whole import canonical
from aecore.measuring.metrics import mse, psnr
from aecore.measuring.units import Activity
from aecore.models import zoo
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import RUN, WEIGHTS, Run, Store
from pages.components import jobs, links
from pages.components.code import picture, unit, units
from tests.pages.copies import copied

ROOT = Path(__file__).parents[2]
NAMES = ("shallow-strided", "dense", "compress-64", "denoise-030", "denoise-unet", "mnist-dense")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some published runs, for all tests: what was measured once stays there."""
    folder = tmp_path_factory.mktemp("code") / "checkpoints"
    for name in NAMES:
        path = Store().find(name).path
        shutil.copytree(path, folder / path.name)
    return folder


@pytest.fixture(autouse=True)
def _few_pictures(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """That store, a machine without CIFAR-10, no cache of another test's, and codes that are quickly measured."""
    monkeypatch.setenv("AECORE_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(root))
    monkeypatch.setattr("aecore.measuring.zeroing.MOST", 100)
    monkeypatch.setattr("aecore.measuring.zeroing.FEWEST", 4)
    monkeypatch.setattr("aecore.measuring.zeroing.DECODED", 2000)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    # What is still computed must find this store.
    for pool in jobs.LANES.values():
        pool.submit(lambda: None).result()


def page(**query: str) -> AppTest:
    """The page at this address, once everything is measured."""
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    for name, value in query.items():
        app.query_params[f"c-{name}"] = value
    app.switch_page(str(ROOT / "pages/explore/code.py"))
    return complete(app.run())


def complete(app: AppTest) -> AppTest:
    """Look again, as the browser does, until no job is waited for."""
    while any("hourglass" in caption.value for caption in app.caption):
        time.sleep(0.05)
        app.session_state[links.REDRAWN] = True  # as the page notes when it draws itself again
        app.run()
    return app


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: str(metric.value) for metric in app.metric}


def strips(app: AppTest) -> list[str]:
    """The rows of pictures, without the pictures."""
    blocks = [re.sub(r'src="[^"]*"', "", block.proto.body) for block in app.get("html")]
    return [block for block in blocks if 'class="strip' in block]


def reference(run: Run, unit: int, count: int) -> tuple[torch.Tensor, float]:
    """Activations `[N, units]` of the first test pictures, and by how many dB their PSNR falls without a unit."""
    model, clean = run.model(), to_float(datasets.load("cifar10-excerpt").test.pixels[:count])
    code = model.encode(noisy(clean, run.spec.recipe.noise, execution.SCORING_SEED, range(count)))
    zeroed = code.clone()
    zeroed[:, unit] = 0
    fall = psnr(mse(model.decode(code), clean)) - psnr(mse(model.decode(zeroed), clean))
    return code.flatten(2).mean(2) if code.ndim == 4 else code, float(fall.mean())


@pytest.mark.parametrize("name", ["shallow-strided", "compress-64", "denoise-030"])
def test_the_units_are_measured_as_they_are(name: str) -> None:
    app = page(run=name)
    assert not app.exception
    assert not app.error
    assert not app.warning
    values, _ = reference(Store().find(name), 0, 1000)
    deviations = values.double().numpy().std(0)
    table = app.dataframe[0].value
    np.testing.assert_allclose(table["Deviation"], np.sort(deviations)[::-1], rtol=1e-3, atol=1e-5)
    assert sorted(table["Unit"]) == list(range(len(deviations)))
    shown = int(table["Unit"].iloc[0])
    assert app.number_input(key="c-unit").value == shown, "the one that varies most is in view"
    _, fall = reference(Store().find(name), shown, 100)
    assert figures(app)["Cost of zeroing"].startswith(f"{fall:.2f} ± ".replace("-", "−"))
    fewer = min(100, 2000 // len(deviations))
    _, fall = reference(Store().find(name), shown, fewer)
    assert table["Cost, dB"].iloc[0] == pytest.approx(fall, rel=1e-3)
    assert f"costs on the first {fewer}" in texts(app)
    most = values[:, shown].argmax()
    assert f"Test picture {most}, " in strips(app)[0].partition("</figure>")[0]


def test_a_link_puts_a_unit_in_view_and_so_do_the_ways_on_the_page() -> None:
    app = page(run="shallow-strided", unit="3")
    assert [heading.value for heading in app.subheader][:2] == ["Units", "Unit 3"]
    assert not app.warning
    values, _ = reference(Store().find("shallow-strided"), 3, 1000)
    changing = [other for other in range(32) if other != 3 and values[:, other].any()]
    correlations = {other: abs(pearsonr(values[:, 3], values[:, other]).statistic) for other in changing}
    related = [button for button in app.button if button.key and button.key.startswith("related")]
    assert [int(button.key.split()[1]) for button in related] == sorted(
        changing, key=lambda other: -correlations[other]
    )[: unit.RELATED]
    related[0].click().run()
    assert f"Unit {related[0].key.split()[1]}" in [heading.value for heading in app.subheader]
    app.number_input(key="c-unit").set_value(7).run()
    assert "Unit 7" in [heading.value for heading in app.subheader]


@pytest.mark.parametrize(("wanted", "shown"), [("99", 31), ("-4", 0), ("1e9", 31), ("-1e999", 0)])
def test_a_unit_that_does_not_exist_leads_to_the_nearest(wanted: str, shown: int) -> None:
    app = page(run="shallow-strided", unit=wanted)
    assert not app.exception
    assert f"Unit {shown}" in [heading.value for heading in app.subheader]
    assert f"c-unit = {wanted} (instead: {shown})" in app.warning[0].value


@pytest.mark.parametrize("wanted", ["x", "nan", "🦊", "", " "])
def test_nonsense_leads_to_the_unit_that_varies_most(wanted: str) -> None:
    app = page(run="shallow-strided", unit=wanted)
    assert not app.exception
    assert app.number_input(key="c-unit").value == app.dataframe[0].value["Unit"].iloc[0]


def test_another_run_begins_with_its_own_unit() -> None:
    app = page(run="shallow-strided", unit="3")
    complete(app.selectbox(key="c-run").set_value("compress-64").run())
    assert not app.exception
    assert app.number_input(key="c-unit").value == app.dataframe[0].value["Unit"].iloc[0]


def test_a_dead_unit_says_so_and_costs_nothing() -> None:
    app = page(run="shallow-strided")
    table = app.dataframe[0].value.set_index("Unit")
    dead = table.index[table["State"] == "dead"]
    values, _ = reference(Store().find("shallow-strided"), 0, 1000)
    assert sorted(dead) == (values == 0).all(0).nonzero()[:, 0].tolist()
    assert list(table.loc[dead, "Cost, dB"]) == [0.0] * len(dead)
    assert list(table.loc[dead, "Zeros"]) == [100.0] * len(dead)
    app = page(run="shallow-strided", unit=str(dead[0]))
    assert not app.exception
    assert "This unit is dead: it is zero for every test picture" in texts(app)
    assert figures(app)["Cost of zeroing"] == "0.00 ± 0.00 dB"


def test_many_units_are_measured_on_fewer_pictures() -> None:
    app = page(run="dense")
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 1024
    assert "costs on the first 4 of them" in texts(app)
    assert "The 64 units that vary most." in texts(app)
    assert "units are dead" in texts(app)


# ---- the code as a picture


def test_a_convolutional_code_is_drawn_beside_the_picture_and_its_reconstruction() -> None:
    app = page(run="shallow-strided", **{"from": "16"})
    (*_, drawn) = strips(app)
    assert drawn.count("<figure>") == picture.SHOWN
    first = drawn.partition("</figure>")[0]
    for what in ("Original: test picture 16, ", "Code: test picture 16, ", "Reconstruction: test picture 16, "):
        assert f'width="96" height="96" alt="{what}' in first
    assert re.search(r"variance red \d+%, green \d+% and blue \d+%\.", texts(app))


def test_a_denoiser_shows_its_noisy_input_too() -> None:
    app = page(run="denoise-030")
    assert strips(app)[-1].count('alt="Noisy: ') == picture.SHOWN
    assert "under the noise it was trained with, σ 0.3" in texts(app)


def test_a_flat_code_is_drawn_in_deviations_from_the_mean() -> None:
    draw = torch.Generator().manual_seed(0)
    codes = torch.randn(500, 7, generator=draw) * 3 + 5
    codes[:, 2] = 4
    activity = Activity.of([codes])
    drawn = picture.flat(activity, codes[:2])
    assert drawn.shape == (2, 3, 3, 3)
    assert (drawn[:, 2, 1:] == 127).all(), "seven numbers leave two of nine places empty"
    assert drawn[0, 0, 2].min() > 240, "a number that never changes is white"
    red, blue = drawn[..., 0].astype(int), drawn[..., 2].astype(int)
    above = (codes[:2] > codes.mean(0) + 1).numpy()
    below = (codes[:2] < codes.mean(0) - 1).numpy()
    flat_red, flat_blue = (channel.reshape(2, -1)[:, :7] for channel in (red, blue))
    above[:, 2] = below[:, 2] = False
    assert (flat_red > flat_blue)[above].all()
    assert (flat_red < flat_blue)[below].all()
    assert above.any()
    assert below.any()


def test_the_strongest_correlations_come_first_whatever_their_sign() -> None:
    draw = torch.Generator().manual_seed(0)
    first = torch.randn(300, generator=draw)
    noise = torch.randn(300, 3, generator=draw)
    codes = torch.stack([first, -first + 0.1 * noise[:, 0], first + noise[:, 1], noise[:, 2], torch.zeros(300)], 1)
    rows = unit.strongest(Activity.of([codes]), 0, 9)
    assert list(rows["unit"]) == [1, 2, 3], "a unit that never changes is left out"
    assert list(np.sign(rows["correlation"][:2])) == [-1, 1]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("vvv", "All 3 units change with the picture."),
        ("v0v", "1 of 3 units is dead: zero for every test picture (1)."),
        ("00v", "2 of 3 units are dead: zero for every test picture (0, 1)."),
        ("0cv", "1 of 3 units is dead: zero for every test picture (0); 1 never changes, at a number other than zero."),
        ("ccv", "2 of 3 units never change."),
        ("c", "1 of 1 units never changes."),
    ],
)
def test_dead_and_constant_units_in_words(columns: str, said: str) -> None:
    kinds = {"v": torch.arange(5.0), "0": torch.zeros(5), "c": torch.ones(5)}
    assert units.summary(Activity.of([torch.stack([kinds[kind] for kind in columns], 1)])) == said


# ---- where there is no code to look into


def test_a_run_without_a_code_says_why() -> None:
    app = page(run="denoise-unet")
    assert not app.exception
    assert [info.value for info in app.info] == [
        "denoise-unet has no code: a skip connection bypasses every layer, so there is no tensor through which all of "
        "the picture passes."
    ]
    assert not app.dataframe


def test_a_system_that_is_not_trained_says_so() -> None:
    app = page(run="deep-strided-4")
    assert not app.exception
    assert "Not trained yet: `python -m aecore train deep-strided-4`" in texts(app)


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of a test's own."""
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path / "own"))
    return tmp_path / "own"


def test_a_light_run_has_nothing_to_encode_with(root: Path, own_store: Path) -> None:
    run = copied(Store(root).find("shallow-strided"), own_store, seed=4, light=True)
    app = page(run=run.key[:8])
    assert not app.exception
    assert "Stored without weights" in texts(app)
    assert not app.dataframe


def test_damaged_weights_are_named(root: Path, own_store: Path) -> None:
    run = copied(Store(root).find("shallow-strided"), own_store, seed=4)
    (run.path / WEIGHTS).write_bytes(b"nonsense")
    app = page(run=run.key[:8])
    assert not app.exception
    assert f"{run.path.name}/{WEIGHTS}" in app.error[0].value
    assert not app.dataframe


def test_a_seed_is_chosen_by_the_link_and_on_the_page(root: Path, own_store: Path) -> None:
    for seed in (0, 4):
        copied(Store(root).find("compress-64"), own_store, seed=seed)
    key = Store().find("compress-64").key
    app = page(run="compress-64", run_seed="4")
    assert not app.exception
    assert app.selectbox(key="c-run_seed").value == 4
    other = next(run for run in Store().listing().runs if run.key != key)
    app = page(run=other.key[:10])
    assert app.selectbox(key="c-run_seed").value == other.spec.seed


def test_pictures_of_another_data_set_are_said_to_be_such(root: Path, own_store: Path) -> None:
    run = copied(Store(root).find("compress-64"), own_store, dataset="folder:/nowhere/at all")
    app = page(run=run.key[:8])
    assert not app.exception
    assert "on which it was not trained" in texts(app)
    assert "test pictures of the embedded sample" in texts(app)


def test_a_run_that_has_diverged_is_reported(root: Path, own_store: Path) -> None:
    run = copied(Store(root).find("shallow-strided"), own_store, seed=4)
    weights = safetensors.torch.load_file(run.path / WEIGHTS)
    content = safetensors.torch.save({name: tensor * torch.nan for name, tensor in weights.items()})
    (run.path / WEIGHTS).write_bytes(content)
    facts = json.loads((run.path / RUN).read_text())
    del facts["sha256"]
    facts["files"][WEIGHTS] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (run.path / RUN).write_text(json.dumps(facts | {"sha256": hashlib.sha256(canonical(facts)).hexdigest()}))
    app = page(run=run.key[:8])
    assert not app.exception
    assert [error.value for error in app.error] == [
        "The code holds numbers that are not finite: the training of this run has diverged."
    ]


def test_a_small_run_of_ones_own_has_a_page(own_store: Path) -> None:
    """With a code of two channels, trained on the embedded sample, where half of its numbers may be anything."""
    spec = execution.plan(zoo.from_text("conv2:s2 | up | conv3:k1:sigmoid"), dataset="sample", epochs=1, images=50)
    *_, last = execution.execute(spec)
    assert isinstance(last, Finished)
    app = page(run=last.run.key[:8])
    assert not app.exception
    assert not app.error
    assert sorted(app.dataframe[0].value["Unit"]) == [0, 1]


def test_the_system_page_leads_here_and_back() -> None:
    app = AppTest.from_file(ROOT / "pages/app/navigation.py", default_timeout=120)
    app.query_params["run"] = "dense"
    app.switch_page(str(ROOT / "pages/explore/system.py")).run()
    assert not app.exception
    links_there = [json.loads(json.dumps(str(link.proto))) for link in app.get("page_link")]
    assert any("code" in text and "c-run=dense" in text for text in links_there)
    assert any("run=dense" in str(link.proto) for link in page(run="dense").get("page_link"))
