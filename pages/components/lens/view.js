// Where the pictures of a lens are looked at: one zoom and one middle for all of them.

const MOST_ZOOM = 40; // pixels of the screen per pixel of a picture

/**
 * The view of pictures of one size, `[width, height]`. `base` is the size, in pixels of the page, of the canvas that the
 * zoom is counted on; pictures on canvases of another size show the same part.
 */
export class View {
  constructor() {
    this.zoom = null; // pixels of the page per pixel of the picture, on the base canvas; null shows all of it
    [this.x, this.y] = [0, 0]; // the pixel in the middle
    [this.picture, this.base] = [[1, 1], [1, 1]];
  }

  /** How the pictures lie on a canvas: pixels of the page per pixel of the picture, and the pixel in its middle. */
  on(size) {
    const whole = fitting(size, this.picture);
    const zoom = this.zoom === null ? whole : Math.max((this.zoom * size[0]) / this.base[0], whole);
    const scale = snapped(zoom, this.zoom === null);
    const inside = (middle, axis) => {
      const half = size[axis] / scale / 2;
      return 2 * half >= this.picture[axis] ? this.picture[axis] / 2 : Math.min(Math.max(middle, half), this.picture[axis] - half);
    };
    return { scale, x: inside(this.x, 0), y: inside(this.y, 1) };
  }

  /** The same in pixels of the screen: a factor, where pixel 0, 0 of the picture lies, and the size of the canvas. */
  map(size) {
    const { scale, x, y } = this.on(size);
    const [across, down] = onScreen(size);
    const factor = scale * devicePixelRatio;
    return { factor, left: Math.round(across / 2 - x * factor), top: Math.round(down / 2 - y * factor), across, down };
  }

  /** Show all of the pictures. */
  fit() {
    this.zoom = null;
    [this.x, this.y] = this.picture.map((side) => side / 2);
  }

  /** Zoom so that the pixel stays that lies `from` the middle of a canvas, in pixels of the page. */
  to(zoom, size = this.base, from = [0, 0]) {
    const before = this.on(size);
    const whole = fitting(this.base, this.picture);
    const next = Math.min(Math.max(zoom, whole), Math.max(MOST_ZOOM, whole));
    this.zoom = next > whole ? next : null;
    const after = this.on(size).scale;
    this.x = before.x + from[0] / before.scale - from[0] / after;
    this.y = before.y + from[1] / before.scale - from[1] / after;
  }

  /** Zoom in or out by a factor. */
  scale(factor, size, from) {
    this.to((this.zoom ?? fitting(this.base, this.picture)) * factor, size, from);
  }

  /** Move by pixels of the page on a canvas. */
  shift(right, down, size = this.base) {
    const { scale, x, y } = this.on(size);
    [this.x, this.y] = [x + right / scale, y + down / scale];
  }

  /** The pixel under a place, given from the middle of a canvas; null beside the picture. */
  pixel([right, down], size) {
    const { scale, x, y } = this.on(size);
    const place = [Math.floor(x + right / scale), Math.floor(y + down / scale)];
    return place.every((number, axis) => number === this.inside(place)[axis]) ? place : null;
  }

  /** The nearest pixel of the picture. */
  inside(place) {
    return place.map((number, axis) => Math.min(Math.max(number, 0), this.picture[axis] - 1));
  }
}

/** A size in pixels of the page as one in whole pixels of the screen. */
export function onScreen(size) {
  return size.map((side) => Math.max(1, Math.round(side * devicePixelRatio)));
}

function fitting(size, picture) {
  return Math.min(size[0] / picture[0], size[1] / picture[1]);
}

// Enlarged pixels get a whole number of the screen's, so that none is wider than its neighbour.
function snapped(scale, isWhole) {
  const factor = scale * devicePixelRatio;
  if (factor < 2) return scale;
  return (isWhole ? Math.floor(factor + 1e-6) : Math.round(factor)) / devicePixelRatio;
}
