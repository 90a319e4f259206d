import type { Neighbourhood } from "../api/client";

export interface Spot {
  id: string;
  angle: number;
}

export interface Circle {
  /** The people, on the outer circle. */
  people: Spot[];
  /** The items in common, on the inner one. */
  items: Spot[];
  /** Who watched what: places in `people` and `items`. */
  lines: { person: number; item: number }[];
}

/**
 * Puts neighbours and the items in common on two circles so that few lines cross.
 *
 * People who share most stand beside each other (a greedy chain); an item stands where its people are.
 */
export function circleOf(
  answer: Pick<Neighbourhood, "neighbours" | "items">,
  people: number,
  items: number,
): Circle {
  const shown = answer.neighbours
    .slice(0, people)
    .map((one) => ({ id: String(one.id), common: new Set(one.common.map(String)) }));
  const chain = shown.splice(0, 1);
  while (shown.length > 0) {
    const last = chain[chain.length - 1];
    const share = (one: { common: Set<string> }) =>
      [...one.common].filter((id) => last?.common.has(id)).length;
    let best = 0;
    shown.forEach((one, at) => {
      if (share(one) > share(shown[best] ?? one)) best = at;
    });
    chain.push(...shown.splice(best, 1));
  }
  const spots = chain.map((one, at) => ({
    id: one.id,
    angle: (2 * Math.PI * at) / chain.length - Math.PI / 2,
  }));

  const watchers = new Map<string, number[]>();
  chain.forEach((one, at) => {
    for (const id of one.common) watchers.set(id, [...(watchers.get(id) ?? []), at]);
  });
  const named = answer.items.map((item) => String(item.id)).filter((id) => watchers.has(id));
  const kept = named
    .sort((a, b) => (watchers.get(b)?.length ?? 0) - (watchers.get(a)?.length ?? 0))
    .slice(0, items)
    .map((id) => {
      const angles = (watchers.get(id) ?? []).map((at) => spots[at]?.angle ?? 0);
      const x = angles.reduce((sum, angle) => sum + Math.cos(angle), 0);
      const y = angles.reduce((sum, angle) => sum + Math.sin(angle), 0);
      return { id, angle: Math.atan2(y, x) };
    })
    .sort((a, b) => a.angle - b.angle);
  const start = kept[0]?.angle ?? 0;
  const placed = kept.map((one, at) => ({ id: one.id, angle: start + (2 * Math.PI * at) / kept.length }));
  const lines = placed.flatMap((item, place) =>
    (watchers.get(item.id) ?? []).map((person) => ({ person, item: place })),
  );
  return { people: spots, items: placed, lines };
}
