"""Every page on a fresh clone, without a data set and without a network, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from aecore.models import zoo
from aecore.runs.store import Store
from pages.app.pages import PAGES
from tests.browser import started
from tests.browser.seen import choose, headings, settled

# Addresses of every page, and what shows that all of it is there.
SEEN = {
    "/": ".st-key-card-denoise-100",
    "/?family=deep&dataset=CIFAR-10": ".st-key-card-deep-maxpool-4",
    "/system?run=deep-strided-4-bn": "text=Loss curves",
    "/system?run=dense&beside=conv-dense": ".differences",
    "/compare?level=0.3&models=dense&models=denoise-030": ".sheet[data-drawn]",
    "/denoise?denoisers=denoise-030&d-level=0.2&d-count=1": ".sheet[data-drawn]",
    "/code?c-run=mnist-dense&c-unit=3": "text=Driven most by",
    "/train?start=denoise-030": "text=Launch",
}
SEEN |= {f"/{new.url}": "h1" for new in PAGES[1:] if not any(path.startswith(f"/{new.url}") for path in SEEN)}


def test_the_gallery_shows_every_system_with_its_pictures(page: Page, dashboard: str) -> None:
    page.goto(dashboard)
    settled(page)
    expect(page.locator("[class*=st-key-card-]")).to_have_count(len({run.key for run in Store().listing().runs}))
    pictures = page.locator("img.preview")
    expect(pictures).to_have_count(len(zoo.SYSTEMS))
    page.wait_for_function("[...document.images].every(picture => picture.complete)")
    for picture in pictures.all():
        natural, shown = picture.evaluate("image => [image.naturalWidth, image.getBoundingClientRect().width]")
        assert natural == shown > 0


@pytest.mark.parametrize("path", SEEN)
def test_the_first_visit_to_a_fresh_server_may_be_a_deep_link(page: Page, tmp_path: Path, path: str) -> None:
    with started.dashboard(tmp_path / "log", {"AECORE_DATA": str(tmp_path)}) as served:
        page.goto(served.address + path)
        settled(page)
        expect(page.locator(SEEN[path]).first).to_be_visible()
        expect(page.get_by_test_id("stDialog")).to_have_count(0)
        page.goto("about:blank")
    log = (tmp_path / "log").read_text()
    assert served.address in log
    assert "Traceback" not in log


def test_the_servers_base_path_may_be_the_name_of_a_page(page: Page, tmp_path: Path) -> None:
    environment = {"AECORE_DATA": str(tmp_path), "STREAMLIT_SERVER_BASE_URL_PATH": "train"}
    with started.dashboard(tmp_path / "log", environment) as served:
        for path, seen in (("/", "h1"), ("/train", "text=Launch"), ("/system?run=dense", "text=Loss curves")):
            page.goto(served.address + path)
            settled(page)
            expect(page.locator(seen).first).to_be_visible()
        page.goto("about:blank")


@pytest.mark.parametrize("path", SEEN)
def test_a_phone_needs_no_sideways_scrolling(page: Page, dashboard: str, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(dashboard + path)
    settled(page)
    expect(page.locator(SEEN[path]).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    main = page.get_by_test_id("stMain")
    assert main.evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.parametrize(
    "path",
    [
        "/?family=nonsense&dataset=x&bn=x",
        "/system?run=nonsense&beside=nonsense",
        "/system",
        "/compare?models=nonsense&noise=nonsense&level=-7&count=zero&data=nowhere&pictures=x&view=x&metric=x",
        "/train?start=nonsense&epochs=-1&rate=x&seeds=x&added=x&strength=9&device=x&on=x",
    ],
)
def test_a_bad_link_falls_back(page: Page, dashboard: str, path: str) -> None:
    page.goto(dashboard + path)
    settled(page)
    expect(page.get_by_test_id("stMainBlockContainer").locator("h1")).to_be_visible()


def test_the_back_button_brings_back_the_choices(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&level=0.3&count=3")
    settled(page)
    page.get_by_role("link", name="Gallery").first.click()
    expect(page.locator("h1")).to_have_text("How autoencoders differ")
    settled(page)
    page.go_back()
    expect(page.locator("h1")).to_have_text("Compare")
    settled(page)
    expect(page).to_have_url(re.compile(r"level=0\.3"))
    expect(page).to_have_url(re.compile("models=dense"))
    expect(page).to_have_url(re.compile("count=3"))
    page.get_by_role("link", name="Gallery").first.click()
    settled(page)
    page.get_by_role("link", name="Compare").first.click()
    settled(page)
    expect(page).to_have_url(re.compile(r"level=0\.3"))


def test_every_choice_is_a_step_back(page: Page, dashboard: str) -> None:
    def choose(pill: str) -> None:
        page.get_by_test_id("stButtonGroup").get_by_role("button", name=pill, exact=True).click()
        settled(page)

    cards = page.locator("[class*=st-key-card-]")
    page.goto(dashboard)
    settled(page)
    everyone = len({run.key for run in Store().listing().runs})
    choose("deep")
    choose("shallow")  # of the same choice: no step of its own
    expect(page).to_have_url(re.compile("family=shallow"))
    both = sum(system.family in ("deep", "shallow") for system in zoo.SYSTEMS.values())
    expect(cards).to_have_count(both)
    choose("Batch norm")
    expect(page).to_have_url(re.compile("bn="))
    expect(cards).not_to_have_count(both)
    page.go_back()
    expect(cards).to_have_count(both)
    page.go_back()
    expect(cards).to_have_count(everyone)
    expect(page).to_have_url(re.compile("/$"))
    page.go_forward()
    expect(cards).to_have_count(both)
    page.goto(f"{dashboard}/compare?models=dense&count=1")
    settled(page)
    for _ in range(3):
        page.get_by_role("slider", name="Standard deviation").press("ArrowRight")
        settled(page)
    expect(page).to_have_url(re.compile(r"level=0\.03"))
    page.go_back()
    settled(page)
    expect(page).not_to_have_url(re.compile("level="))
    expect(page.get_by_role("slider", name="Standard deviation")).to_have_value("0")
    assert headings(page) == ["original", "dense"]


def test_a_choice_that_the_server_adds_is_a_step_of_its_own(page: Page, dashboard: str) -> None:
    slider = page.get_by_role("slider", name="Standard deviation")
    page.goto(f"{dashboard}/compare?models=dense&count=1")
    settled(page)
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"level=0\.01"))
    page.wait_for_timeout(2000)  # what the server changes at once belongs to the choice before
    page.get_by_role("button", name="conv-dense", exact=True).click()
    expect(page).to_have_url(re.compile("models=conv-dense"))
    settled(page)
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"level=0\.02"))
    for step in (r"level=0\.01.*models=conv-dense|models=conv-dense.*level=0\.01", r"level=0\.01", "models=dense"):
        page.go_back()
        expect(page).to_have_url(re.compile(step))
        settled(page)
    expect(page).not_to_have_url(re.compile("level|conv-dense"))


def test_a_choice_that_takes_another_one_away_is_one_step(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare?models=dense&count=1&pictures=Class&class=cat")
    settled(page)
    choose(page, "Pictures", "Random")
    expect(page).not_to_have_url(re.compile("class|pictures", re.IGNORECASE))
    settled(page)
    page.go_back()
    expect(page).to_have_url(re.compile("pictures=Class&class=cat|class=cat&.*pictures=Class"))
    settled(page)


def test_words_are_open_at_the_first_visit_and_folded_at_the_next(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/compare")
    settled(page)
    words = page.get_by_text("Each row is a test picture, which no model saw in training.")
    expect(words).to_be_visible()
    # Only the first one of all is open.
    expect(page.get_by_text("For each pair of models")).not_to_be_visible()
    page.wait_for_function("document.cookie.includes('explained')")
    page.reload()
    settled(page)
    expect(page.get_by_text("How to read the pictures")).to_be_visible()
    expect(words).not_to_be_visible()


def test_a_page_that_lost_its_server_says_so_and_comes_back(chromium: Browser, tmp_path: Path) -> None:
    environment = {"AECORE_DATA": str(tmp_path / "nothing")}
    window = chromium.new_page()
    with started.dashboard(tmp_path / "log", environment) as first:
        window.goto(f"{first.address}/compare?models=dense&count=1&level=0.2")
        settled(window)
        expect(window.locator("#server-lost")).to_have_count(0)
    expect(window.locator("#server-lost")).to_contain_text("comes back by itself")
    expect(window.get_by_role("dialog")).not_to_be_visible()
    with started.dashboard(tmp_path / "log", environment, port=int(first.address.rpartition(":")[2])):
        expect(window.locator("#server-lost")).to_have_count(0)
        settled(window)
        assert headings(window) == ["original", "noisy", "dense"]
        window.close()
