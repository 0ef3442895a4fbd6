// Layers in a list that can be dragged, typed and stepped through by keyboard, and the same layers as a line of text.
//
// The text is the truth. It changes here at once and is sent to Python, which answers with everything it knows of it;
// an answer to an older text than the one that is shown is left aside.

const HANDLE = "⠿";
const FAR = 6; // pixels that the pointer moves before a press becomes a drag
const NEAR = 40; // pixels around the list that count as inside
const MOST_UNDONE = 200;

const editors = new WeakMap();
const past = []; // texts to go back to; they outlive an editor that the page mounts anew
const future = [];

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".editor");
  if (!editors.has(root)) editors.set(root, new Editor(root));
  const editor = editors.get(root);
  editor.send = (line) => setStateValue("line", line);
  editor.receive(data);
}

class Editor {
  constructor(root) {
    this.root = root;
    this.palette = root.querySelector(".palette");
    this.line = root.querySelector(".line");
    this.table = root.querySelector(".table");
    this.spoken = root.querySelector(".spoken");
    this.undo = root.querySelector(".undo");
    this.redo = root.querySelector(".redo");
    this.text = null;
    this.rows = []; // a word of the text each, and what is known of it: the pictures' shape, if it is given, then layers
    this.sequence = 0; // of the last text that was sent
    this.selected = null; // index of a row
    this.line.addEventListener("input", () => this.change(this.line.value, { typed: true }));
    this.undo.addEventListener("click", () => this.step(past, future));
    this.redo.addEventListener("click", () => this.step(future, past));
    root.addEventListener("keydown", (event) => this.shortcut(event));
    new ResizeObserver(() => requestAnimationFrame(() => this.fit())).observe(root);
  }

  // An answer from Python: to our last text, or with another one that was chosen on the page.
  receive(data) {
    if (data.sequence < this.sequence) return;
    this.late = this.dragged ? data : null; // after the drag
    if (this.late) return;
    this.sequence = data.sequence;
    this.data = data;
    if (data.text !== this.text) {
      if (this.text !== null) this.remember();
      this.selected = null;
    }
    this.text = data.text;
    this.rows = split(data.text).map((word, index) => ({ word, fact: data.rows[index] }));
    this.address();
    this.showPalette();
    this.draw();
  }

  // ---- changes

  change(text, { typed = false, say = "" } = {}) {
    if (text === this.text) return;
    this.remember(typed);
    this.apply(text, say);
  }

  apply(text, say = "") {
    this.text = text;
    this.rows = matched(split(text), this.rows);
    this.sequence += 1;
    this.send({ text, sequence: this.sequence });
    this.spoken.textContent = say;
    this.address();
    this.draw();
  }

  // What is typed without a pause is undone at once.
  remember(typed = false) {
    const now = performance.now();
    if (!typed || !(now - this.typedAt < 1000)) past.splice(0, Math.max(past.push(this.text) - MOST_UNDONE, 0));
    this.typedAt = typed ? now : undefined;
    future.length = 0;
  }

  step(from, to) {
    if (!from.length) return;
    to.push(this.text);
    this.typedAt = undefined;
    this.selected = null;
    this.line.value = from.at(-1); // even while one types in it
    this.apply(from.pop());
  }

  replace(rows, say = "") {
    this.rows = rows;
    this.change(joined(rows), { say });
  }

  edit(index, word, fact = this.rows[index].fact) {
    this.rows = this.rows.map((row, other) => (other === index ? { word, fact } : row));
    this.change(joined(this.rows), { typed: true });
  }

  // Put in after the selected layer, or at the end.
  add(word, at = null) {
    const index = at ?? (this.selected === null ? this.rows.length : Math.max(this.selected + 1, this.offset));
    const rows = [...this.rows];
    rows.splice(index, 0, { word });
    this.selected = index;
    this.replace(rows, `Added ${word} as layer ${index - this.offset + 1}`);
  }

  remove(index) {
    const rows = this.rows.filter((_, other) => other !== index);
    this.selected = rows.length > this.offset ? Math.max(Math.min(index, rows.length - 1), this.offset) : null;
    this.replace(rows, `Removed ${this.rows[index].word}`);
    if (this.selected !== null) this.focusHandle(this.selected);
    else this.palette.querySelector("button")?.focus();
  }

  move(index, target) {
    if (target < this.offset || target >= this.rows.length || target === index) return;
    const rows = [...this.rows];
    const [row] = rows.splice(index, 1);
    rows.splice(target, 0, row);
    this.selected = target;
    this.replace(rows, `${row.word} is now layer ${target - this.offset + 1}`);
    this.focusHandle(target);
  }

