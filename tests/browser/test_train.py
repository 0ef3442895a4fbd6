"""Training from the page, on CPU and on the embedded sample: launched, seen live, stopped, finished, found again."""

import math
import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from aecore.runs.store import Store
from aecore.scheduling.queue import Queue
from tests.browser import started
from tests.browser.seen import headings, settled


def launch(page: Page, address: str, query: str) -> Locator:
    """Launch what the link says, and find its line in the queue."""
    page.goto(f"{address}/train?{query}")
    settled(page)
    known = page.locator("[class*=st-key-entry-]").count()
    page.get_by_role("button", name="Launch").click()
    lines = page.locator("[class*=st-key-entry-]")
    expect(lines).to_have_count(known + 1)
    epochs = re.search(r"epochs=(\d+)", query)
    assert epochs
    return lines.filter(has_text=f"{epochs[1]} epoch")


def test_a_run_is_launched_seen_live_and_cancelled(page: Page, other: Page, workshop: str) -> None:
    line = launch(page, workshop, "start=shallow-maxpool&epochs=321")
    expect(line).to_contain_text(re.compile(r"epoch \d+ of 321, [\d,]+ images/s, .* left"))
    expect(page.get_by_alt_text("Test pictures, epoch 1")).to_be_visible()
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()

    # Refreshed in the middle, and seen by somebody else: the run is there, and goes on.
    page.reload()
    settled(page)
    expect(page.get_by_alt_text("Test pictures, epoch 1")).to_be_visible()
    other.goto(f"{workshop}/train")
    settled(other)
    theirs = other.locator("[class*=st-key-entry-]").filter(has_text="321 epochs")
    expect(theirs).to_contain_text("images/s")

    line.get_by_role("button", name="Pause").click()
    expect(line).to_contain_text(re.compile("paused after epoch [1-9]"))
    line.get_by_role("button", name="Resume").click()
    expect(line).to_contain_text("images/s")
    line.get_by_role("button", name="Cancel").click()
    expect(line).to_contain_text(re.compile("cancelled after epoch [1-9]"))
    expect(theirs).to_contain_text(re.compile("cancelled after epoch [1-9]"))
    line.get_by_role("button", name="Remove").click()
    expect(line).to_have_count(0)


def test_a_run_outlives_its_tab_its_browser_and_the_server(page: Page, other: Page, tmp_path: Path) -> None:
    """Launched in one window, which is closed; the server is killed; another server shows the run in another window."""
    environment = {"AECORE_DATA": str(tmp_path / "nothing"), "AECORE_CHECKPOINTS": str(tmp_path / "store")}
    query = "start=shallow-maxpool&epochs=30&images=200"
    queue = Queue(Store(tmp_path / "store"))
    with started.dashboard(tmp_path / "log", environment) as first:
        launch(page, first.address, query)
        expect(page.get_by_alt_text("Test pictures, epoch 2")).to_be_visible()
        page.close()
        os.kill(first.pid, signal.SIGKILL)
    (entry,) = queue.entries()
    assert entry.state == "running"
    with started.dashboard(tmp_path / "log", environment) as second:
        other.goto(f"{second.address}/train")
        settled(other)
        line = other.locator("[class*=st-key-entry-]")
        expect(line).to_contain_text("images/s")
        expect(other.get_by_test_id("stVegaLiteChart")).to_be_visible()
        expect(line).to_contain_text("finished after 30 epochs", timeout=120_000)
        expect(other.get_by_alt_text("Test pictures, epoch 30")).to_be_visible()
        other.close()  # before the server ends, which a page that looks again would complain about
    assert queue.entry(entry.id).attempt == 1, "it never stopped"
    assert [row.epoch for row in queue.epochs(entry.id)] == list(range(1, 31))
    passed = [at for at, _ in queue.points(entry.id)]
    assert passed == sorted(passed)
    assert {math.ceil(at) for at in passed} == set(range(1, 31)), "no epoch is without a point of the curve"


