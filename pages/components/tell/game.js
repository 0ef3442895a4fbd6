// Rounds of a blind test, one after the other, by keyboard, mouse or touch.
//
// Data arrives as bytes: the length of a JSON header (4 bytes, little endian), the header, then one PNG: one row per
// round with its left, middle and right picture. Rounds of the next block arrive while this one is played. The last
// answers are sent again with each new one, so that none is lost with a connection.

const SENT = 20; // answers
const SHOWN = 2500; // milliseconds that a solution is shown unless a key is pressed
const LEAST = 150; // milliseconds in which nobody can have seen a picture
const LARGE = 320; // pixels of the side of a picture, where there is room for it
const AROUND = 372; // pixels of the page's height that are not pictures
const NARROW = 600; // pixels below which the original is above the two

const QUESTIONS = {
  closer: "Which one is closer to the original?",
  abx: "Which one is X: A or B?",
};
const NAMES = { closer: ["left", "original", "right"], abx: ["A", "X", "B"] };

const games = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".game");
  if (!games.has(root)) games.set(root, new Game(root));
  const game = games.get(root);
  game.send = (answers) => setStateValue("answers", answers);
  game.receive(data);
  return () => clearTimeout(game.timer);
}

class Game {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".stage");
    this.shots = [".left", ".middle", ".right"].map((name) => root.querySelector(name));
    this.buttons = { left: this.shots[0], right: this.shots[2] };
    for (const side of ["left", "right"]) this.buttons[side].addEventListener("click", () => this.press(side));
    root.addEventListener("keydown", (event) => this.key(event));
    // A space that went on to the next round must not be a click on a picture of it when the key is let go.
    root.addEventListener("keyup", (event) => event.key === " " && this.wentOn && event.preventDefault());
    root.addEventListener("click", (event) => {
      if (this.answered && !event.target.closest("button")) this.goOn();
    });
    new ResizeObserver(() => this.rounds && root.clientWidth !== this.width && this.fit()).observe(root);
  }

  async receive(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const stamp = header.identity + header.rounds.map(({ number }) => number);
    if (stamp === this.stamp) return; // nothing new: the page was drawn again
    this.stamp = stamp;
    const file = new Blob([bytes.subarray(4 + length)], { type: "image/png" });
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    if (stamp !== this.stamp) return; // newer data has arrived meanwhile
    const isNew = header.identity !== this.header?.identity;
    if (isNew) {
      this.header = header;
      this.rounds = new Map();
      this.given = [];
      this.right = new Map();
    }
    header.rounds.forEach((round, row) => this.rounds.set(round.number, { ...round, bitmap, row }));
    if (isNew) {
      this.fit();
      this.ask(header.next);
      this.focus();
    } else if (this.waiting) this.ask(this.number);
  }

  // Unless somebody writes or chooses elsewhere.
  focus() {
    const active = document.activeElement;
    if (active?.matches("input, textarea, select, [role=combobox], [contenteditable]")) return;
    this.root.focus({ preventScroll: true });
  }

  ask(number) {
    clearTimeout(this.timer);
    this.number = number;
    this.answered = false;
    this.waiting = !this.rounds.has(number);
    this.root.classList.remove("answered");
    this.root.querySelector(".question").textContent = QUESTIONS[this.header.mode];
    this.say(this.waiting ? "The next pictures are being computed." : "");
    this.progress();
    if (this.waiting) return;
    this.align(); // what is above may have moved
    this.draw();
    const [left, middle, right] = NAMES[this.header.mode];
    this.shots.forEach((shot) => shot.classList.remove("chosen", "wrong"));
    this.label([["←", left].join(" ")], [middle], [[right, "→"].join(" ")]);
    this.shots[0].setAttribute("aria-label", `${left}: arrow left`);
    this.shots[2].setAttribute("aria-label", `${right}: arrow right`);
    this.shots[1].querySelector("canvas").setAttribute("aria-label", middle);
    this.root.dataset.round = number; // lets tests wait for the pictures
    this.root.dataset.answered = "";
    this.since = performance.now();
  }

  // A choice, or while the solution is shown the wish to go on.
  press(side) {
    if (this.answered) this.goOn();
    else if (!this.waiting && performance.now() - this.since >= LEAST) this.choose(side);
  }

  choose(side) {
    const round = this.rounds.get(this.number);
    const isRight = side === round.answer;
    const took = Math.min(Math.round(performance.now() - this.since), 3600000);
    this.given.push([this.number, side, took, this.scale]);
    this.right.set(this.number, isRight);
    this.answered = true;
    this.send({ identity: this.header.identity, answers: this.given.slice(-SENT) });
    this.root.classList.add("answered");
    this.buttons[side].classList.add("chosen");
    this.buttons[side].classList.toggle("wrong", !isRight);
    const { names, psnr } = round;
    const [a, x, b] = NAMES[this.header.mode];
    this.label([names[0], psnr[0]], [x], [names[1], psnr[1]]);
    this.shots[0].setAttribute("aria-label", `${a}: ${names[0]}, ${psnr[0]}`);
    this.shots[2].setAttribute("aria-label", `${b}: ${names[1]}, ${psnr[1]}`);
    const rest = (this.number + 1) % this.header.block === 0;
    this.say(this.solution(round, isRight, round.answer === "left" ? a : b) + (rest ? this.total() : ""));
    this.progress();
    this.root.dataset.answered = side;
    if (!rest) this.timer = setTimeout(() => this.goOn(), SHOWN);
  }

  solution({ apart }, isRight, name) {
    if (this.header.mode === "abx") return `${isRight ? "Right" : "Wrong"}: X is ${name}. ${apart}.`;
    return `${isRight ? "MSE agrees" : "MSE disagrees"}: the ${name} one is closer, by ${apart}.`;
  }

  total() {
    const block = this.block().filter((number) => this.right.has(number));
    const count = block.filter((number) => this.right.get(number)).length;
    return ` ${count} of ${block.length} in this block. Enter goes on.`;
  }

  goOn() {
    this.ask(this.number + 1);
  }

  key(event) {
    if (event.repeat || event.altKey || event.ctrlKey || event.metaKey) return;
    const side = { ArrowLeft: "left", ArrowRight: "right" }[event.key];
    const isOn = event.key === "Enter" || event.key === " ";
    this.wentOn = isOn && this.answered;
    if (!side && !(isOn && (this.answered || event.target === this.root))) return;
    event.preventDefault();
    if (side) this.press(side);
    else if (this.answered) this.goOn();
  }

  block() {
    const { block } = this.header;
    const first = this.number - (this.number % block);
    return Array.from({ length: block }, (_, place) => first + place);
  }

  progress() {
    const { block } = this.header;
    this.root.querySelector(".place").textContent = `Round ${(this.number % block) + 1} of ${block}`;
    this.root.querySelector(".dots").replaceChildren(
      ...this.block().map((number) => {
        const dot = document.createElement("i");
        if (this.right.has(number)) dot.className = this.right.get(number) ? "right" : "wrong";
        else if (number === this.number) dot.className = "now";
        return dot;
      }),
    );
  }

  say(text) {
    this.root.querySelector(".verdict").textContent = text;
  }

  // A name under each picture, and a number below it.
  label(...texts) {
    this.shots.forEach((shot, place) => {
      const [name, number] = texts[place];
      const parts = [element("b", name), element("span", number ?? "")];
      shot.querySelector(".under").replaceChildren(...parts);
    });
  }

  draw() {
    const { side } = this.header;
    const { bitmap, row } = this.rounds.get(this.number);
    this.shots.forEach((shot, column) => {
      const canvas = shot.querySelector("canvas");
      canvas.width = canvas.height = side; // also clears it
      canvas.getContext("2d").drawImage(bitmap, column * side, row * side, side, side, 0, 0, side, side);
    });
  }

  // The largest whole factor by which the pictures fit, in the middle.
  fit() {
    const { side } = this.header;
    this.width = this.root.clientWidth;
    const style = getComputedStyle(this.root);
    const room = this.width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const gap = parseFloat(style.getPropertyValue("--gap"));
    const [across, down] = this.width < NARROW ? [2, 2] : [3, 1];
    const wide = (room - gap * (across - 1)) / across;
    const high = (innerHeight - AROUND) / down;
    this.scale = Math.max(Math.floor(Math.min(wide, Math.max(high, 96), LARGE) / side), 1);
    const size = this.scale * side;
    this.root.style.setProperty("--size", `${size}px`);
    const free = Math.max(Math.floor((room - across * size - (across - 1) * gap) / 2), 0);
    this.stage.style.paddingLeft = `${free}px`;
    this.shots[1].style.marginLeft = across === 2 ? `${Math.floor((size + gap) / 2)}px` : "0";
    this.align();
  }

  // Onto whole pixels of the page: at a fraction of a pixel the browser would blur the edges of the pictures.
  align() {
    const { style } = this.stage; // moved, because a margin would vanish in that of the question above
    style.top = style.left = "0";
    const { left, top } = this.stage.getBoundingClientRect();
    style.top = `${Math.ceil(top) - top}px`;
    style.left = `${Math.ceil(left) - left}px`;
  }
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
