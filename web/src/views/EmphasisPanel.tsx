import type { Emphasis } from "../api/client";
import { Icon } from "../look/Icon";
import { colourOf, wordFor } from "../look/modality";
import { written } from "../score/parts";
import { longest, standsOut } from "./emphasis";

function Bar({
  who,
  value,
  end,
  colour,
  kind,
}: {
  who: string;
  value: number | null;
  end: number;
  colour: string;
  kind: string;
}) {
  if (value === null) return null;
  return (
    <div className={`weight weight-${kind}`}>
      <dt>{who}</dt>
      <dd>
        <span className="weight-track">
          <span
            className="weight-bar"
            style={{ width: `${Math.max(1, (100 * value) / end)}%`, backgroundColor: colour }}
          />
        </span>
        <span className="weight-number">{written(value)}</span>
      </dd>
    </div>
  );
}

/** How much somebody cares about each modality, beside their neighbours and everyone. */
export function EmphasisPanel({ user, rows }: { user: string; rows: readonly Emphasis[] }) {
  if (rows.length === 0)
    return <p className="muted">This model knows no modalities: it goes by what was watched alone.</p>;
  const names = rows.map((row) => row.modality);
  const end = longest(rows);
  const weighted = rows.some((row) => row.weight !== null);
  return (
    <>
      <p className="lead">{standsOut(rows)}</p>
      <div className="emphasis">
        {rows.map((row) => {
          const colour = colourOf(row.modality, names);
          return (
            <section key={row.modality} aria-label={wordFor(row.modality)} data-modality={row.modality}>
              <h3>
                <span style={{ color: colour }}>
                  <Icon name={row.modality} />
                </span>
                {wordFor(row.modality)}
                <span
                  className="muted"
                  title="The part of all differences between this person's scores that it makes"
                >
                  decides {Math.round(100 * row.share)} %
                </span>
              </h3>
              <dl>
                {weighted ? (
                  <>
                    <Bar who={user} value={row.weight} end={end} colour={colour} kind="own" />
                    <Bar
                      who="Neighbours"
                      value={row.neighbours}
                      end={end}
                      colour={colour}
                      kind="neighbours"
                    />
                    <Bar who="Everyone" value={row.everyone} end={end} colour="var(--rest)" kind="everyone" />
                  </>
                ) : (
                  <Bar who="Decides" value={row.share} end={1} colour={colour} kind="own" />
                )}
              </dl>
            </section>
          );
        })}
      </div>
      <p className="fine">
        Neighbours are people who watched the same videos. <em>Decides</em> is the part of all differences
        between this person’s scores that comes from it.
      </p>
    </>
  );
}
