// An architecture to scale, as SVG: a block for each tensor, and an arrow into it with the layers that make it.
//
// Python sends what is drawn. Where it goes is decided here, where the width of a text can be measured.

const PIXEL = 2.5; // size of a pixel of the picture, where the picture is not larger than TALLEST
const TALLEST = 80;
const LETTERS = [12, 11, 10]; // sizes: the largest that lets the drawing fit its box, or the first, and it scrolls
const APART = 0.5; // least distance between two texts, and between a text and a block, in sizes of a letter
const STRETCH = 20; // by how much an arrow may grow where there is room
const HEADING = 11; // baseline of the code's own line
const SECTION = 28; // and of the words encoder and decoder, over their brackets
const BRACKET = 33.5;
const BLOCKS = 48; // top of the tallest block, at least
const LEVEL = 9; // between a skip and those inside it
const CORNER = 3;

const diagrams = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".diagram");
  if (!diagrams.has(root)) diagrams.set(root, new Diagram(root));
  diagrams.get(root).show(data);
}

class Diagram {
  constructor(root) {
    this.root = root;
    this.scroller = root.querySelector(".scroller");
    this.svg = root.querySelector("svg");
    this.details = root.querySelector(".details");
    this.svg.addEventListener("keydown", (event) => this.move(event));
    this.scroller.addEventListener("scroll", () => this.scrolled());
    this.more = [...root.querySelectorAll(".more button")];
    this.more.forEach((button, side) => button.addEventListener("click", () => {
      this.scroller.scrollBy({ left: (side ? 0.75 : -0.75) * this.scroller.clientWidth });
    }));
    // In the next frame: changing the height of what is observed would be reported as a loop.
    new ResizeObserver(() => requestAnimationFrame(() => this.place())).observe(root);
  }

  show(data) {
    this.data = data;
    this.focused = null;
    this.build();
    this.place();
    document.fonts.ready.then(() => this.place()); // until then the letters may be those of another font
  }

  build() {
    const { alt, heading, blocks } = this.data;
    this.code = Math.max(blocks.findIndex((block) => block.is_code), 0); // without a code the heading is at the picture
    this.sizes = sizes(blocks);
    const hints = this.code > 0 ? ["‹ encoder", "decoder ›"] : ["‹ input", "output ›"];
    this.more.forEach((button, side) => (button.textContent = hints[side]));
    this.heading = svg("text", "heading strong", heading);
    this.sections = ["encoder", "decoder"].map((name) => ({
      name: svg("text", "heading faint", name),
      bracket: svg("path"),
    }));
    this.steps = blocks.map((block, index) => this.step(block, index));
    this.svg.setAttribute("aria-label", alt);
    this.svg.replaceChildren(
      this.heading,
      ...this.sections.flatMap(({ name, bracket }) => [name, bracket]),
      ...this.steps.map(({ group }) => group),
    );
    this.detail(null);
  }

  // A block with the arrow into it and the skip that ends there: pointing at any of it shows its layers.
  step(block, index) {
    const group = svg("g", "step");
    const step = {
      group,
      area: svg("rect", "area"),
      box: svg("rect", `block ${block.is_code ? "code" : index < this.code ? "encoder" : "decoder"}`),
      label: svg("text", block.is_code ? "strong" : "", block.label),
      words: block.operation.map((word, line) => svg("text", line ? "faint" : "", word)),
      arrow: index > 0 ? svg("path") : null,
      skip: block.skipped_from === null ? null : svg("path", "skip"),
    };
    group.append(...[step.area, step.box, step.label, ...step.words, step.arrow, step.skip].filter(Boolean));
    put(group, { role: "listitem", tabindex: index ? -1 : 0, "aria-label": spoken(block) });
    group.addEventListener("mouseenter", () => this.detail(index));
    group.addEventListener("mouseleave", () => this.detail(this.focused));
    group.addEventListener("focus", () => this.focus(index));
    group.addEventListener("blur", () => this.focus(null));
    return step;
  }

  place() {
    const room = this.root.clientWidth;
    if (room === 0) return; // not on the page yet: the observer calls again
    const size = LETTERS.find((size) => this.across(size, room).width <= room) ?? LETTERS[0];
    this.draw(this.across(size, room), this.down(size));
    this.scrolled();
  }

