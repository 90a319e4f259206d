import type { Emphasis } from "../api/client";
import { wordFor } from "../look/modality";
import { written } from "../score/parts";

/** The end of the axis that all emphases of somebody are drawn on. */
export function longest(rows: readonly Emphasis[]): number {
  const all = rows
    .flatMap((row) => [row.weight, row.neighbours, row.everyone])
    .filter((value) => value !== null);
  return Math.max(0, ...all) || 1;
}

/**
 * What stands out, in a sentence: the modality whose weight is furthest from that of the neighbours, or of
 * everyone where there are no neighbours; for models without weights the one that decides most.
 */
export function standsOut(rows: readonly Emphasis[]): string {
  const compared = rows.flatMap((row) => {
    const others = row.neighbours ?? row.everyone;
    if (row.weight === null || others === null || others <= 0 || row.weight <= 0) return [];
    return [
      {
        ...row,
        weight: row.weight,
        others,
        whose: row.neighbours === null ? "everyone" : "their neighbours",
      },
    ];
  });
  const [most] = compared.sort(
    (a, b) => Math.abs(Math.log(b.weight / b.others)) - Math.abs(Math.log(a.weight / a.others)),
  );
  if (most) {
    const ratio = most.weight / most.others;
    if (Math.abs(Math.log(ratio)) < Math.log(1.1))
      return "Cares about each much as the people around them do.";
    const verb = ratio > 1 ? "more" : "less";
    return `Cares ${verb} about ${wordFor(most.modality)} than ${most.whose}: ${written(most.weight)} against ${written(most.others)}.`;
  }
  const [first] = [...rows].sort((a, b) => b.share - a.share);
  return first ? `${wordFor(first.modality)} decides most of what comes first for them.` : "";
}
