import type { Colours, Points } from "./points";

export interface View {
  wide: number;
  high: number;
  /** Of d3-zoom: screen = k * plane + (x, y). */
  x: number;
  y: number;
  k: number;
}

/** Marks above the points: somebody, what they watched, what they would be shown, and what is chosen. */
export interface Marks {
  own: number | null;
  history: readonly number[];
  list: readonly number[];
  chosen: number | null;
  /** What the pointer is over, or the keyboard aims at. */
  over: number | null;
}

/** Where the square of the map begins, and how long its side is, before zooming. */
export function square(view: { wide: number; high: number }): { left: number; top: number; side: number } {
  const side = Math.max(1, Math.min(view.wide, view.high) - 48);
  return { left: (view.wide - side) / 2, top: (view.high - side) / 2, side };
}

export function toScreen(view: View, x: number, y: number): [number, number] {
  const { left, top, side } = square(view);
  return [view.k * (left + x * side) + view.x, view.k * (top + y * side) + view.y];
}

export function toSquare(view: View, x: number, y: number): [number, number] {
  const { left, top, side } = square(view);
  return [((x - view.x) / view.k - left) / side, ((y - view.y) / view.k - top) / side];
}

/** How large dots are, by how many watched; people are smaller, and diamonds. */
const SIZES = [1.3, 1.9, 2.4, 3];

function sizeOf(watched: number, user: boolean): number {
  if (user) return 0;
  return watched >= 100 ? 3 : watched >= 10 ? 2 : 1;
}

/** A history longer than this is marked more lightly. */
const CROWD = 80;

type Resolve = (colour: string) => string;

/** Colours of custom properties, as they are now. */
export function resolver(element: Element): Resolve {
  const style = getComputedStyle(element);
  return (colour) => (colour.startsWith("--") ? style.getPropertyValue(colour).trim() || "#888" : colour);
}

/** The pixels of a dot: a square of `side` by `side`, four bytes each. */
interface Dot {
  side: number;
  pixels: Uint8ClampedArray;
}

const dots = new Map<string, Dot>();

