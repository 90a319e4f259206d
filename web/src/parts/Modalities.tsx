import { Icon } from "../look/Icon";
import { colourOf, listed, wordFor } from "../look/modality";

/** Which modalities an item has: those that it lacks are crossed out. */
export function Modalities({ has, all }: { has: readonly string[]; all: readonly string[] }) {
  const there = all.filter((name) => has.includes(name)).map(wordFor);
  const missing = all.filter((name) => !has.includes(name)).map(wordFor);
  const said = [
    there.length ? `Has ${listed(there)}` : "Has none",
    missing.length ? `lacks ${listed(missing)}` : "",
  ]
    .filter(Boolean)
    .join("; ");
  return (
    <span className="modalities" role="img" aria-label={said} title={said}>
      {all.map((name) => (
        <span
          key={name}
          className={has.includes(name) ? "modality" : "modality modality-missing"}
          style={{ color: has.includes(name) ? colourOf(name, all) : undefined }}
        >
          <Icon name={name} size={14} />
        </span>
      ))}
    </span>
  );
}
