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

/** Three sizes of a dot, more when zoomed in; people are smaller, and diamonds. */
function size(view: View, watched: number, user: boolean, many: boolean): number {
  const base = user ? 1.3 : watched >= 100 ? 3 : watched >= 10 ? 2.4 : 1.9;
  return base * (many ? 0.82 : 1.15) * view.k ** 0.32;
}

/** A history longer than this is marked more lightly. */
const CROWD = 80;

type Resolve = (colour: string) => string;

/** Colours of custom properties, as they are now. */
export function resolver(element: Element): Resolve {
  const style = getComputedStyle(element);
  return (colour) => (colour.startsWith("--") ? style.getPropertyValue(colour).trim() || "#888" : colour);
}

function sprite(
  colour: string,
  edge: string,
  radius: number,
  user: boolean,
  ratio: number,
): HTMLCanvasElement {
  const reach = Math.ceil((radius + 1.5) * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * reach;
  canvas.height = 2 * reach;
  const pen = canvas.getContext("2d");
  if (!pen) return canvas;
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
  return canvas;
}

/** Draws everything; 16,000 points take a few milliseconds, since equal dots are drawn once and copied. */
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
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, view.wide * ratio, view.high * ratio);
  const { answer } = points;
  const many = points.count > 5000;
  const edge = resolve("--map-edge");
  const fills = colours.categories.map((one) => resolve(one.colour));
  const sprites = new Map<string, HTMLCanvasElement>();
  const marked = marks.history.length + marks.list.length > 0;
  for (const users of [true, false]) {
    pen.globalAlpha = users ? 0.55 : marked ? 0.8 : 0.92;
    for (let at = 0; at < points.count; at += 1) {
      if ((answer.kind[at] === "user") !== users || !seen(at)) continue;
      const [x, y] = toScreen(view, points.x[at] ?? 0, points.y[at] ?? 0);
      if (x < -9 || y < -9 || x > view.wide + 9 || y > view.high + 9) continue;
      const radius = size(view, answer.watched[at] ?? 0, users, many);
      const key = `${colours.of[at]} ${radius.toFixed(2)} ${users}`;
      let dot = sprites.get(key);
      if (!dot) {
        dot = sprite(fills[colours.of[at] ?? 0] ?? "#888", edge, radius, users, ratio);
        sprites.set(key, dot);
      }
      pen.drawImage(dot, Math.round(x * ratio - dot.width / 2), Math.round(y * ratio - dot.height / 2));
    }
  }
  pen.globalAlpha = 1;
  pen.scale(ratio, ratio);
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
