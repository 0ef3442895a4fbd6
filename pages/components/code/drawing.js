// Two ways to draw the same map: with the graphics processor (WebGL), and with a plain canvas where there is none.
//
// Both draw points, and squares of the atlas. A frame is { scale, left, top, size, thumbs, side } in pixels of the
// screen: where (0, 0) of the plane lies, how large points are, and which pictures are drawn as `side` wide thumbnails.

const SHAPES = 4; // disc, square, ring, diamond: one after another for every round of the colours
const SMALL = 5; // pixels of a point whose shape is not seen
const FRAME = 2; // pixels of the class's colour around a thumbnail
const FAINT = 40; // of 255: how opaque what is outside the lasso is

const POINTS = `
  attribute vec2 place; attribute vec4 color; attribute float shape;
  uniform vec2 screen; uniform vec3 view; uniform float size;
  varying vec4 shade; varying float kind;
  void main() {
    vec2 at = (view.yz + vec2(place.x, -place.y) * view.x) / screen * 2.0 - 1.0;
    gl_Position = vec4(color.a > 0.0 ? vec2(at.x, -at.y) : vec2(9.0), 0.0, 1.0);
    gl_PointSize = size + 1.0;
    shade = color; kind = shape;
  }`;
const SHADE = `
  precision highp float;
  varying vec4 shade; varying float kind; uniform float size;
  void main() {
    vec2 at = (gl_PointCoord - 0.5) * (size + 1.0);
    vec2 far = abs(at);
    float reach = size / 2.0;
    float away = kind < 0.5 ? length(at) : kind < 1.5 ? max(far.x, far.y) * 1.15 : kind < 2.5 ? length(at) : (far.x + far.y) * 0.85;
    float cover = clamp(reach - away + 0.5, 0.0, 1.0);
    if (kind > 1.5 && kind < 2.5) cover *= clamp(away - reach * 0.55 + 0.5, 0.0, 1.0);
    gl_FragColor = vec4(shade.rgb, 1.0) * shade.a * cover;
  }`;
const SQUARES = `
  attribute vec2 place; attribute vec2 spot; attribute vec4 color;
  uniform vec2 screen; uniform vec2 sheet;
  varying vec4 shade; varying vec2 from;
  void main() {
    vec2 at = place / screen * 2.0 - 1.0;
    gl_Position = vec4(at.x, -at.y, 0.0, 1.0);
    shade = color; from = spot / sheet;
  }`;
const PIECES = `
  precision highp float;
  varying vec4 shade; varying vec2 from; uniform sampler2D atlas;
  void main() {
    gl_FragColor = vec4(from.x < 0.0 ? shade.rgb : texture2D(atlas, from).rgb, 1.0) * shade.a;
  }`;

class GraphicsDrawing {
  // Null where the browser has no graphics, or none that take an atlas of this size.
  static on(canvas, largest) {
    const options = { antialias: false, premultipliedAlpha: true };
    const gl = canvas.getContext("webgl2", options) ?? canvas.getContext("webgl", options);
    if (!gl || gl.getParameter(gl.MAX_TEXTURE_SIZE) < largest) return null;
    try {
      return new GraphicsDrawing(canvas, gl);
    } catch {
      return null; // its driver takes none of our programs
    }
  }

  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.kind = "WebGL";
    this.points = program(gl, POINTS, SHADE);
    this.squares = program(gl, SQUARES, PIECES);
    this.buffers = Object.fromEntries(["places", "colors", "shapes", "corners"].map((name) => [name, gl.createBuffer()]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  setPlaces(places, shapes) {
    this.places = places;
    this.fill("places", places);
    this.fill("shapes", shapes);
  }

  // Four bytes per point; those without opacity are not drawn.
  setColors(colors) {
    this.colors = colors;
    this.fill("colors", colors);
  }

  setAtlas(bitmap, { columns, tile }) {
    const { gl } = this;
    this.columns = columns;
    this.tile = tile;
    this.sheet = [bitmap.width, bitmap.height];
    gl.bindTexture(gl.TEXTURE_2D, (this.texture ??= gl.createTexture()));
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    for (const name of ["TEXTURE_MIN_FILTER", "TEXTURE_MAG_FILTER"]) gl.texParameteri(gl.TEXTURE_2D, gl[name], gl.NEAREST);
    for (const name of ["TEXTURE_WRAP_S", "TEXTURE_WRAP_T"]) gl.texParameteri(gl.TEXTURE_2D, gl[name], gl.CLAMP_TO_EDGE);
  }

  fill(name, content) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, content, gl.DYNAMIC_DRAW);
  }

