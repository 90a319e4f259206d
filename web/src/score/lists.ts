import type { Id } from "../api/client";

/** By id, how many places an item moved up (+) or down (−) from one list to another; null where it is new. */
export function movesBetween(
  before: readonly { id: Id }[],
  after: readonly { id: Id }[],
): Map<string, number | null> {
  const stood = new Map(before.map((item, place) => [String(item.id), place]));
  return new Map(
    after.map((item, place) => {
      const was = stood.get(String(item.id));
      return [String(item.id), was === undefined ? null : was - place];
    }),
  );
}

export interface Join {
  id: string;
  left: number;
  right: number;
}

/** The items that two lists share, with their places from 0. */
export function joined(left: readonly { id: Id }[], right: readonly { id: Id }[]): Join[] {
  const places = new Map(right.map((item, place) => [String(item.id), place]));
  return left.flatMap((item, place) => {
    const other = places.get(String(item.id));
    return other === undefined ? [] : [{ id: String(item.id), left: place, right: other }];
  });
}
