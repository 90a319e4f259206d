/** The key of what belongs to no modality. */
export const REST = "";

export interface Part {
  /** A modality, or REST. */
  name: string;
  value: number;
}

export interface Segment extends Part {
  /** Where it begins and ends on the axis of scores. */
  from: number;
  to: number;
}

export interface Scored {
  score: number;
  parts: Record<string, number>;
  rest: number;
}

/** Whether a part belongs to a modality that the item lacks: the model filled it in. */
export function isFilled(item: Pick<Scored, "parts"> & { modalities: readonly string[] }): boolean {
  return Object.keys(item.parts).some((name) => !item.modalities.includes(name));
}

/** The parts of a score in the order of the run's modalities, the rest last where there is any. */
export function partsOf(item: Scored, modalities: readonly string[]): Part[] {
  const named = modalities.filter((name) => name in item.parts);
  const unnamed = Object.keys(item.parts).filter((name) => !modalities.includes(name));
  const parts: Part[] = [...named, ...unnamed].map((name) => ({ name, value: item.parts[name] ?? 0 }));
  if (Math.abs(item.rest) >= 0.005) parts.push({ name: REST, value: item.rest });
  return parts;
}

/** Parts as lengths of a bar: what adds goes to the right of zero, what takes away to the left. */
export function segmentsOf(parts: readonly Part[]): Segment[] {
  let right = 0;
  let left = 0;
  return parts.map((part) => {
    const from = part.value < 0 ? left : right;
    const to = from + part.value;
    if (part.value < 0) left = to;
    else right = to;
    return { ...part, from: Math.min(from, to), to: Math.max(from, to) };
  });
}

export interface Domain {
  low: number;
  high: number;
}

/** One axis for all bars of a list, with zero on it. */
export function domainOf(items: readonly Scored[], modalities: readonly string[]): Domain {
  let low = 0;
  let high = 0;
  for (const item of items) {
    for (const segment of segmentsOf(partsOf(item, modalities))) {
      low = Math.min(low, segment.from);
      high = Math.max(high, segment.to);
    }
  }
  return high === low ? { low: 0, high: 1 } : { low, high };
}

/** A number as it is written everywhere: a true minus, two decimals, no minus before nothing. */
export function written(value: number, signed = false): string {
  const text = Math.abs(value).toFixed(2);
  if (Number(text) === 0) return text;
  if (value < 0) return `−${text}`;
  return signed ? `+${text}` : text;
}

/**
 * Parts in writing that add up to the score in writing.
 *
 * Numbers rounded one by one need not: 2.004 + 2.004 = 4.008 reads 2.00 + 2.00 = 4.01. The hundredth that is
 * left over goes to the part that rounding moved furthest the other way (largest remainder).
 */
export function writtenParts(parts: readonly Part[], score: number): Part[] {
  const exact = parts.map((part) => part.value * 100);
  const rounded = exact.map(Math.round);
  let over = Math.round(score * 100) - rounded.reduce((sum, value) => sum + value, 0);
  if (Math.abs(over) > parts.length)
    return parts.map((part, at) => ({ ...part, value: (rounded[at] ?? 0) / 100 }));
  const order = exact.map((_, at) => at).sort((a, b) => error(b) - error(a));
  function error(at: number): number {
    return ((exact[at] ?? 0) - (rounded[at] ?? 0)) * Math.sign(over);
  }
  for (const at of order) {
    if (over === 0) break;
    rounded[at] = (rounded[at] ?? 0) + Math.sign(over);
    over -= Math.sign(over);
  }
  return parts.map((part, at) => ({ ...part, value: (rounded[at] ?? 0) / 100 }));
}
