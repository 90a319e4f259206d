import type { Emphasis } from "../api/client";
import { wordFor } from "../look/modality";
import { written } from "../score/parts";

/** A weight this many times another is worth a word. */
const NOTABLE = 1.1;

/** The end of the axis that all emphases of somebody are drawn on. */
export function longest(rows: readonly Emphasis[]): number {
  const all = rows
    .flatMap((row) => [row.weight, row.neighbours, row.everyone])
    .filter((value) => value !== null);
  return Math.max(0, ...all) || 1;
}

interface Compared {
  modality: string;
  weight: number;
  others: number;
  whose: string;
}

/**
 * What stands out, in a sentence: the modalities whose weights are furthest above and below those of the
 * neighbours, or of everyone where there are no neighbours; for models without weights the one that decides most.
 */
export function standsOut(rows: readonly Emphasis[]): string {
  const compared = rows.flatMap((row): Compared[] => {
    const others = row.neighbours ?? row.everyone;
    if (row.weight === null || others === null || others <= 0 || row.weight <= 0) return [];
    const whose = row.neighbours === null ? "most people" : "their neighbours";
    return [{ modality: row.modality, weight: row.weight, others, whose }];
  });
  if (compared.length === 0) {
    const [first] = [...rows].sort((a, b) => b.share - a.share);
    return first ? `${wordFor(first.modality)} decides most of what comes first for them.` : "";
  }
  const ratio = (one: Compared) => one.weight / one.others;
  compared.sort((a, b) => ratio(b) - ratio(a));
  const [high, low] = [compared[0], compared[compared.length - 1]];
  const numbers = (one: Compared) => `${written(one.weight)} against ${written(one.others)}`;
  const more = high && ratio(high) > NOTABLE ? high : undefined;
  const less = low && ratio(low) < 1 / NOTABLE ? low : undefined;
  if (more && less)
    return `Cares more about ${wordFor(more.modality)} than ${more.whose} (${numbers(more)}), and less about ${wordFor(less.modality)}.`;
  const one = more ?? less;
  if (!one) return "Cares about each much as the people around them do.";
  return `Cares ${more ? "more" : "less"} about ${wordFor(one.modality)} than ${one.whose}: ${numbers(one)}.`;
}
