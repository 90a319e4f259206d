import { expect, it } from "vitest";
import { runTitle } from "./runs";

const run = (name: string, model: string, folder: string) => ({ name, model, folder });

it("a run is called by its model, and by its folder too where that does not tell it apart", () => {
  const [one, other, third] = [
    run("main", "reelmix", "a"),
    run("beside", "dualgnn", "b"),
    run("more", "reelmix", "c"),
  ];
  expect(runTitle(one, [one, other])).toBe("Reelmix");
  expect(runTitle(other, [one, other])).toBe("DualGNN");
  expect(runTitle(third, [one, other, third])).toBe("Reelmix (c)");
  expect(runTitle(run("x", "of-tomorrow", "x"), [])).toBe("of-tomorrow");
});
