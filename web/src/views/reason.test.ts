import { expect, it } from "vitest";
import { reasonOf } from "./reason";

const ALL = ["visual", "acoustic", "textual"];

it("says what lifts a video, what it is like, and what holds it back", () => {
  const like = { textual: [{ id: 7, title: "Rain", score: 0.9 }] };
  expect(reasonOf({ lifts: { visual: -0.5, acoustic: 0.1, textual: 2.66 }, like, filled: [] }, ALL)).toBe(
    "What lifts it most is its words: +2.66 above the average video, much like “Rain”, which they watched. " +
      "What holds it back is its look (−0.50).",
  );
});

it("names an item without a title by its id", () => {
  const like = { visual: [{ id: 7, title: null, score: 0.9 }] };
  expect(reasonOf({ lifts: { visual: 1 }, like, filled: [] }, ALL)).toContain("“Video 7”");
});

it("does not make up what is not there", () => {
  expect(reasonOf({ lifts: {}, like: {}, filled: [] }, ALL)).toContain("ranked by who watched it");
  expect(reasonOf({ lifts: { visual: 0.01 }, like: {}, filled: [] }, ALL)).toContain(
    "Nothing about it stands out",
  );
  expect(reasonOf({ lifts: { visual: 1 }, like: {}, filled: ["visual"] }, ALL)).toContain(
    "lacks Look, which the model",
  );
});
