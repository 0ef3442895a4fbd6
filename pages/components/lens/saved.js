// The saved page: one sheet, its slider and its views, without a server. `saved_page.py` writes the rest of it.

import { bytes } from "./engine.js";
import { Recording } from "./recording.js";
import { Sheet } from "./sheet.js";

async function open() {
  const page = JSON.parse(document.querySelector("#page").textContent);
  const pixels = new Uint8Array(await bytes("#pixels"));
  const { live } = page.header;
  if (live.recording) globalThis.aecoreEngine = new Recording(live.recording);

  // As on the page of the dashboard: no style of the one reaches the other.
  const shadow = document.querySelector("#lens").attachShadow({ mode: "open" });
  shadow.innerHTML = `<style>${page.style}</style><div class="lens"></div>`;
  const root = shadow.querySelector(".lens");
  const sheet = new Sheet(root);

  const [kinds, slider] = document.querySelectorAll("#noise select, #noise input");
  const [unit, shown] = ["label[for=level]", "output"].map((selector) => document.querySelector(`#noise ${selector}`));
  let number = 0;
  let view = page.header.view;
  const show = () => {
    const { kind, levels, lowest } = page.kinds[kinds.selectedIndex];
    const level = kind === live.kind ? live.level : null; // the server's pictures are of one noise
    const header = { ...page.header, number: ++number, view, colours: page.colours[view] ?? null };
    sheet.show(message({ ...header, live: { ...live, kind, level, levels, lowest } }, pixels));
    say();
  };
  const say = () => {
    slider.ariaValueText = shown.textContent = levelText(sheet.live.level);
  };
  const choose = (place, level) => {
    kinds.selectedIndex = place;
    const { levels, unit: name } = page.kinds[place];
    unit.textContent = name;
    slider.max = levels.length - 1;
    slider.value = nearest(levels, level);
    show();
  };

  choose(page.kinds.findIndex(({ kind }) => kind === live.kind), live.level);
  kinds.addEventListener("change", () => choose(kinds.selectedIndex, sheet.live.level));
  document.querySelector("#views").addEventListener("change", (event) => {
    view = event.target.value;
    show();
  });
  slider.addEventListener("input", say);
  slider.addEventListener("change", () => sheet.live.renew(true)); // the scores, which take time, for screen readers
  new MutationObserver(() => {
    slider.disabled = root.dataset.live === "off";
    kinds.disabled = root.dataset.live !== "ready" || page.kinds.length === 1;
  }).observe(root, { attributeFilter: ["data-live"] });
}

/** The place of the level that is nearest to another one. */
function nearest(levels, wanted) {
  const apart = levels.map((level) => Math.abs(level - wanted));
  return apart.indexOf(Math.min(...apart));
}

/** What the server would send. */
function message(header, pixels) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(4 + text.length + pixels.length);
  new DataView(whole.buffer).setUint32(0, text.length, true);
  whole.set(text, 4);
  whole.set(pixels, 4 + text.length);
  return whole;
}

/** Two digits behind the point, or more where the level of a link has more. */
function levelText(level) {
  const { length } = String(level).split(".")[1] ?? "";
  return level.toFixed(Math.max(2, length));
}

open().catch((error) => {
  document.querySelector("#lens").textContent = `The pictures cannot be shown in this browser: ${error.message}.`;
});
