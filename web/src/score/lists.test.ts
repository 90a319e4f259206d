import { describe, expect, it } from "vitest";
import { joined, movesBetween } from "./lists";

const list = (...ids: (string | number)[]) => ids.map((id) => ({ id }));

describe("two lists", () => {
  it("say how far each item moved", () => {
    const moves = movesBetween(list("a", "b", "c"), list("c", "a", "x"));
    expect([...moves]).toEqual([
      ["c", 2],
      ["a", -1],
      ["x", null],
    ]);
  });

  it("share items, whose ids may be numbers", () => {
    expect(joined(list(1, 2, 3), list(3, 9, 1))).toEqual([
      { id: "1", left: 0, right: 2 },
      { id: "3", left: 2, right: 0 },
    ]);
  });
});
