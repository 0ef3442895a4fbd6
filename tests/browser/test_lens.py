"""The sheet by itself in a real browser: what it does with the data that it is given."""

import base64
import json

from playwright.sync_api import Page

from pages.components.lens import component

SHOWN_ONE_AFTER_ANOTHER = """async ([code, html, ...messages]) => {
  const sheet = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const parentElement = document.body;
  parentElement.innerHTML = html;
  for (const message of messages) {
    sheet.default({ data: Uint8Array.from(atob(message), (letter) => letter.charCodeAt(0)), parentElement });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return parentElement.querySelector(".head span").textContent;
}"""


def message(number: int, note: str) -> str:
    """A sheet of one grey picture with a `note` under its heading, in base64."""
    header = {
        "number": number,
        "channels": 1,
        "height": 4,
        "width": 4,
        "view": "Pictures",
        "picked": None,
        "rows": [["cat", "#7"]],
        "columns": [{"heading": "bm3d", "note": note, "color": None, "role": "clean", "numbers": [[]]}],
        "colours": None,
        "live": None,
    }
    text = json.dumps(header).encode()
    return base64.b64encode(len(text).to_bytes(4, "little") + text + bytes([128] * 16)).decode()


def test_data_that_arrives_late_does_not_replace_newer_data(page: Page) -> None:
    parts = [component.scripts(*component.SHEETS, "panes", "component"), (component.FOLDER / "lens.html").read_text()]
    older, newer = message(1, "computing"), message(2, "27.3 dB")
    assert page.evaluate(SHOWN_ONE_AFTER_ANOTHER, [*parts, older, newer]) == "27.3 dB"
    assert page.evaluate(SHOWN_ONE_AFTER_ANOTHER, [*parts, newer, older]) == "27.3 dB"
