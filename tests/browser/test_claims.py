"""The claims in a browser: the list, a claim that is opened by a click or a link, and the way back."""

import re

from playwright.sync_api import Locator, Page, expect

from aecore.studies.claims import CLAIMS
from tests.browser.seen import settled


def rows(page: Page) -> Locator:
    """The sentences of the list."""
    return page.locator("a.row")


def test_a_row_opens_its_claim_and_back_returns_to_the_list(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/claims")
    expect(rows(page)).to_have_count(len(CLAIMS))
    settled(page)
    rows(page).filter(has_text=CLAIMS["strided"].words).click()
    expect(page.locator("h1")).to_contain_text(CLAIMS["strided"].words)
    assert page.url.endswith("/claims?claim=strided")
    expect(page.locator("tbody tr")).to_have_count(len(CLAIMS["strided"].contrasts))
    page.go_back()
    expect(rows(page)).to_have_count(len(CLAIMS))
    page.go_forward()
    expect(page.locator("h1")).to_contain_text(CLAIMS["strided"].words)
    settled(page)
    page.get_by_role("link", name="All claims").click()
    expect(rows(page)).to_have_count(len(CLAIMS))
    settled(page)


def test_a_cold_link_opens_a_claim_under_a_budget(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/claims?claim=halvings&budget=short&contrast=max+pool")
    expect(page.locator("h1")).to_contain_text(CLAIMS["halvings"].words)
    settled(page)
    expect(page.get_by_role("radio", name="short")).to_be_checked()
    expect(page.get_by_role("combobox", name="Comparison")).to_have_value("max pool")
    # No data set is here, so nothing can be trained, and the button says so.
    button = page.get_by_role("button", name=re.compile("Run what is missing|Add 2 seeds"))
    expect(button).to_be_disabled()
    page.get_by_role("button", name="Cite").click()
    expect(page.get_by_text(CLAIMS["halvings"].key[:12])).to_be_visible()


def test_on_a_phone_nothing_is_cut_off(page: Page, dashboard: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for query in ("", "?claim=batch-norm"):
        page.goto(f"{dashboard}/claims{query}")
        expect(page.locator("a.row, tbody tr").first).to_be_visible()
        settled(page)
        wide = page.evaluate(
            """() => [...document.querySelectorAll('[data-testid="stMain"] *')]
                .filter(element => element.getBoundingClientRect().right > innerWidth + 1).length"""
        )
        assert wide == 0
