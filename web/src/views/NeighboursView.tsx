import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { ItemCard, ModelCard, Neighbourhood } from "../api/client";
import { neighbourhoodQuery } from "../api/queries";
import { colourOf, wordFor } from "../look/modality";
import { Thumbnail } from "../look/Thumbnail";
import { ItemTile } from "../parts/ItemTile";
import { Link } from "../parts/Link";
import { Empty, Failed, Loading } from "../parts/States";
import { written } from "../score/parts";
import { go, type Place } from "../state/url";
import { circleOf } from "./circle";
import { PersonHead } from "./PersonHead";

const ASKED = 30;
const DRAWN_PEOPLE = 12;
const DRAWN_ITEMS = 16;
const CHIPS = 6;
const TILES = 24;

/** The people who watched the same videos, what they have in common, and what they care about. */
export function NeighboursView({ place, user, model }: { place: Place; user: string; model: ModelCard }) {
  const all = model.modalities.map((modality) => modality.name);
  const asked = useQuery(neighbourhoodQuery(place.run, user, ASKED));
  const answer = asked.data;
  const count = answer?.neighbours.length ?? 0;
  return (
    <>
      <PersonHead
        place={place}
        user={user}
        what={answer ? `${count === ASKED ? `the ${ASKED} nearest` : count} who watched the same` : undefined}
      />
      {asked.isPending && <Loading what="Looking for people who watched the same…" />}
      {asked.error && <Failed error={asked.error} again={() => void asked.refetch()} />}
      {answer && count === 0 && (
        <Empty title="Nobody else watched these videos">
          <p>This person stands alone in the data. Choose somebody else to see a neighbourhood.</p>
        </Empty>
      )}
      {answer && count > 0 && (
        <div className="neighbours">
          <section className="panel neighbours-drawing" aria-labelledby="drawing-title">
            <h2 id="drawing-title">Who is linked by what</h2>
            <p className="fine">
              In the middle {user}; around them videos that they watched, and outside people who watched those
              too. Rings show what each person cares about. Click to go there; the table says the same.
            </p>
            <div className="circle-frame">
              <Drawing answer={answer} user={user} all={all} />
            </div>
          </section>
          <section className="panel" aria-labelledby="table-title">
            <h2 id="table-title">
              Neighbours <span className="count">{count}</span>
            </h2>
            <Table answer={answer} all={all} />
          </section>
          <section className="panel" aria-labelledby="common-title">
            <h2 id="common-title">
              Videos in common <span className="count">{answer.items.length}</span>
            </h2>
            <ul className="tiles tiles-wide">
              {[...answer.items]
                .sort((a, b) => shared(answer, b) - shared(answer, a))
                .slice(0, TILES)
                .map((item) => (
                  <li key={String(item.id)}>
                    <ItemTile item={item} all={all} note={`${shared(answer, item)} of ${count}`} />
                  </li>
                ))}
            </ul>
          </section>
        </div>
      )}
    </>
  );
}

function shared(answer: Neighbourhood, item: ItemCard): number {
  return answer.neighbours.filter((one) => one.common.some((id) => String(id) === String(item.id))).length;
}

const WIDE = 760;
const HIGH = 500;
const INNER = 100;
const OUTER = 196;

function at(angle: number, radius: number): [number, number] {
  return [WIDE / 2 + radius * 1.12 * Math.cos(angle), HIGH / 2 + radius * Math.sin(angle)];
}

/** A ring cut by what somebody cares about. */
function Ring({
  emphasis,
  all,
  radius,
}: {
  emphasis: Record<string, number>;
  all: readonly string[];
  radius: number;
}) {
  const values = all.map((name) => Math.max(0, emphasis[name] ?? 0));
  const total = values.reduce((sum, value) => sum + value, 0);
  const length = 2 * Math.PI * radius;
  let before = 0;
  return (
    <g transform="rotate(-90)" fill="none" strokeWidth="5">
      <circle r={radius} stroke="var(--line)" />
      {total > 0 &&
        all.map((name, place) => {
          const part = ((values[place] ?? 0) / total) * length;
          const drawn = (
            <circle
              key={name}
              r={radius}
              stroke={colourOf(name, all)}
              strokeDasharray={`${Math.max(0, part - 1)} ${length}`}
              strokeDashoffset={-before}
            />
          );
          before += part;
          return drawn;
        })}
    </g>
  );
}

