import type { Explanation } from "../api/client";
import { listed, wordFor } from "../look/modality";
import { videoName } from "../look/names";
import { written } from "../score/parts";

/** What is too little to speak of. */
const LITTLE = 0.05;

/** The reason of a score as one would say it. */
export function reasonOf(
  why: Pick<Explanation, "lifts" | "like" | "filled">,
  all: readonly string[],
): string {
  const lifts = Object.entries(why.lifts).sort((a, b) => b[1] - a[1]);
  const strongest = lifts[0];
  const weakest = lifts[lifts.length - 1];
  const its = (name: string) => `its ${wordFor(name).toLowerCase()}`;
  const said: string[] = [];
  if (!strongest)
    said.push("Nothing is known of what it looks, sounds or reads like: it is ranked by who watched it.");
  else if (strongest[1] < LITTLE) said.push("Nothing about it stands out for them above the average video.");
  else {
    const like = why.like[strongest[0]]?.[0];
    const after = like ? `, much like “${videoName(like)}”, which they watched` : "";
    said.push(
      `What lifts it most is ${its(strongest[0])}: ${written(strongest[1], true)} above the average video${after}.`,
    );
  }
  if (weakest && weakest[1] < -LITTLE)
    said.push(`What holds it back is ${its(weakest[0])} (${written(weakest[1], true)}).`);
  const filled = why.filled.filter((name) => all.includes(name)).map(wordFor);
  if (filled.length) said.push(`It lacks ${listed(filled)}, which the model filled in.`);
  return said.join(" ");
}
