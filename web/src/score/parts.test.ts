import { describe, expect, it } from "vitest";
import { dice } from "../look/tint";
import { domainOf, partsOf, REST, type Scored, segmentsOf, written, writtenParts } from "./parts";

const MODALITIES = ["visual", "acoustic", "textual"];

describe("the parts of a score", () => {
  it("come in the order of the run, the rest last", () => {
    const item = { score: 5.25, parts: { acoustic: 3, visual: 2 }, rest: 0.25 };
    expect(partsOf(item, MODALITIES)).toEqual([
      { name: "visual", value: 2 },
      { name: "acoustic", value: 3 },
      { name: REST, value: 0.25 },
    ]);
  });

  it("leave out a rest that is nothing", () => {
    expect(partsOf({ score: 5, parts: { visual: 5 }, rest: 1e-9 }, MODALITIES)).toHaveLength(1);
  });

  it("stand one after the other, to the left of zero where they take away", () => {
    const bar = segmentsOf([
      { name: "visual", value: 2 },
      { name: "acoustic", value: -0.5 },
      { name: "textual", value: 1 },
      { name: REST, value: -0.25 },
    ]);
    expect(bar.map(({ from, to }) => [from, to])).toEqual([
      [0, 2],
      [-0.5, 0],
      [2, 3],
      [-0.75, -0.5],
    ]);
  });

  it("as a bar are as long as the score", () => {
    const roll = dice(1);
    for (let round = 0; round < 200; round += 1) {
      const parts = MODALITIES.map((name) => ({ name, value: roll() * 6 - 3 }));
      const bar = segmentsOf(parts);
      const right = Math.max(0, ...bar.map(({ to }) => to));
      const left = Math.min(0, ...bar.map(({ from }) => from));
      expect(right + left).toBeCloseTo(
        parts.reduce((sum, { value }) => sum + value, 0),
        10,
      );
    }
  });

  it("in writing add up to the score in writing, each less than a hundredth off", () => {
    const roll = dice(2);
    for (let round = 0; round < 500; round += 1) {
      const parts = MODALITIES.map((name) => ({ name, value: roll() * 8 - 2 }));
      const score = parts.reduce((sum, { value }) => sum + value, 0);
      const shown = writtenParts(parts, score);
      const total = shown.reduce((sum, { value }) => sum + value, 0);
      expect(total.toFixed(2)).toBe((Math.round(score * 100) / 100).toFixed(2));
      shown.forEach((part, at) => {
        expect(Math.abs(part.value - (parts[at]?.value ?? 0))).toBeLessThan(0.0100001);
      });
    }
  });

  it("of a list share one axis that holds zero", () => {
    const items: Scored[] = [
      { score: 1, parts: { visual: 2, acoustic: -1 }, rest: 0 },
      { score: 4, parts: { visual: 4 }, rest: 0 },
    ];
    expect(domainOf(items, MODALITIES)).toEqual({ low: -1, high: 4 });
    expect(domainOf([], MODALITIES)).toEqual({ low: 0, high: 1 });
  });
});

describe("a number", () => {
  it("is written with a true minus, and never as minus nothing", () => {
    expect(written(-1.5)).toBe("−1.50");
    expect(written(-0.001)).toBe("0.00");
    expect(written(1.5, true)).toBe("+1.50");
    expect(written(0, true)).toBe("0.00");
  });
});
