"""In a real browser: a network is built, trained, compared, sent out, deleted and brought back; a model of plain torch
joins Compare."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from aecore.models import zoo
from aecore.runs.store import Store
from pages.app import browser_packages
from tests.aecore.reconstructors.plain_torch import plain_autoencoder
from tests.browser import started
from tests.browser.seen import headings, settled


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it."""
    root = tmp_path_factory.mktemp("brought") / "checkpoints"
    root.mkdir()
    return root


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    """The address of a dashboard over that store, without any data set."""
    environment = {"AECORE_DATA": str(root.parent / "nothing"), "AECORE_CHECKPOINTS": str(root)}
    with started.dashboard(root.parent / "log", environment) as served:
        yield served.address
    started.until_nobody_works(root)
    assert "Traceback" not in (root.parent / "log").read_text()


def bring(page: Page, path: Path) -> None:
    page.get_by_role("button", name="Bring a model").click()
    page.locator("input[type=file]").set_input_files(path)


def open_system(page: Page, address: str, key: str) -> None:
    """Open the page of a run, until nothing of it is fetched any more: the test deletes it."""
    page.goto(f"{address}/system?run={key[:12]}")
    settled(page)
    if browser_packages.folder():
        expect(page.locator(".live-code[data-live=ready]")).to_be_visible()


def unfold(page: Page, title: str) -> None:
    """Open a folded part, and wait until nothing in it moves any more: a click would miss it."""
    page.get_by_text(title).click()
    page.locator("details", has_text=title).evaluate(
        "node => Promise.all(node.getAnimations({ subtree: true }).map((one) => one.finished))"
    )


def test_a_network_is_built_trained_compared_sent_out_deleted_and_brought_back(
    page: Page, address: str, root: Path, tmp_path: Path
) -> None:
    page.goto(f"{address}/build?line=")
    settled(page)
    for title in ("conv, stride 2", "up", "output"):
        page.locator(".palette button").get_by_text(title, exact=True).click()
    expect(page.locator(".editor .line")).to_have_value("conv32:s2 | up | conv3:k1:sigmoid")
    page.get_by_role("link", name="Train these layers").click()
    settled(page)
    page.get_by_label("Epochs", exact=True).fill("1")
    page.get_by_label("Epochs", exact=True).press("Enter")
    page.get_by_role("button", name="Launch").click()
    expect(page.locator("[class*=st-key-entry-]")).to_contain_text("finished after 1 epoch")
    (run,) = Store(root).listing().runs
    assert str(run.spec.architecture) == "conv32:s2 | up | conv3:k1:sigmoid"
    given = torch.rand(3, 3, 32, 32)
    before = run.model()(given)

    page.goto(address)
    settled(page)
    expect(page.get_by_role("heading", name="Your runs")).to_be_visible()
    label = zoo.label(run.spec)
    page.goto(f"{address}/compare?models={label.replace(' ', '+')}&data=Embedded+sample")
    settled(page)
    assert headings(page)[-1] == label

    open_system(page, address, run.key)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as .zip").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    settled(page)  # so that no run of the page is going on when the dialog opens
    unfold(page, "Title, note, delete")
    page.get_by_role("button", name="Delete this run").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("h1")).to_have_text("How autoencoders differ")
    settled(page)
    assert not Store(root).listing().runs
    bring(page, path)
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".st-key-joined")).to_contain_text("has joined")
    expect(page.get_by_role("heading", name="Your runs")).to_be_visible()
    back = Store(root).find(run.key)
    assert torch.equal(back.model()(given), before)
    assert back.totals == run.totals


def test_a_model_of_plain_torch_joins_compare(page: Page, address: str, tmp_path: Path) -> None:
    path = tmp_path / "Plain Torch.onnx"
    path.write_bytes(plain_autoencoder()[1])
    page.goto(f"{address}/")
    settled(page)
    bring(page, path)
    expect(page.get_by_label("Name", exact=True)).to_have_value("plain-torch")
    page.get_by_label("Licence").fill("MIT")
    page.keyboard.press("Tab")
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    joined = page.locator(".st-key-joined")
    expect(joined).to_contain_text("onnx-plain-torch has joined")
    joined.get_by_role("link", name="Compare it").click()
    expect(page.locator("h1")).to_have_text("Compare")
    expect(page.locator(".sheet .head b").last).to_have_text("onnx-plain-torch")
    settled(page)
    assert headings(page)[-1] == "onnx-plain-torch"


def test_what_is_no_model_is_refused_in_the_dialog(page: Page, address: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    page.goto(f"{address}/")
    settled(page)
    bring(page, path)
    page.get_by_role("dialog").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("dialog").get_by_test_id("stAlert")).to_contain_text(
        "It is not an ONNX file, or it is cut short."
    )
