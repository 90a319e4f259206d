const WORDS: Record<string, string> = { visual: "Look", acoustic: "Sound", textual: "Words" };
const COLOURS: Record<string, string> = {
  visual: "var(--look)",
  acoustic: "var(--sound)",
  textual: "var(--words)",
};
const OTHERS = ["var(--other-1)", "var(--other-2)", "var(--other-3)"];

/** What a modality is called on the page. */
export function wordFor(modality: string): string {
  return WORDS[modality] ?? modality.charAt(0).toUpperCase() + modality.slice(1);
}

/** Its colour, the same everywhere; modalities of other names share out three further ones in their order. */
export function colourOf(modality: string, all: readonly string[]): string {
  const known = COLOURS[modality];
  if (known) return known;
  const place = all.filter((name) => !(name in COLOURS)).indexOf(modality);
  return OTHERS[Math.max(0, place) % OTHERS.length] ?? "var(--rest)";
}

/** "Look, Sound and Words". */
export function listed(words: readonly string[], and = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${and} ${words[words.length - 1]}`;
}
