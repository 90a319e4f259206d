import { colourOf, wordFor } from "../look/modality";
import {
  type Domain,
  type Part,
  partsOf,
  REST,
  type Scored,
  segmentsOf,
  written,
  writtenParts,
} from "./parts";

export const REST_WORD = "The rest";
export const REST_MEANS = "who watches it and how popular it is: what belongs to no modality";

export function partColour(name: string, all: readonly string[]): string {
  return name === REST ? "var(--rest)" : colourOf(name, all);
}

export function partWord(name: string): string {
  return name === REST ? REST_WORD : wordFor(name);
}

/** "Look 2.00, Sound 3.00, The rest 0.25". */
export function spoken(parts: readonly Part[]): string {
  return parts.map((part) => `${partWord(part.name)} ${written(part.value)}`).join(", ");
}

interface Shown {
  item: Scored & { modalities?: readonly string[] };
  all: readonly string[];
  domain: Domain;
}

/** The parts of a score as one bar from zero. The words for it stand in ScoreTable, or in a label. */
export function ScoreBar({ item, all, domain }: Shown) {
  const span = domain.high - domain.low;
  const at = (value: number) => `${(((value - domain.low) / span) * 100).toFixed(2)}%`;
  const wide = (value: number) => `${((value / span) * 100).toFixed(2)}%`;
  return (
    <span className="scorebar" aria-hidden="true">
      {segmentsOf(partsOf(item, all)).map((segment) => (
        <span
          key={segment.name}
          className={
            segment.name !== REST && item.modalities && !item.modalities.includes(segment.name)
              ? "scorebar-part scorebar-filled"
              : "scorebar-part"
          }
          style={{
            left: at(segment.from),
            width: wide(segment.to - segment.from),
            backgroundColor: partColour(segment.name, all),
          }}
        />
      ))}
      <span className="scorebar-zero" style={{ left: at(0) }} />
    </span>
  );
}

/** The same in numbers, with their sum. */
export function ScoreTable({ item, all }: Omit<Shown, "domain">) {
  const parts = writtenParts(partsOf(item, all), item.score);
  return (
    <table className="scoretable">
      <caption className="unseen">Parts of the score</caption>
      <tbody>
        {parts.map((part) => (
          <tr key={part.name} data-part={part.name || "rest"}>
            <th scope="row">
              <span className="dot" style={{ backgroundColor: partColour(part.name, all) }} />
              {partWord(part.name)}
              {part.name !== REST && item.modalities && !item.modalities.includes(part.name)
                ? " (filled in)"
                : ""}
            </th>
            <td>{written(part.value, true)}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr data-part="sum">
          <th scope="row">Score</th>
          <td>{written(item.score)}</td>
        </tr>
      </tfoot>
    </table>
  );
}

/** Which colour is which. */
export function Legend({ all, filled = false }: { all: readonly string[]; filled?: boolean }) {
  return (
    <ul className="legend" aria-label="Colours of the parts of a score">
      {all.map((name) => (
        <li key={name}>
          <span className="dot" style={{ backgroundColor: colourOf(name, all) }} />
          {wordFor(name)}
        </li>
      ))}
      <li title={REST_MEANS}>
        <span className="dot" style={{ backgroundColor: "var(--rest)" }} />
        {REST_WORD} <span className="muted">(who watches it, how popular it is)</span>
      </li>
      {filled && (
        <li>
          <span className="dot dot-filled" />
          Missing, filled in by the model
        </li>
      )}
    </ul>
  );
}