  // 1 where the line begins with the shape of the pictures.
  get offset() {
    return /^\d/.test(this.rows[0]?.word ?? "") ? 1 : 0;
  }

  // So that the page's address leads back to this line. Streamlit reads the address whenever the page is run.
  address() {
    const url = new URL(location.href);
    if (url.searchParams.get(this.data.parameter) === this.text) return;
    url.searchParams.set(this.data.parameter, this.text);
    history.replaceState(history.state, "", url);
  }

  // ---- drawing

  // The buttons stay the same, and with them the focus; their words follow the line, as that of `reshape`.
  showPalette() {
    const known = this.data.palette;
    if (this.palette.childElementCount !== known.length) {
      this.palette.replaceChildren(...known.map((_, index) => this.chip(index)));
    }
    [...this.palette.children].forEach((button, index) => {
      button.textContent = known[index].title;
      button.title = `${known[index].word}\n${known[index].meaning}`;
    });
  }

  chip(index) {
    const button = element("button");
    button.type = "button";
    button.addEventListener("click", (event) => {
      if (this.justDropped) return;
      this.add(this.data.palette[index].word);
      // By keyboard one goes on adding; by mouse the new layer's settings are next.
      if (event.detail) this.focusHandle(this.selected);
    });
    button.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0) this.dragIn(event, this.data.palette[index].word);
    });
    return button;
  }

  draw() {
    const place = this.focusPlace();
    const current = this.data.text === this.text && !this.dragged;
    this.root.classList.toggle("stale", !current);
    this.undo.disabled = !past.length;
    this.redo.disabled = !future.length;
    if (activeElement(this.root) !== this.line) this.line.value = this.text;
    this.fit();
    const rows = this.rows.map(({ word, fact }, index) => this.row(word, index, fact));
    if (!this.offset) rows.unshift(this.pictureRow());
    const whole = element("div", "whole");
    whole.append(...(current ? this.data.whole : []).map((note) => this.note(note)));
    this.table.replaceChildren(head(), ...rows, whole);
    this.focusAgain(place);
  }

  pictureRow() {
    const row = element("div", "row picture");
    row.setAttribute("role", "listitem");
    const word = input("word", "", "The shape of the pictures: channels x height x width");
    word.placeholder = this.data.picture;
    word.addEventListener("change", () => {
      if (word.value.trim()) this.replace([{ word: word.value.trim() }, ...this.rows]);
    });
    row.append(element("span", "", ""), word, element("span", "number", this.data.picture.replaceAll("x", "×")));
    row.append(element("span", "number", ""), element("span", "number macs", ""), element("span", "number sees", ""));
    return row;
  }

  row(word, index, fact) {
    const row = element("div", "row");
    row.dataset.index = index;
    row.setAttribute("role", "listitem");
    const isPicture = index < this.offset;
    row.classList.toggle("picture", isPicture);
    row.classList.toggle("selected", index === this.selected);
    row.classList.toggle("code", !!fact?.is_code);
    row.classList.toggle("wrong", !!fact?.problems.length);
    row.classList.toggle("lifted", !!this.dragged && this.rows[index] === this.dragged);
    const position = index - this.offset + 1;
    const handle = element("button", "handle", isPicture ? "" : HANDLE);
    handle.type = "button";
    handle.disabled = isPicture;
    handle.setAttribute("aria-label", `Layer ${position}, ${word}: Alt with an arrow key moves it, Delete removes it`);
    handle.addEventListener("pointerdown", (event) => event.button === 0 && this.drag(event, index));
    handle.addEventListener("focus", () => this.select(index));
    handle.addEventListener("keydown", (event) => this.onHandle(event, index));
    const text = input("word", word, isPicture ? "The shape of the pictures" : `Layer ${position}`);
    text.addEventListener("input", () => this.edit(index, text.value));
    text.addEventListener("focus", () => this.select(index));
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.add("conv32", index + 1);
        this.focusWord(index + 1, true);
      }
    });
    const remove = element("button", "remove", "×");
    remove.type = "button";
    remove.title = isPicture ? "Back to 3×32×32" : "Remove";
    remove.setAttribute("aria-label", isPicture ? remove.title : `Remove layer ${position}`);
    remove.addEventListener("click", () => (isPicture ? this.replace(this.rows.slice(1)) : this.remove(index)));
    row.append(handle, text, ...cells(fact), remove);
    const more = element("div", "more");
    if (index === this.selected && fact?.settings?.length) more.append(this.fields(index, fact));
    for (const note of [...(fact?.problems ?? []), ...(fact?.advice ?? [])]) more.append(this.note(note));
    if (more.childNodes.length) row.append(more);
    return row;
  }

  // The settings of a layer, as a form.
  fields(index, fact) {
    const form = element("div", "fields");
    for (const setting of fact.settings) {
      const label = element("label", "", setting.name.replaceAll("_", " "));
      const field = setting.words ? select(setting.words, setting.value) : input("", setting.value, setting.name);
      field.dataset.name = setting.name;
      const changed = () => {
        if (!field.value.trim()) return;
        // Noted at once: another setting may be changed before Python has answered.
        const noted = this.rows[index].fact.settings.map((other) => (
          other.name === setting.name ? { ...other, value: field.value.trim() } : other
        ));
        this.edit(index, composed(fact.keyword, noted), { ...fact, settings: noted });
      };
      field.addEventListener("input", changed);
      if (setting.step) {
        // Not of the type `number`, in which no place can be kept while the rows are drawn anew.
        field.inputMode = "decimal";
        field.addEventListener("keydown", (event) => {
          const step = { ArrowUp: setting.step, ArrowDown: -setting.step }[event.key];
          if (!step) return;
          event.preventDefault();
          const next = Math.min(Math.max(Number(field.value) + step, setting.low), setting.high);
          field.value = String(Number(next.toFixed(6)));
          changed();
        });
      }
      label.append(field);
      form.append(label);
    }
    return form;
  }

  note({ kind, sentence, why, repairs }) {
    const note = element("div", `note ${kind}`);
    note.append(quoted("p", sentence));
    if (why) {
      const reason = quoted("p", why);
      reason.className = "why";
      note.append(reason);
    }
    for (const { label, line } of repairs) {
      const button = quoted("button", label);
      button.className = "repair";
      button.type = "button";
      button.title = line;
      button.addEventListener("click", () => this.change(line, { say: label }));
      note.append(button);
    }
    return note;
  }

  fit() {
    this.line.style.height = "auto";
    this.line.style.height = `${this.line.scrollHeight + 2}px`;
  }

  select(index) {
    if (this.selected === index) return;
    this.selected = index;
    this.draw();
  }

  // ---- focus, which survives that the rows are drawn anew

  focusPlace() {
    const active = activeElement(this.root);
    const row = active?.closest?.(".row");
    if (!row || !this.table.contains(row)) return null;
    const kind = active.dataset.name ? `[data-name="${active.dataset.name}"]` : `.${active.classList[0]}`;
    const range = active.selectionStart ?? null;
    const typed = active.dataset.name && active.type === "text" ? active.value : null;
    return { index: row.dataset.index, kind, typed, start: range, end: active.selectionEnd ?? null };
  }

  focusAgain(place) {
    if (!place) return;
    const row = this.table.querySelector(`.row[data-index="${place.index}"]`);
    const target = row?.querySelector(place.kind) ?? null;
    if (!target) return;
    target.focus({ preventScroll: true });
    if (place.typed !== null) target.value = place.typed; // such as 0. on the way to 0.5
    if (place.start !== null && target.type === "text") target.setSelectionRange(place.start, place.end);
  }

  focusHandle(index) {
    this.table.querySelector(`.row[data-index="${index}"] .handle`)?.focus();
  }

  focusWord(index, whole = false) {
    const word = () => this.table.querySelector(`.row[data-index="${index}"] .word`);
    word()?.focus(); // which draws the rows anew
    if (whole) word()?.select();
  }

  // ---- keyboard

  shortcut(event) {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    event.shiftKey ? this.step(future, past) : this.step(past, future);
  }

  onHandle(event, index) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) {
      event.preventDefault();
      event.altKey ? this.move(index, index + step) : this.focusHandle(index + step);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.remove(index);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.focusWord(index);
    }
  }

  // ---- dragging

  drag(event, index) {
    event.preventDefault();
    this.select(index);
    this.focusHandle(index);
    this.follow(event, { from: this.rows, index });
  }

  // A layer from the palette is in the list while the pointer is over it.
  dragIn(event, word) {
    const from = this.rows;
    const start = [event.clientX, event.clientY];
    const watch = (moved) => {
      if (Math.hypot(moved.clientX - start[0], moved.clientY - start[1]) < FAR) return;
      stop();
      this.follow(moved, { from, index: null, word });
    };
    const stop = () => {
      window.removeEventListener("pointermove", watch);
      window.removeEventListener("pointerup", stop);
    };
    window.addEventListener("pointermove", watch);
    window.addEventListener("pointerup", stop);
  }

  follow(event, { from, index, word }) {
    const others = from.filter((_, other) => other !== index);
    const row = index === null ? { word } : from[index];
    this.dragged = row;
    const end = (commit) => {
      window.removeEventListener("pointermove", place);
      window.removeEventListener("pointerup", up);
      window.removeEventListener("pointercancel", cancel);
      window.removeEventListener("keydown", escape, true);
      const rows = commit ? this.rows : from;
      this.rows = from;
      this.dragged = null;
      this.justDropped = true;
      setTimeout(() => (this.justDropped = false));
      if (joined(rows) === joined(from)) this.draw();
      else this.replace(rows, `${row.word} is now layer ${this.selected - this.offset + 1}`);
      if (commit && this.selected !== null) this.focusHandle(this.selected);
      if (this.late) this.receive(this.late);
    };
    const place = (moved) => {
      const target = this.rowAt(moved, others);
      const rows = [...others];
      if (target !== null) rows.splice(target, 0, row);
      else if (index !== null) rows.splice(index, 0, row); // back where it came from
      this.selected = rows.includes(row) ? rows.indexOf(row) : null;
      if (rows.some((one, at) => one !== this.rows[at]) || rows.length !== this.rows.length || !this.lifted) {
        this.rows = rows;
        this.draw();
      }
    };
    const up = () => end(true);
    const cancel = () => end(false);
    const escape = (pressed) => {
      if (pressed.key !== "Escape") return;
      pressed.stopPropagation();
      end(false);
    };
    window.addEventListener("pointermove", place);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", cancel);
    window.addEventListener("keydown", escape, true);
    place(event);
  }

  get lifted() {
    return this.table.querySelector(".lifted");
  }

  // Where among the other rows the pointer is; null outside of the list.
  rowAt({ clientX, clientY }, others) {
    const { top, bottom, left, right } = this.table.getBoundingClientRect();
    if (clientX < left - NEAR || clientX > right + NEAR || clientY < top - NEAR || clientY > bottom + NEAR) return null;
    const offset = this.offset;
    const above = [...this.table.querySelectorAll(".row[data-index]:not(.lifted, .picture)")].filter((row) => {
      const box = row.getBoundingClientRect();
      return clientY > (box.top + box.bottom) / 2;
    });
    return Math.min(offset + above.length, others.length);
  }
}