function Drawing({ answer, user, all }: { answer: Neighbourhood; user: string; all: readonly string[] }) {
  const circle = useMemo(() => circleOf(answer, DRAWN_PEOPLE, DRAWN_ITEMS), [answer]);
  const [over, setOver] = useState<{ person?: number; item?: number } | null>(null);
  const cards = useMemo(() => new Map(answer.items.map((item) => [String(item.id), item])), [answer]);
  const people = useMemo(() => new Map(answer.neighbours.map((one) => [String(one.id), one])), [answer]);
  const lit = (line: { person: number; item: number }) =>
    over !== null && (over.person === line.person || over.item === line.item);
  return (
    <svg
      className={over ? "circle circle-over" : "circle"}
      viewBox={`0 0 ${WIDE} ${HIGH}`}
      role="img"
      aria-label={`${user}, ${circle.items.length} videos and ${circle.people.length} people who watched them; the table below lists them`}
    >
      <g className="circle-lines">
        {circle.items.map((item, place) => {
          const [x, y] = at(item.angle, INNER);
          return (
            <line
              key={item.id}
              x1={WIDE / 2}
              y1={HIGH / 2}
              x2={x}
              y2={y}
              className={over?.item === place ? "lit" : undefined}
            />
          );
        })}
        {circle.lines.map((line) => {
          const person = circle.people[line.person];
          const item = circle.items[line.item];
          if (!person || !item) return null;
          const [x1, y1] = at(item.angle, INNER);
          const [x2, y2] = at(person.angle, OUTER);
          const [cx, cy] = at(
            (person.angle + item.angle) / 2 + (Math.abs(person.angle - item.angle) > Math.PI ? Math.PI : 0),
            (INNER + OUTER) / 2,
          );
          return (
            <path
              key={`${person.id} ${item.id}`}
              d={`M${x1} ${y1}Q${cx} ${cy} ${x2} ${y2}`}
              className={lit(line) ? "lit" : undefined}
            />
          );
        })}
      </g>
      {circle.items.map((item, place) => {
        const [x, y] = at(item.angle, INNER);
        const card = cards.get(item.id);
        if (!card) return null;
        return (
          // biome-ignore lint/a11y/noStaticElementInteractions: the table below does the same by keyboard
          <g
            key={item.id}
            className="circle-item"
            transform={`translate(${x} ${y})`}
            onMouseEnter={() => setOver({ item: place })}
            onMouseLeave={() => setOver(null)}
            onClick={() => go({ item: item.id })}
          >
            <title>{card.title ?? item.id}</title>
            <foreignObject x="-17" y="-12" width="34" height="24">
              <span className="circle-thumb">
                <Thumbnail item={card} />
              </span>
            </foreignObject>
          </g>
        );
      })}
      <g transform={`translate(${WIDE / 2} ${HIGH / 2})`} className="circle-own">
        <circle r="26" fill="var(--surface)" />
        <Ring emphasis={answer.emphasis} all={all} radius={23} />
        <text y="42" textAnchor="middle">
          {user}
        </text>
      </g>
      {circle.people.map((spot, place) => {
        const [x, y] = at(spot.angle, OUTER);
        const person = people.get(spot.id);
        if (!person) return null;
        const cosine = Math.cos(spot.angle);
        const side = cosine > 0.25 ? "start" : cosine < -0.25 ? "end" : "middle";
        const shift = side === "start" ? 22 : side === "end" ? -22 : 0;
        const drop = side === "middle" ? (Math.sin(spot.angle) > 0 ? 32 : -24) : 0;
        return (
          // biome-ignore lint/a11y/noStaticElementInteractions: the table below does the same by keyboard
          <g
            key={spot.id}
            className="circle-person"
            transform={`translate(${x} ${y})`}
            onMouseEnter={() => setOver({ person: place })}
            onMouseLeave={() => setOver(null)}
            onClick={() => go({ user: spot.id, item: null })}
          >
            <title>{`${spot.id}: ${person.common.length} in common`}</title>
            <circle r="16" fill="var(--surface)" />
            <Ring emphasis={person.emphasis} all={all} radius={13} />
            <text className="circle-count" textAnchor="middle" dy="0.35em">
              {person.common.length}
            </text>
            <text x={shift} y={drop} dy="0.35em" textAnchor={side}>
              {spot.id}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function Table({ answer, all }: { answer: Neighbourhood; all: readonly string[] }) {
  const cards = new Map(answer.items.map((item) => [String(item.id), item]));
  const weighed = all.filter((name) => answer.neighbours.some((one) => name in one.emphasis));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="scroll" aria-label="Table of neighbours" tabIndex={0}>
      <table className="people">
        <thead>
          <tr>
            <th scope="col">Person</th>
            <th scope="col">In common</th>
            {weighed.map((name) => (
              <th scope="col" key={name} className="number">
                {wordFor(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr className="people-own">
            <th scope="row">{String(answer.user_id)}</th>
            <td className="muted">this person</td>
            {weighed.map((name) => (
              <td key={name} className="number">
                {name in answer.emphasis ? written(answer.emphasis[name] ?? 0) : "–"}
              </td>
            ))}
          </tr>
          {answer.neighbours.map((one) => (
            <tr key={String(one.id)}>
              <th scope="row">
                <Link to={{ user: String(one.id), item: null }}>{String(one.id)}</Link>
              </th>
              <td>
                <span className="chips">
                  <strong>{one.common.length}</strong>
                  <span className="muted"> of {one.watched}</span>
                  <span className="chips-pictures" aria-hidden="true">
                    {one.common.slice(0, CHIPS).map((id) => {
                      const card = cards.get(String(id));
                      return card ? (
                        <span key={String(id)} className="chip-picture" title={card.title ?? String(id)}>
                          <Thumbnail item={card} />
                        </span>
                      ) : null;
                    })}
                  </span>
                </span>
              </td>
              {weighed.map((name) => (
                <td key={name} className="number">
                  {name in one.emphasis ? written(one.emphasis[name] ?? 0) : "–"}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
