import { expect, it } from "vitest";
import { personName, videoName } from "./names";

it("a bare number is named for what it is; other ids and titles speak for themselves", () => {
  expect([personName(7), personName("7"), personName("anna")]).toEqual(["Person 7", "Person 7", "anna"]);
  expect(videoName({ id: 7, title: null })).toBe("Video 7");
  expect(videoName({ id: "clip-7", title: null })).toBe("clip-7");
  expect(videoName({ id: 7, title: "Rain" })).toBe("Rain");
});
