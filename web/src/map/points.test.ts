import { expect, it } from "vitest";
import type { MapAnswer } from "../api/client";
import { dice } from "../look/tint";
import { coloursOf, nearest, pointsOf } from "./points";

const answer: MapAnswer = {
  kind: ["item", "item", "item", "user"],
  id: ["a", 7, "c", 7],
  title: ["Rain", null, null, null],
  x: [-10, 10, 0, 0],
  y: [0, 0, 5, -5],
  modalities: [3, 1, 0, -1],
  watched: [0, 2, 400, 12],
  cluster: [0, 1, 0, 1],
  names: ["visual", "acoustic"],
  left_out: 0,
};

it("all points lie in the square, with their proportions kept", () => {
  const points = pointsOf(answer);
  expect([...points.x]).toEqual([0, 1, 0.5, 0.5]);
  expect([...points.y]).toEqual([0.5, 0.5, 0.75, 0.25]);
});

it("an item and a user of the same id are two", () => {
  const points = pointsOf(answer);
  expect(points.byKey.get("item:7")).toBe(1);
  expect(points.byKey.get("user:7")).toBe(3);
});

it("colours say which modalities there are, the fullest first, people apart", () => {
  const { categories, of } = coloursOf(answer, "coverage");
  expect(categories.map((one) => one.name)).toEqual([
    "Look and Sound",
    "Look only",
    "None of them",
    "People",
  ]);
  expect([...of]).toEqual([0, 1, 2, 3]);
  expect(new Set(categories.map((one) => one.colour)).size).toBe(4);
});

it("colours say how many watched, in steps", () => {
  const { categories } = coloursOf(answer, "popularity");
  expect(categories.map((one) => one.name)).toEqual(["nobody", "1 to 2", "300 or more", "People"]);
});

it("colours say which cluster, with how many in it", () => {
  expect(coloursOf(answer, "cluster").categories.map((one) => [one.name, one.count])).toEqual([
    ["Cluster 1", 2],
    ["Cluster 2", 2],
  ]);
});

it("the nearest point is the one that a search of all finds", () => {
  const roll = dice(5);
  const many = 400;
  const column = <T>(make: () => T) => Array.from({ length: many }, make);
  const points = pointsOf({
    ...answer,
    kind: column(() => "item" as const),
    id: column(roll),
    title: column(() => null),
    x: column(roll),
    y: column(roll),
  });
  const odd = (at: number) => at % 2 === 1;
  for (let round = 0; round < 50; round += 1) {
    const [x, y] = [roll(), roll()];
    const gaps = Array.from(points.x, (px, at) => ({ at, gap: Math.hypot(px - x, (points.y[at] ?? 0) - y) }));
    const [first] = gaps.filter(({ at, gap }) => odd(at) && gap <= 0.08).sort((a, b) => a.gap - b.gap);
    expect(nearest(points, x, y, 0.08, odd)).toBe(first?.at ?? null);
  }
});
