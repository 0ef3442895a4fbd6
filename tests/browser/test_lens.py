"""The sheet by itself in a real browser: what it does with the data that it is given."""

import base64
import json
from typing import Any

from playwright.sync_api import Page

from pages.components import errors
from pages.components.lens import component

SHOWN_ONE_AFTER_ANOTHER = """async ([code, html, shown, ...messages]) => {
  const sheet = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const parentElement = document.body;
  parentElement.innerHTML = html;
  for (const message of messages) {
    sheet.default({ data: Uint8Array.from(atob(message), (letter) => letter.charCodeAt(0)), parentElement });
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return parentElement.querySelector(shown).textContent;
}"""


PARTS = [component.scripts(*component.SHEETS, "panes", "component"), (component.FOLDER / "lens.html").read_text()]


def message(number: int, note: str, *more: tuple[dict[str, Any], int], view: str = "Pictures") -> str:
    """A sheet of one grey picture with a `note` under its heading, and `more` columns of some brightness, in base64."""
    first = {"heading": "bm3d", "note": note, "color": None, "role": "clean", "numbers": [[]]}
    kind = errors.VIEWS[view]
    header = {
        "number": number,
        "channels": 1,
        "height": 4,
        "width": 4,
        "view": view,
        "picked": None,
        "rows": [["cat", "#7"]],
        "columns": [first, *(first | own for own, _ in more)],
        "colours": kind and errors.described(kind),
        "live": None,
    }
    text = json.dumps(header).encode()
    pixels = b"".join(bytes([brightness] * 16) for brightness in (128, *(brightness for _, brightness in more)))
    return base64.b64encode(len(text).to_bytes(4, "little") + text + pixels).decode()


def test_data_that_arrives_late_does_not_replace_newer_data(page: Page) -> None:
    older, newer = message(1, "computing"), message(2, "27.3 dB")
    for messages in ([older, newer], [newer, older]):
        assert page.evaluate(SHOWN_ONE_AFTER_ANOTHER, [*PARTS, ".head span", *messages]) == "27.3 dB"


def test_the_colours_of_errors_leave_out_what_is_still_computed(page: Page) -> None:
    """Its grey is no output: counted, it would dim all errors until it is there."""
    output, late = {"role": "output"}, {"role": "output", "computing": True}
    for columns, end in (([(output, 130)], "0.01"), ([(output, 130), (late, 0)], "0.01"), ([(output, 0)], "0.7")):
        shown = page.evaluate(SHOWN_ONE_AFTER_ANOTHER, [*PARTS, ".legend", message(1, "", *columns, view="Error")])
        assert shown.startswith(f"0{end}absolute error")