  // Left edge of every block, with room between them for what is written there; and the width of the whole.
  across(size, room) {
    this.svg.style.fontSize = `${size}px`;
    const apart = APART * size;
    const wide = this.sizes.map(({ width }) => width);
    const labels = this.steps.map(({ label }) => length(label));
    const gaps = this.steps.slice(1).map(({ words }, index) => {
      const shapes = (labels[index] - wide[index] + labels[index + 1] - wide[index + 1]) / 2 + apart;
      return Math.max(Math.max(...words.map(length)) + 2 * apart, shapes);
    });
    const overhang = (index) => Math.max((labels.at(index) - wide.at(index)) / 2, 0) + 2;
    const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
    const needed = overhang(0) + sum(wide) + sum(gaps) + overhang(-1);
    const stretch = Math.min(Math.max((room - needed) / Math.max(gaps.length, 1), 0), STRETCH);
    const lefts = [overhang(0)];
    gaps.forEach((gap, index) => lefts.push(lefts[index] + wide[index] + gap + stretch));
    const width = Math.max(needed + stretch * gaps.length, length(this.heading));
    return { lefts, width: Math.ceil(width - 0.01) }; // a rounding error adds no pixel
  }

  // Where the arrows, the shapes below the blocks and the skips lie.
  down(size) {
    const line = Math.round(1.2 * size);
    const settings = Math.max(...this.steps.map(({ words }) => words.length)) - 1;
    const tallest = Math.max(...this.sizes.map(({ height }) => height));
    const half = Math.ceil(Math.max(tallest / 2, line * (settings + 0.5), line + 4));
    const axis = BLOCKS + half;
    const labels = axis + half + line + 2;
    return { line, axis, labels, skips: labels + 5.5 };
  }

  draw({ lefts, width }, { line, axis, labels, skips }) {
    const { blocks } = this.data;
    const rights = lefts.map((left, index) => left + this.sizes[index].width);
    const middles = lefts.map((left, index) => (left + rights[index]) / 2);
    const levels = nested(blocks);
    const height = skips + LEVEL * Math.max(0, ...levels) + 2;
    put(this.svg, { width, height, viewBox: `0 0 ${width} ${height}` });
    this.steps.forEach(({ area, box, label, words, arrow, skip }, index) => {
      const start = rights[index - 1] ?? 0;
      const end = index < lefts.length - 1 ? rights[index] : width;
      put(area, { x: start + 1, y: BLOCKS - 6, width: end - start - 2, height: labels + 11 - BLOCKS, rx: 3 });
      put(box, { x: lefts[index], y: axis - this.sizes[index].height / 2, ...this.sizes[index] });
      put(label, { x: middles[index], y: labels });
      const middle = (start + lefts[index]) / 2;
      words.forEach((word, row) => put(word, { x: middle, y: row ? axis + row * line : axis - 5 }));
      if (arrow) put(arrow, { d: `M${start + 3} ${axis + 0.5}H${lefts[index] - 4}m-3.5-3.5l3.5 3.5l-3.5 3.5` });
      const source = middles[blocks[index].skipped_from];
      if (skip) put(skip, { d: around(source, middles[index], skips, LEVEL * levels[index]) });
    });
    this.drawHeadings(lefts, rights, width);
  }

  // The code's own line, and brackets over what comes before it and after it.
  drawHeadings(lefts, rights, width) {
    const half = length(this.heading) / 2;
    const [left, right] = [lefts[this.code], rights[this.code]];
    put(this.heading, { x: Math.min(Math.max((left + right) / 2, half), width - half), y: HEADING });
    const ends = [[lefts[0], left - 8], [right + 8, rights.at(-1)]];
    this.sections.forEach(({ name, bracket }, index) => {
      const [start, end] = ends[index];
      const visibility = this.code > 0 && end - start > length(name) ? "visible" : "hidden";
      put(name, { x: (start + end) / 2, y: SECTION, visibility });
      put(bracket, { d: `M${start + 0.5} ${BRACKET + 6}V${BRACKET}H${end - 0.5}V${BRACKET + 6}`, visibility });
    });
  }