function split(text) {
  return text.trim() ? text.split("|").map((word) => word.trim()) : [];
}

function joined(rows) {
  return rows.map(({ word }) => word).join(" | ");
}

// The words with what is known of those that stand where they stood, from the beginning or from the end.
function matched(words, rows) {
  let same = 0;
  while (same < words.length && words[same] === rows[same]?.word) same += 1;
  const shift = rows.length - words.length;
  return words.map((word, index) => {
    if (index < same || !shift) return { word, fact: rows[index]?.fact };
    const before = rows[index + shift];
    return before?.word === word ? { word, fact: before.fact } : { word };
  });
}

// The text form of a layer with these settings, as `str` of its record gives it.
function composed(keyword, settings) {
  const texts = settings.map(({ value, letter, standard }) => {
    if (value === standard) return "";
    return letter === "" ? value : `:${letter ?? ""}${value}`;
  });
  return keyword + texts.join("");
}

function cells(fact) {
  const cell = (name, text) => element("span", `number ${name}`, text ?? "");
  return [
    cell("output", fact?.output), cell("parameters", fact?.parameters), cell("macs", fact?.macs), cell("sees", fact?.sees),
  ];
}

function head() {
  const row = element("div", "row head");
  const titles = [
    ["", ""], ["", "layer"], ["number", "output"], ["number", "weights"], ["number macs", "MACs"], ["number sees", "sees"],
    ["", ""],
  ];
  row.setAttribute("aria-hidden", "true");
  row.append(...titles.map(([name, text]) => element("span", name, text)));
  return row;
}

// Text in which words between backquotes are code.
function quoted(tag, text) {
  const made = element(tag);
  text.split("`").forEach((part, index) => part && made.append(index % 2 ? element("code", "", part) : part));
  return made;
}

function input(name, value, label) {
  const made = element("input", name);
  made.type = "text";
  made.value = value;
  made.spellcheck = false;
  made.autocapitalize = "off";
  made.autocomplete = "off";
  made.setAttribute("aria-label", label);
  return made;
}

function select(words, value) {
  const made = element("select");
  made.append(...words.map((word) => {
    const option = element("option", "", word);
    option.selected = word === value;
    return option;
  }));
  return made;
}

function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

// Inside a shadow root too.
function activeElement(root) {
  return root.getRootNode().activeElement ?? null;
}
