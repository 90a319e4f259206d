import { describe, expect, it } from "vitest";
import { longest, standsOut } from "./emphasis";

const row = (
  modality: string,
  weight: number | null,
  neighbours: number | null,
  everyone: number | null = 1,
) => ({
  modality,
  weight,
  neighbours,
  everyone,
  share: modality === "acoustic" ? 0.7 : 0.1,
});

describe("what stands out", () => {
  it("is what is furthest from the neighbours, above or below", () => {
    expect(standsOut([row("visual", 1.1, 1), row("textual", 4, 1.25)])).toBe(
      "Cares more about Words than their neighbours: 4.00 against 1.25.",
    );
    expect(standsOut([row("visual", 0.2, 1), row("textual", 1, 1)])).toBe(
      "Cares less about Look than their neighbours: 0.20 against 1.00.",
    );
    expect(standsOut([row("visual", 0.2, 1), row("acoustic", 1, 1), row("textual", 1.5, 1)])).toBe(
      "Cares more about Words than their neighbours (1.50 against 1.00), and less about Look.",
    );
  });

  it("is set against everyone where there are no neighbours", () => {
    expect(standsOut([row("visual", 2, null)])).toContain("than most people");
  });

  it("may be nothing", () => {
    expect(standsOut([row("visual", 1.05, 1)])).toContain("as the people around them do");
    expect(standsOut([])).toBe("");
  });

  it("is the share that decides where the model has no weights", () => {
    expect(standsOut([row("visual", null, null, null), row("acoustic", null, null, null)])).toContain(
      "Sound decides",
    );
  });
});

it("one axis holds all weights", () => {
  expect(longest([row("visual", 1, 3), row("textual", 2, null, 4)])).toBe(4);
  expect(longest([row("visual", null, null, null)])).toBe(1);
});