def test_a_finished_run_joins_the_gallery_and_compare(page: Page, other: Page, workshop: str) -> None:
    other.goto(f"{workshop}/compare?models=dense&count=1")
    settled(other)
    line = launch(page, workshop, "start=shallow-maxpool&epochs=2&images=500")
    expect(line).to_contain_text("finished after 2 epochs")
    expect(page.get_by_text(re.compile(r"[\d.]+ dB pooled, SSIM"))).to_be_visible()
    label = re.search(r"shallow-maxpool \w{6}", line.inner_text())
    assert label

    # Not the navigation's link of that name, which is on the page before this one is.
    page.get_by_test_id("stMainBlockContainer").get_by_role("link", name="Compare").click()
    page.wait_for_url("**/compare?*models=*")
    settled(page)
    assert label[0] in headings(page)
    page.goto(workshop)
    settled(page)
    expect(page.get_by_text("own run").first).to_be_visible()
    # A page that was open all the while has it after its next choice.
    expect(other.get_by_role("button", name="dense", exact=True)).to_be_visible()
    other.reload()
    settled(other)
    expect(other.get_by_role("button", name=label[0])).to_be_visible()


def test_a_recipe_that_cannot_be_followed_is_told_and_cannot_be_launched(page: Page, workshop: str) -> None:
    page.goto(f"{workshop}/train?seeds=frog")
    settled(page)
    expect(page.get_by_text("'frog' is not a seed")).to_be_visible()
    expect(page.get_by_role("button", name="Launch")).to_have_count(0)


def test_levels_are_drawn_on_a_log_scale_once_they_begin_above_zero(page: Page, workshop: str) -> None:
    page.goto(f"{workshop}/train?start=dense&added=Gaussian&below=true&average=0.99&flips=true")
    settled(page)
    page.get_by_role("radio", name="on a log scale").click()
    expect(page.get_by_text("On a log scale the lowest level of noise must be above 0")).to_be_in_viewport(ratio=1)
    page.get_by_label("Lowest level", exact=True).fill("0.03")
    page.get_by_label("Lowest level", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Launch")).to_be_in_viewport(ratio=1)
    page.reload()
    settled(page)
    expect(page.get_by_label("Lowest level", exact=True)).to_have_value("0.03")
    expect(page.get_by_role("radio", name="on a log scale")).to_be_checked()
    page.get_by_text("Batch size, learning rate, loss, initial weights").click()
    expect(page.get_by_label("Average of weights", exact=True)).to_have_value("0.99")
    expect(page.get_by_role("checkbox", name="Mirror pictures at random")).to_be_checked()


def test_a_link_to_a_system_brings_its_own_recipe(page: Page, dashboard: str) -> None:
    """Whatever the form held before, touched or not."""
    page.goto(f"{dashboard}/train")
    settled(page)
    for name, epochs, noise, weights in (
        ("denoise-030", "9", "Gaussian", "keras"),
        ("compress-64", "20", "None", "PCA"),
        ("shallow-strided", "2", "None", "keras"),
    ):
        page.get_by_role("link", name="Gallery").first.click()
        settled(page)
        page.locator(f".st-key-card-{name}").get_by_role("link", name="Train a variant").click()
        expect(page.locator("h1")).to_have_text("Train")
        settled(page)
        expect(page.get_by_label("Epochs", exact=True)).to_have_value(epochs)
        expect(page.get_by_role("combobox", name="Noise")).to_have_value(noise)
        page.get_by_text("Batch size, learning rate, loss, initial weights").click()
        expect(page.get_by_role("combobox", name="Initial weights")).to_have_value(weights)


def test_launch_is_in_view_without_scrolling(page: Page, workshop: str) -> None:
    page.goto(f"{workshop}/train?start=denoise-030")
    settled(page)
    expect(page.get_by_role("button", name="Launch")).to_be_in_viewport(ratio=1)


def test_several_seeds_share_one_plot(page: Page, workshop: str) -> None:
    page.goto(f"{workshop}/train?start=shallow-maxpool&epochs=1&images=100&seeds=7-8")
    settled(page)
    page.get_by_role("button", name="Launch 2 runs").click()
    chart = page.get_by_test_id("stVegaLiteChart")
    expect(chart.get_by_text("validation, one line per seed")).to_be_visible()
    expect(chart.get_by_text("their mean ± one standard deviation")).to_be_visible()


def test_the_cost_is_measured_on_request(page: Page, workshop: str) -> None:
    page.goto(f"{workshop}/train?start=dense")
    settled(page)
    expect(page.get_by_text("a rough guess from")).to_be_visible()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text(re.compile(r"images/s, measured here"))).to_be_visible()
