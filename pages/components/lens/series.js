// The pictures at every position of a slider, which were computed beforehand: while the slider moves, the sheet follows.
//
// They arrive as bytes: a header `{ name }`, then another header `{ pictures, sentences, columns: [{ notes, rows }] }` and
// the pixels of so many pictures. Sentences and notes are by position; a row has `cells` [picture, caption, numbers], and
// by position `which` cell there is and whether it is the `best`.

export class Series {
  constructor(sheet) {
    this.sheet = sheet;
    this.observer = new MutationObserver(() => (sheet.root.isConnected ? this.moved() : this.observer.disconnect()));
  }

  /** Take what the server sends: a header, and the columns of one position. */
  serve(header, columns) {
    this.served = columns.map((column) => ({ ...column, numbers: (row) => column.numbers[row] ?? [] }));
    this.followed = header.series;
    this.shown = null;
    this.moved();
    this.observer.disconnect();
    this.observer.observe(document.body, { subtree: true, attributeFilter: ["aria-valuetext", "value"] });
  }

  /** Where the slider stands, or if it is not on the page, the server's position. */
  get position() {
    const slider = document.querySelector(`${this.followed.slider} input[type=range]`);
    return slider ? Number(slider.value) : this.followed.position;
  }

  moved() {
    const { position, followed } = this;
    if (position === this.shown) return;
    const held = globalThis.aecoreSeries;
    const isHere = position !== followed.position && held?.name === followed.name;
    if (!isHere && this.shown === followed.position) return; // until the series is here, or the server's answer
    this.shown = isHere ? position : followed.position;
    this.sheet.say(isHere ? held.sentences[position] : followed.sentence);
    this.sheet.present(isHere ? this.served.map((column, place) => held.column(column, place, position)) : this.served);
    this.sheet.root.dataset.position = this.shown; // for tests
  }
}

export class Held {
  constructor(bytes) {
    const [header, inner] = unpacked(bytes);
    const [described, pixels] = unpacked(inner);
    Object.assign(this, header, described, { pixels });
  }

  /** A column at a position. */
  column(served, place, position) {
    const { notes, rows } = this.columns[place];
    const cells = rows.map(({ cells, which }) => cells[which[position]]);
    const one = this.pixels.length / this.pictures;
    return {
      ...served,
      note: notes[position],
      pixels: cells.map(([picture]) => this.pixels.subarray(picture * one, (picture + 1) * one)),
      captions: cells.map(([, caption]) => caption),
      best: rows.map(({ best }) => best[position]),
      numbers: (row) => cells[row][2],
    };
  }
}

function unpacked(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), bytes.subarray(4 + length)];
}
