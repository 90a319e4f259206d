import { type Quadtree, quadtree } from "d3-quadtree";
import type { MapAnswer } from "../api/client";
import { listed, wordFor } from "../look/modality";
import { personName, videoName } from "../look/names";

export const COLOURINGS = ["coverage", "popularity", "cluster"] as const;
export type Colouring = (typeof COLOURINGS)[number];

/** The points of the map, in a square from 0 to 1. */
export interface Points {
  count: number;
  x: Float32Array;
  y: Float32Array;
  /** The place of a point by `item:ID` or `user:ID`. */
  byKey: Map<string, number>;
  tree: Quadtree<number>;
  answer: MapAnswer;
}

export function keyOf(answer: MapAnswer, at: number): string {
  return `${answer.kind[at]}:${answer.id[at]}`;
}

export function nameOf(answer: MapAnswer, at: number): string {
  const id = answer.id[at] ?? "";
  return answer.kind[at] === "user" ? personName(id) : videoName({ id, title: answer.title[at] });
}

/** Fits all points into the square with their proportions kept. */
export function pointsOf(answer: MapAnswer): Points {
  const count = answer.id.length;
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let at = 0; at < count; at += 1) {
    const [x, y] = [answer.x[at] ?? 0, answer.y[at] ?? 0];
    left = Math.min(left, x);
    right = Math.max(right, x);
    low = Math.min(low, y);
    high = Math.max(high, y);
  }
  const side = Math.max(right - left, high - low) || 1;
  const x = new Float32Array(count);
  const y = new Float32Array(count);
  const byKey = new Map<string, number>();
  for (let at = 0; at < count; at += 1) {
    x[at] = ((answer.x[at] ?? 0) - (left + right) / 2) / side + 0.5;
    y[at] = ((answer.y[at] ?? 0) - (low + high) / 2) / side + 0.5;
    byKey.set(keyOf(answer, at), at);
  }
  const tree = quadtree<number>()
    .x((at) => x[at] ?? 0)
    .y((at) => y[at] ?? 0)
    .addAll(Array.from({ length: count }, (_, at) => at));
  return { count, x, y, byKey, tree, answer };
}

export interface Category {
  name: string;
  /** A CSS colour, or the name of a custom property as `--look`. */
  colour: string;
  count: number;
}

export interface Colours {
  categories: Category[];
  /** By point its place in `categories`. */
  of: Uint8Array;
}

const PAIRS: Record<string, string> = {
  "visual acoustic": "--map-look-sound",
  "visual textual": "--map-look-words",
  "acoustic textual": "--map-sound-words",
};
const ONE: Record<string, string> = { visual: "--look", acoustic: "--sound", textual: "--words" };
const PEOPLE: Omit<Category, "count"> = { name: "People", colour: "--map-people" };

function coverage(mask: number, names: readonly string[]): Omit<Category, "count"> {
  if (mask < 0) return PEOPLE;
  const has = names.filter((_, bit) => mask & (1 << bit));
  if (has.length === 0) return { name: "None of them", colour: "--map-none" };
  if (has.length === names.length)
    return {
      name: names.length > 1 ? `${listed(has.map(wordFor))}` : `Has ${wordFor(has[0] ?? "")}`,
      colour: "--map-all",
    };
  const known = has.length === 1 ? ONE[has[0] ?? ""] : PAIRS[has.join(" ")];
  return {
    name: has.length === 1 ? `${wordFor(has[0] ?? "")} only` : listed(has.map(wordFor)),
    colour: known ?? `--map-step-${Math.min(6, has.length)}`,
  };
}

const STEPS = [1, 3, 10, 30, 100, 300];

function popularity(watched: number): Omit<Category, "count"> & { order: number } {
  const step = STEPS.filter((from) => watched >= from).length;
  if (step === 0) return { name: "nobody", colour: "--map-step-0", order: 0 };
  const from = STEPS[step - 1] ?? 0;
  const to = STEPS[step];
  return {
    name: to === undefined ? `${from} or more` : to - 1 === from ? `${from}` : `${from} to ${to - 1}`,
    colour: `--map-step-${step}`,
    order: step,
  };
}

/** The colour of each point, and what the colours mean. */
export function coloursOf(answer: MapAnswer, by: Colouring): Colours {
  const count = answer.id.length;
  const found = new Map<string, Category & { order: number }>();
  const keys: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const mask = answer.modalities[at] ?? 0;
    let one: Omit<Category, "count"> & { order: number };
    if (by === "coverage") {
      const bits = mask < 0 ? -1 : answer.names.filter((_, bit) => mask & (1 << bit)).length;
      one = { ...coverage(mask, answer.names), order: -bits * 256 + Math.max(0, mask) };
    } else if (by === "popularity") {
      one = mask < 0 ? { ...PEOPLE, order: STEPS.length + 1 } : popularity(answer.watched[at] ?? 0);
    } else {
      const cluster = answer.cluster[at] ?? 0;
      one = { name: `Cluster ${cluster + 1}`, colour: `--map-cluster-${cluster % 12}`, order: cluster };
    }
    const known = found.get(one.name);
    if (known) known.count += 1;
    else found.set(one.name, { ...one, count: 1 });
    keys.push(one.name);
  }
  const ordered = [...found.values()].sort((a, b) => a.order - b.order);
  const place = new Map(ordered.map((one, at) => [one.name, at]));
  const of = Uint8Array.from(keys, (key) => place.get(key) ?? 0);
  return { categories: ordered.map(({ name, colour, count }) => ({ name, colour, count })), of };
}

/** The nearest point that `seen` admits, within a distance in the units of the square. */
export function nearest(
  points: Points,
  x: number,
  y: number,
  within: number,
  seen: (at: number) => boolean,
): number | null {
  let best: number | null = null;
  let distance = within * within;
  points.tree.visit((node, x0, y0, x1, y1) => {
    const dx = Math.max(x0 - x, 0, x - x1);
    const dy = Math.max(y0 - y, 0, y - y1);
    if (dx * dx + dy * dy > distance) return true;
    if (!("length" in node) || !node.length) {
      let leaf: typeof node | undefined = node;
      while (leaf) {
        const at = (leaf as { data: number }).data;
        const gap = ((points.x[at] ?? 0) - x) ** 2 + ((points.y[at] ?? 0) - y) ** 2;
        if (gap <= distance && seen(at)) {
          distance = gap;
          best = at;
        }
        leaf = (leaf as { next?: typeof node }).next;
      }
    }
    return false;
  });
  return best;
}
