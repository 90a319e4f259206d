/** A number from a text, the same everywhere (FNV-1a). */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    value ^= text.charCodeAt(at);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Palette {
  deep: string;
  ground: string;
  shape: string;
  light: string;
}

/**
 * Four colours from a place on the circle of hues; grey where there is none.
 *
 * Equal steps on the circle are equal steps for the eye (OKLCH), so near colours do mean alike items.
 */
export function palette(tint: number | null | undefined): Palette {
  const known = typeof tint === "number" && Number.isFinite(tint);
  const hue = known ? (((tint % 1) + 1) % 1) * 360 : 0;
  const at = (lightness: number, chroma: number, turn: number) =>
    `oklch(${lightness} ${known ? chroma : 0} ${((hue + turn + 360) % 360).toFixed(1)})`;
  return {
    deep: at(0.36, 0.1, 18),
    ground: at(0.52, 0.13, 0),
    shape: at(0.68, 0.14, -14),
    light: at(0.88, 0.08, -24),
  };
}
