// Streamlit's side of a series: it draws nothing, and keeps what was sent last for the sheet that asks for it by name.

import { Held } from "./series.js";

export default function ({ data }) {
  globalThis.aecoreSeries = new Held(data.slice());
}
