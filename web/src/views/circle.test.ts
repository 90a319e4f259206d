import { expect, it } from "vitest";
import { circleOf } from "./circle";

const card = (id: string) => ({
  id,
  title: null,
  modalities: [],
  watched_by: 1,
  media: null,
  tint: null,
  added: false,
});
const neighbour = (id: string, ...common: string[]) => ({ id, common, watched: 9, emphasis: {} });

it("people who share most stand beside each other, and no line leads nowhere", () => {
  const circle = circleOf(
    {
      neighbours: [neighbour("a", "1", "2"), neighbour("b", "3"), neighbour("c", "1", "2", "3")],
      items: ["1", "2", "3"].map(card),
    },
    12,
    12,
  );
  expect(circle.people.map((one) => one.id)).toEqual(["a", "c", "b"]);
  expect(circle.lines).toHaveLength(6);
  for (const line of circle.lines) {
    expect(circle.people[line.person]).toBeDefined();
    expect(circle.items[line.item]).toBeDefined();
  }
});

it("keeps the items that most have in common, and bears nobody", () => {
  const circle = circleOf(
    { neighbours: [neighbour("a", "1", "2"), neighbour("b", "2")], items: ["1", "2"].map(card) },
    2,
    1,
  );
  expect(circle.items.map((one) => one.id)).toEqual(["2"]);
  expect(circleOf({ neighbours: [], items: [] }, 5, 5)).toEqual({ people: [], items: [], lines: [] });
});