/** A dot, drawn once. */
function dot(colour: string, edge: string, radius: number, user: boolean, ratio: number): Dot {
  const key = `${colour} ${edge} ${radius} ${user} ${ratio}`;
  const known = dots.get(key);
  if (known) return known;
  if (dots.size > 2000) dots.clear();
  const reach = Math.ceil((radius + 1.5) * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * reach;
  canvas.height = 2 * reach;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) return { side: 0, pixels: new Uint8ClampedArray() };
  pen.translate(reach, reach);
  pen.scale(ratio, ratio);
  pen.beginPath();
  if (user) {
    const corner = radius * 1.3;
    pen.moveTo(0, -corner);
    pen.lineTo(corner, 0);
    pen.lineTo(0, corner);
    pen.lineTo(-corner, 0);
    pen.closePath();
  } else pen.arc(0, 0, radius, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
  if (radius > 2.2) {
    pen.strokeStyle = edge;
    pen.lineWidth = 0.8;
    pen.stroke();
  }
  const made = { side: 2 * reach, pixels: pen.getImageData(0, 0, 2 * reach, 2 * reach).data };
  dots.set(key, made);
  return made;
}

/** Lays a dot over a picture; `alpha` is of 256. */
function lay(over: Dot, picture: ImageData, left: number, top: number, alpha: number): void {
  const { side, pixels } = over;
  const { width, height, data } = picture;
  const [firstX, lastX] = [Math.max(0, -left), Math.min(side, width - left)];
  const [firstY, lastY] = [Math.max(0, -top), Math.min(side, height - top)];
  for (let y = firstY; y < lastY; y += 1) {
    let from = 4 * (y * side + firstX);
    let to = 4 * ((top + y) * width + left + firstX);
    for (let x = firstX; x < lastX; x += 1, from += 4, to += 4) {
      const weight = ((pixels[from + 3] as number) * alpha) >> 8;
      if (weight === 0) continue;
      for (let channel = 0; channel < 3; channel += 1) {
        const below = data[to + channel] as number;
        data[to + channel] = below + ((((pixels[from + channel] as number) - below) * weight) >> 8);
      }
    }
  }
}

const pictures = new WeakMap<CanvasRenderingContext2D, ImageData>();

/** A picture as large as the canvas, all of one colour. */
function blank(pen: CanvasRenderingContext2D, colour: string): ImageData {
  const { width, height } = pen.canvas;
  let picture = pictures.get(pen);
  if (!picture || picture.width !== width || picture.height !== height) {
    picture = pen.createImageData(width, height);
    pictures.set(pen, picture);
  }
  pen.fillStyle = colour;
  const hex = Number.parseInt(String(pen.fillStyle).slice(1), 16); // a canvas gives #rrggbb back
  const { data } = picture;
  data.set([hex >> 16, (hex >> 8) & 255, hex & 255, 255]);
  const four = new Uint32Array(data.buffer);
  four.fill(four[0] as number);
  return picture;
}

/** What the point of a frame needs, worked out once: its dot, by colour and size. */
interface Prepared {
  user: Uint8Array;
  /** Place in the table of dots. */
  dot: Uint8Array;
}

const prepared = new WeakMap<Colours, Prepared>();

function prepare(points: Points, colours: Colours): Prepared {
  const known = prepared.get(colours);
  if (known) return known;
  const { answer, count } = points;
  const made = { user: new Uint8Array(count), dot: new Uint8Array(count) };
  for (let at = 0; at < count; at += 1) {
    const user = answer.kind[at] === "user";
    made.user[at] = user ? 1 : 0;
    made.dot[at] = (colours.of[at] ?? 0) * SIZES.length + sizeOf(answer.watched[at] ?? 0, user);
  }
  prepared.set(colours, made);
  return made;
}

/**
 * Draws everything, people below videos.
 *
 * Dots are laid pixel by pixel: 16,000 of them take a few milliseconds anywhere, where as many calls that draw
 * one take a hundred without a graphics card.
 */
export function draw(
  pen: CanvasRenderingContext2D,
  ratio: number,
  view: View,
  points: Points,
  colours: Colours,
  seen: (at: number) => boolean,
  marks: Marks,
  resolve: Resolve,
): void {
  const { width, height } = pen.canvas;
  if (width === 0 || height === 0) return;
  const picture = blank(pen, resolve("--surface"));
  const { user, dot: dotOf } = prepare(points, colours);
  const edge = resolve("--map-edge");
  const grown = (points.count > 5000 ? 0.82 : 1.15) * view.k ** 0.32;
  const table = colours.categories.flatMap((one) => {
    const fill = resolve(one.colour);
    return SIZES.map((size, place) => dot(fill, edge, Math.round(size * grown * 8) / 8, place === 0, ratio));
  });
  const { left, top, side } = square(view);
  const scale = view.k * side * ratio;
  const [right, down] = [(view.k * left + view.x) * ratio, (view.k * top + view.y) * ratio];
  const margin = 12 * ratio;
  for (const users of [1, 0]) {
    for (let at = 0; at < points.count; at += 1) {
      if (user[at] !== users) continue;
      const x = (points.x[at] ?? 0) * scale + right;
      const y = (points.y[at] ?? 0) * scale + down;
      if (x < -margin || y < -margin || x > width + margin || y > height + margin || !seen(at)) continue;
      const one = table[dotOf[at] ?? 0];
      if (one)
        lay(one, picture, Math.round(x - one.side / 2), Math.round(y - one.side / 2), users ? 150 : 236);
    }
  }
  pen.putImageData(picture, 0, 0);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawMarks(pen, view, points, marks, resolve);
}

function drawMarks(
  pen: CanvasRenderingContext2D,
  view: View,
  points: Points,
  marks: Marks,
  resolve: Resolve,
): void {
  const ink = resolve("--ink");
  const paper = resolve("--surface");
  const where = (at: number) => toScreen(view, points.x[at] ?? 0, points.y[at] ?? 0);
  const ring = (at: number, radius: number, width: number) => {
    const [x, y] = where(at);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.strokeStyle = paper;
    pen.lineWidth = width + 2.5;
    pen.stroke();
    pen.strokeStyle = ink;
    pen.lineWidth = width;
    pen.stroke();
  };
  if (marks.history.length <= CROWD) for (const at of marks.history) ring(at, 5.5, 1.6);
  else {
    pen.globalAlpha = 0.6;
    pen.strokeStyle = ink;
    pen.lineWidth = 1;
    for (const at of marks.history) {
      const [x, y] = where(at);
      pen.beginPath();
      pen.arc(x, y, 3.6, 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }
  pen.font = "600 10px 'Inter Variable', system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  [...marks.list].reverse().forEach((at, back) => {
    const [x, y] = where(at);
    pen.beginPath();
    pen.arc(x, y, 8.5, 0, 2 * Math.PI);
    pen.fillStyle = ink;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = paper;
    pen.stroke();
    pen.fillStyle = paper;
    pen.fillText(String(marks.list.length - back), x, y + 0.5);
  });
  if (marks.own !== null) {
    const [x, y] = where(marks.own);
    pen.save();
    pen.translate(x, y);
    pen.rotate(Math.PI / 4);
    pen.fillStyle = ink;
    pen.strokeStyle = paper;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.rect(-6.5, -6.5, 13, 13);
    pen.fill();
    pen.stroke();
    pen.restore();
  }
  if (marks.over !== null) ring(marks.over, 8, 1.5);
  if (marks.chosen !== null) ring(marks.chosen, 12, 2.5);
}