  draw(frame) {
    const { gl, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (frame.points) this.drawPoints(frame);
    if (frame.thumbs.length && this.texture) this.drawThumbs(frame);
  }

  drawPoints({ scale, left, top, size }) {
    const { gl, points } = this;
    gl.useProgram(points);
    gl.uniform2f(gl.getUniformLocation(points, "screen"), this.canvas.width, this.canvas.height);
    gl.uniform3f(gl.getUniformLocation(points, "view"), scale, left, top);
    gl.uniform1f(gl.getUniformLocation(points, "size"), size);
    this.attribute(points, "places", "place", 2, gl.FLOAT, 0, 0);
    this.attribute(points, "colors", "color", 4, gl.UNSIGNED_BYTE, 0, 0);
    this.attribute(points, "shapes", "shape", 1, gl.FLOAT, 0, 0);
    gl.drawArrays(gl.POINTS, 0, this.places.length / 2);
  }

  // Six corners for a frame in the class's colour and six for the picture, thumbnail by thumbnail so that a frame
  // covers what lies below it. Seven numbers a corner: the place, the spot in the atlas, and the colour as four bytes.
  drawThumbs({ thumbs, side, corner }) {
    const { gl, squares, columns, tile } = this;
    const corners = new ArrayBuffer(thumbs.length * 12 * 20);
    const numbers = new Float32Array(corners);
    const bytes = new Uint8Array(corners);
    const [width, height] = [side, Math.round((side * tile[1]) / tile[0])];
    let at = 0;
    const square = (left, top, across, down, spot, wide, high, index) => {
      for (const [right, below] of [[0, 0], [1, 0], [0, 1], [1, 0], [1, 1], [0, 1]]) {
        numbers[at] = left + right * across;
        numbers[at + 1] = top + below * down;
        numbers[at + 2] = spot[0] + right * wide;
        numbers[at + 3] = spot[1] + below * high;
        bytes.set(this.colors.subarray(4 * index, 4 * index + 3), 4 * (at + 4));
        bytes[4 * (at + 4) + 3] = opacityOfPicture(this.colors, index);
        at += 5;
      }
    };
    for (const index of thumbs) {
      const [left, top] = corner(index, width, height);
      square(left - FRAME, top - FRAME, width + 2 * FRAME, height + 2 * FRAME, [-1e6, 0], 0, 0, index);
      const spot = [(index % columns) * tile[0], Math.floor(index / columns) * tile[1]];
      square(left, top, width, height, spot, tile[0], tile[1], index);
    }
    this.fill("corners", corners);
    gl.useProgram(squares);
    gl.uniform2f(gl.getUniformLocation(squares, "screen"), this.canvas.width, this.canvas.height);
    gl.uniform2f(gl.getUniformLocation(squares, "sheet"), ...this.sheet);
    this.attribute(squares, "corners", "place", 2, gl.FLOAT, 20, 0);
    this.attribute(squares, "corners", "spot", 2, gl.FLOAT, 20, 8);
    this.attribute(squares, "corners", "color", 4, gl.UNSIGNED_BYTE, 20, 16);
    gl.drawArrays(gl.TRIANGLES, 0, thumbs.length * 12);
  }

  attribute(program, buffer, name, size, type, stride, offset) {
    const { gl } = this;
    const place = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[buffer]);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, type, type === gl.UNSIGNED_BYTE, stride, offset);
  }

  // A browser keeps few of them, so that one which is not shown any more must go.
  close() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

class PlainDrawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.kind = "canvas";
    this.context = canvas.getContext("2d");
  }

  setPlaces(places, shapes) {
    this.places = places;
    this.shapes = shapes;
  }

  setColors(colors) {
    this.colors = colors;
    this.groups = new Map(); // points by their colour, because a change of it takes time
    for (let index = 0; index < colors.length / 4; index++) {
      const [red, green, blue, opacity] = colors.subarray(4 * index, 4 * index + 4);
      if (!opacity) continue;
      const color = `rgba(${red}, ${green}, ${blue}, ${opacity / 255})`;
      if (!this.groups.has(color)) this.groups.set(color, []);
      this.groups.get(color).push(index);
    }
  }

  setAtlas(bitmap, { columns, tile }) {
    Object.assign(this, { bitmap, columns, tile });
  }

  draw(frame) {
    const { context, canvas } = this;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    if (frame.points) this.drawPoints(frame);
    if (this.bitmap) for (const index of frame.thumbs) this.thumb(index, frame);
    context.globalAlpha = 1;
  }

  // Small points are squares whatever their shape: ten thousand of them take a few milliseconds.
  drawPoints({ scale, left, top, size }) {
    const { context, canvas, places, shapes } = this;
    for (const [color, points] of this.groups) {
      context.fillStyle = context.strokeStyle = color;
      for (const index of points) {
        const [x, y] = [left + places[2 * index] * scale, top - places[2 * index + 1] * scale];
        if (x < -size || y < -size || x > canvas.width + size || y > canvas.height + size) continue;
        if (size < SMALL) context.fillRect(Math.round(x - size / 2), Math.round(y - size / 2), size, size);
        else drawMark(context, shapes[index], x, y, size);
      }
    }
  }

  thumb(index, { side, corner }) {
    const { context, columns, tile, bitmap } = this;
    const [width, height] = [side, Math.round((side * tile[1]) / tile[0])];
    const [left, top] = corner(index, width, height);
    const [red, green, blue] = this.colors.subarray(4 * index, 4 * index + 3);
    context.globalAlpha = opacityOfPicture(this.colors, index) / 255;
    context.fillStyle = `rgb(${red}, ${green}, ${blue})`;
    context.fillRect(left - FRAME, top - FRAME, width + 2 * FRAME, height + 2 * FRAME);
    const spot = [(index % columns) * tile[0], Math.floor(index / columns) * tile[1]];
    context.drawImage(bitmap, ...spot, ...tile, left, top, width, height);
  }

  close() {}
}

// Points may be seen through, pictures are exact; those outside the lasso are faint.
function opacityOfPicture(colors, index) {
  const opacity = colors[4 * index + 3];
  return opacity > FAINT ? 255 : opacity;
}

// A point of a shape around (x, y), in the context's colour.
function drawMark(context, shape, x, y, size) {
  const reach = size / 2;
  context.beginPath();
  if (shape === 1) context.rect(x - reach * 0.87, y - reach * 0.87, size * 0.87, size * 0.87);
  else if (shape === 3) {
    for (const [right, down] of [[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]]) context.lineTo(x + right * reach, y + down * reach);
    context.closePath();
  } else context.arc(x, y, shape === 2 ? reach * 0.78 : reach, 0, 2 * Math.PI);
  context.lineWidth = reach * 0.45;
  if (shape === 2) context.stroke();
  else context.fill();
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made) ?? "graphics lost");
  return made;
}
