import { describe, expect, it } from "vitest";
import { colourOf, listed, wordFor } from "./modality";
import { dice, hash, palette } from "./tint";

const hueOf = (colour: string) => Number(colour.match(/([\d.]+)\)$/)?.[1]);

describe("the colour of a thumbnail", () => {
  it("goes once around the circle", () => {
    expect(hueOf(palette(0).ground)).toBe(0);
    expect(hueOf(palette(0.25).ground)).toBe(90);
    expect(hueOf(palette(0.5).ground)).toBe(180);
    expect(palette(1).ground).toBe(palette(0).ground);
  });

  it("is near for near tints, across the end of the circle too", () => {
    const apart = Math.abs(hueOf(palette(0.99).ground) - hueOf(palette(0.01).ground));
    expect(Math.min(apart, 360 - apart)).toBeCloseTo(7.2, 5);
  });

  it("is grey where nothing is known", () => {
    for (const unknown of [null, undefined, Number.NaN]) expect(palette(unknown).ground).toContain(" 0 ");
  });
});

describe("the pattern of a thumbnail", () => {
  it("follows from the id alone", () => {
    expect(hash("reel-17")).toBe(hash("reel-17"));
    expect(hash("reel-17")).not.toBe(hash("reel-71"));
    expect(hash("")).toBe(0x811c9dc5);
  });

  it("rolls numbers from 0 to 1, again and again the same", () => {
    const [one, other] = [dice(7), dice(7)];
    const rolled = Array.from({ length: 200 }, one);
    expect(rolled).toEqual(Array.from({ length: 200 }, other));
    expect(rolled.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(rolled).size).toBe(200);
  });
});

describe("modalities", () => {
  it("have words that everybody knows, and their own names otherwise", () => {
    expect(["visual", "acoustic", "textual", "depth"].map(wordFor)).toEqual([
      "Look",
      "Sound",
      "Words",
      "Depth",
    ]);
  });

  it("keep their colours whichever others there are", () => {
    expect(colourOf("visual", ["visual"])).toBe(colourOf("visual", ["depth", "visual"]));
    expect(colourOf("depth", ["depth", "heat"])).not.toBe(colourOf("heat", ["depth", "heat"]));
  });

  it("are listed as one says them", () => {
    expect(listed([])).toBe("");
    expect(listed(["Look"])).toBe("Look");
    expect(listed(["Look", "Sound", "Words"])).toBe("Look, Sound and Words");
  });
});