  // Whether more of it lies to the left or to the right of what is seen.
  scrolled() {
    const { scrollLeft, clientWidth, scrollWidth } = this.scroller;
    this.root.classList.toggle("cut-left", scrollLeft > 1);
    this.root.classList.toggle("cut-right", scrollLeft + clientWidth < scrollWidth - 1);
    this.detail(this.shown);
  }

  focus(index) {
    this.focused = index;
    this.detail(index);
    if (index === null) return;
    // One stop for the tab key; the arrows move inside.
    this.steps.forEach(({ group }, other) => put(group, { tabindex: other === index ? 0 : -1 }));
    this.steps[index].area.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  move(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    if (event.key === "Escape") this.detail(null);
    const last = this.steps.length - 1;
    const target = { ArrowLeft: this.focused - 1, ArrowRight: this.focused + 1, Home: 0, End: last }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.steps[Math.min(Math.max(target, 0), last)].group.focus({ preventScroll: true });
  }

  // The layers of a block below it, or nothing.
  detail(index) {
    this.shown = index;
    this.details.hidden = index === null;
    if (index === null) return;
    const { layers, tensor } = this.data.blocks[index];
    const rows = layers.map(({ text, parameters, macs }) => [text, number(parameters), number(macs)]);
    const table = [["", "Parameters", "MACs"], ...rows].map((cells, row) => {
      const line = element("tr");
      line.append(...cells.map((cell) => element(row ? "td" : "th", cell)));
      return line;
    });
    this.details.querySelector("table").replaceChildren(...(rows.length ? table : []));
    this.details.querySelector("p").textContent = tensor;
    this.pointAt(this.steps[index]);
  }

  pointAt({ box: block, area: column }) {
    const [box, area, frame] = [block, column, this.root].map((part) => part.getBoundingClientRect());
    const left = (box.left + box.right) / 2 - frame.left - this.details.offsetWidth / 2;
    this.details.style.left = `${Math.max(Math.min(left, frame.width - this.details.offsetWidth), 0)}px`;
    const fits = area.bottom + 4 + this.details.offsetHeight <= window.innerHeight;
    const top = fits ? area.bottom + 4 : area.top - 4 - this.details.offsetHeight;
    this.details.style.top = `${top - frame.top}px`;
  }
}

// Every block to the scale of the picture, which is the first; a flat vector is one pixel high.
function sizes(blocks) {
  const scale = Math.min(PIXEL, TALLEST / Math.max(...blocks[0].shape.slice(1)));
  return blocks.map(({ shape: [channels, height = 1] }) => ({
    width: Math.max(Math.sqrt(channels) * scale, 2),
    height: Math.max(height * scale, 1),
  }));
}

// For each block the level of the skip that ends there: one further down than those inside it; 0 where none ends.
function nested(blocks) {
  const levels = [];
  blocks.forEach(({ skipped_from }, index) => {
    const inside = skipped_from === null ? [] : levels.slice(skipped_from + 1);
    levels.push(skipped_from === null ? 0 : 1 + Math.max(0, ...inside));
  });
  return levels;
}

// A line from below one block to below another, beside what may end or begin at the same one.
function around(source, target, top, depth) {
  const [start, end, turn] = [source + 4, target - 4, depth - CORNER];
  return `M${start} ${top}v${turn}q0 ${CORNER} ${CORNER} ${CORNER}H${end - CORNER}q${CORNER} 0 ${CORNER} ${-CORNER}`
    + `v${-turn}m-3.5 3.5l3.5-3.5l3.5 3.5`;
}

function spoken({ operation, layers, tensor }) {
  const costs = layers.map(
    ({ text, parameters, macs }) => `${text}: ${number(parameters)} parameters, ${number(macs)} MACs`,
  );
  return [operation.join(" "), tensor, ...costs].filter(Boolean).join("; ");
}

function number(value) {
  return value.toLocaleString("en-US");
}

function length(text) {
  return text.getComputedTextLength();
}

function svg(tag, className = "", text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  made.setAttribute("class", className);
  made.textContent = text;
  return made;
}

function put(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
