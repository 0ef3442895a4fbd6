"""A download of a data set, seen in the browser whoever began it."""

from pathlib import Path

from filelock import FileLock
from playwright.sync_api import Page, expect

from aecore.data.catalog import SOURCES, lock_path, staging_folder
from tests.browser import started
from tests.browser.seen import settled


def test_the_progress_of_a_download_is_seen_until_it_ends(page: Page, tmp_path: Path) -> None:
    data = tmp_path / "data"
    part = staging_folder("cifar10", data) / "part"
    part.parent.mkdir(parents=True)
    with started.dashboard(tmp_path / "log", {"AECORE_DATA": str(data)}) as served:
        with FileLock(lock_path("cifar10", data)):
            page.goto(f"{served.address}/compare?models=dense&count=1")
            settled(page)
            expect(page.get_by_text("Fetching CIFAR-10: 0% of 170 MB")).to_be_visible()
            with part.open("wb") as file:
                file.truncate(SOURCES["cifar10"].megabytes * 500_000)
            expect(page.get_by_text("Fetching CIFAR-10: 50% of 170 MB")).to_be_visible()
        expect(page.get_by_role("button", name="Fetch CIFAR-10, 170 MB")).to_be_visible()
        page.close()


def test_without_a_network_the_button_says_so(page: Page, tmp_path: Path) -> None:
    nobody = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
    with started.dashboard(
        tmp_path / "log", {"AECORE_DATA": str(tmp_path / "data"), **nobody, "no_proxy": ""}
    ) as served:
        page.goto(f"{served.address}/train?start=mnist-dense")
        settled(page)
        page.get_by_role("button", name="Fetch MNIST, 12 MB").click()
        expect(page.get_by_text("Could not reach the server of MNIST")).to_be_visible()
        expect(page.get_by_role("button", name="Fetch MNIST, 12 MB")).to_be_visible()
        page.close()
