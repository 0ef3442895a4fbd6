"""Modules in JavaScript are joined into one text."""

from pathlib import Path

from pages.components.browser_parts import joined

DRAWING = """\
export const side = 3;
export function drawn(exported) {
  return exported * side; // export and import in a sentence stay
}
"""
SHOWING = """\
import { side } from "./drawing.js";
import {
  drawn,
} from './drawing.js';
export class Shown {}
export default () => drawn(side);
"""


def test_imports_between_them_and_exports_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "drawing.js").write_text(DRAWING)
    (tmp_path / "showing.js").write_text(SHOWING)
    assert joined(tmp_path / "drawing.js", tmp_path / "showing.js") == (
        "const side = 3;\n"
        "function drawn(exported) {\n"
        "  return exported * side; // export and import in a sentence stay\n"
        "}\n"
        "\n"
        "class Shown {}\n"
        "export default () => drawn(side);\n"
    )
