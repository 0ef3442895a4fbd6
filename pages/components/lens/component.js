// Streamlit's side of a lens: bytes make a sheet, an object makes the panes of a photograph.

import { Sheet } from "./sheet.js";
import { Panes } from "./panes.js";

const lenses = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".lens");
  if (!lenses.has(root)) lenses.set(root, data instanceof Uint8Array ? new Sheet(root) : new Panes(root));
  const lens = lenses.get(root);
  lens.ask = (part) => setStateValue("part", part);
  lens.show(data);
}
