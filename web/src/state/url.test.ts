import { describe, expect, it } from "vitest";
import { HOME, readPlace, writePlace } from "./url";

describe("the address", () => {
  it("gives back the place that it was written from, whatever the ids hold", () => {
    const place = {
      view: "compare",
      user: "a b&c=d#?/é",
      item: "17",
      of: "b",
      run: "dual gnn",
      beside: "b",
      off: ["visual", "textual"],
      seen: true,
      colour: "cluster",
      at: "item:a:b",
    } as const;
    expect(readPlace(writePlace(place))).toEqual(place);
  });

  it("is short where nothing was chosen", () => {
    expect(writePlace(HOME)).toBe("#/person");
    expect(readPlace("")).toEqual(HOME);
    expect(readPlace("#")).toEqual(HOME);
  });

  it("passes over what it does not know", () => {
    expect(readPlace("#/nowhere?user=7&colourful=1")).toEqual({ ...HOME, user: "7" });
  });

  it("names a modality once", () => {
    expect(readPlace("#/person?off=visual&off=visual&off=").off).toEqual(["visual"]);
  });
});
