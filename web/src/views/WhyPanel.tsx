import { useQuery } from "@tanstack/react-query";
import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import type { Explanation, Reason } from "../api/client";
import { explanationQuery, similarItemsQuery } from "../api/queries";
import { Icon } from "../look/Icon";
import { colourOf, wordFor } from "../look/modality";
import { personName, videoName } from "../look/names";
import { Thumbnail } from "../look/Thumbnail";
import { ItemTile } from "../parts/ItemTile";
import { Link } from "../parts/Link";
import { Modalities } from "../parts/Modalities";
import { Failed, Loading } from "../parts/States";
import { domainOf, partsOf, REST, written, writtenParts } from "../score/parts";
import { partColour, partWord, REST_MEANS, ScoreBar } from "../score/ScoreBar";
import { go, type Place } from "../state/url";
import { reasonOf } from "./reason";

const NAMED = 6;

/** Why a video has its score for somebody: a sheet over the page. */
export function WhyPanel({
  place,
  user,
  item,
  all,
}: {
  place: Place;
  user: string;
  item: string;
  all: readonly string[];
}) {
  const close = () => go({ item: null, of: null });
  return (
    <ModalOverlay className="sheet-under" isOpen isDismissable onOpenChange={(open) => open || close()}>
      <Modal className="sheet">
        <Dialog className="why" aria-label={`Why ${item} for ${personName(user)}`}>
          <Button className="button button-icon why-close" onPress={close} aria-label="Close">
            <Icon name="close" />
          </Button>
          <Why place={place.of ? { ...place, run: place.of } : place} user={user} item={item} all={all} />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Why({
  place,
  user,
  item,
  all,
}: {
  place: Place;
  user: string;
  item: string;
  all: readonly string[];
}) {
  const asked = useQuery(explanationQuery(place.run, user, item));
  if (asked.isPending) return <Loading what="Finding the reasons…" />;
  if (asked.error) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  const why = asked.data;
  const card = why.item;
  const name = videoName(card);
  return (
    <>
      <header className="why-head">
        <div className={card.media ? "why-picture thumb why-media" : "why-picture thumb"}>
          <Thumbnail item={card} play />
        </div>
        <div>
          <p className="eyebrow">
            Place {why.rank.toLocaleString("en")} for {personName(user)}
          </p>
          <Heading slot="title" level={2}>
            {name}
          </Heading>
          <p className="why-meta">
            <Modalities has={card.modalities} all={all} />
            <span className="muted">
              {card.title ? `${card.id} · ` : ""}
              {card.watched_by} {card.watched_by === 1 ? "person" : "people"} watched it
            </span>
          </p>
          {place.view !== "map" && (
            <Link className="button" to={{ view: "map", item: null, of: null, at: `item:${item}` }}>
              <Icon name="pin" /> On the map
            </Link>
          )}
        </div>
      </header>
      <p className="lead">{reasonOf(why, all)}</p>
      <Parts why={why} all={all} />
      <Without why={why} all={all} />
      <Alike why={why} all={all} />
      <Given
        title="What each watched video adds"
        note="Their taste is what they watched; each video's part of this score."
        reasons={why.history}
        kind="item"
      />
      <Given
        title="What neighbours add"
        note="People who watched the same; what their taste adds to this score."
        reasons={why.neighbours}
        kind="user"
      />
      <Similar place={place} item={item} all={all} />
    </>
  );
}

function Parts({ why, all }: { why: Explanation; all: readonly string[] }) {
  const scored = { score: why.score, parts: why.parts, rest: why.rest, modalities: why.item.modalities };
  const parts = writtenParts(partsOf(scored, all), why.score);
  const domain = domainOf([scored], all);
  return (
    <section aria-labelledby="why-parts">
      <h3 id="why-parts">How {written(why.score)} comes about</h3>
      <div className="why-bar">
        <ScoreBar item={scored} all={all} domain={domain} />
      </div>
      <table className="why-table">
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col">Adds</th>
            <th scope="col">
              <abbr title="Compared with the average video that has it">Above average</abbr>
            </th>
          </tr>
        </thead>
        <tbody>
          {parts.map((part) => (
            <tr key={part.name} data-part={part.name || "rest"}>
              <th scope="row">
                <span className="dot" style={{ backgroundColor: partColour(part.name, all) }} />
                {partWord(part.name)}
                {why.filled.includes(part.name) && <span className="muted"> filled in</span>}
                {part.name === REST && <span className="muted why-rest"> {REST_MEANS}</span>}
              </th>
              <td>{written(part.value, true)}</td>
              <td>{part.name in why.lifts ? written(why.lifts[part.name] ?? 0, true) : "–"}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr data-part="sum">
            <th scope="row">Score</th>
            <td>{written(why.score)}</td>
            <td />
          </tr>
        </tfoot>
      </table>
    </section>
  );
}

function Without({ why, all }: { why: Explanation; all: readonly string[] }) {
  const rows = all.filter((name) => name in why.rank_without);
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="why-without">
      <h3 id="why-without">Its place without one of them</h3>
      <ul className="without">
        {rows.map((name) => {
          const rank = why.rank_without[name] ?? why.rank;
          const change = why.rank - rank;
          return (
            <li key={name}>
              <span style={{ color: colourOf(name, all) }}>
                <Icon name={name} />
              </span>
              <span>Without {wordFor(name)}</span>
              <strong>
                {why.rank.toLocaleString("en")} → {rank.toLocaleString("en")}
              </strong>
              <span className="muted">
                {change === 0
                  ? "stays"
                  : change > 0
                    ? `${change.toLocaleString("en")} up`
                    : `${(-change).toLocaleString("en")} down`}
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Alike({ why, all }: { why: Explanation; all: readonly string[] }) {
  const rows = all.filter((name) => (why.like[name] ?? []).length > 0);
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="why-like">
      <h3 id="why-like">Watched videos that it is most like</h3>
      <div className="alike">
        {rows.map((name) => (
          <div key={name}>
            <h4>
              <span style={{ color: colourOf(name, all) }}>
                <Icon name={name} />
              </span>
              In {wordFor(name)}
            </h4>
            <ol>
              {(why.like[name] ?? []).map((reason) => (
                <li key={String(reason.id)}>
                  <Link to={{ item: String(reason.id) }}>{videoName(reason)}</Link>
                  <span className="muted" title="Cosine: 1 is the same, 0 unrelated">
                    {Math.round(100 * reason.score)} % alike
                  </span>
                </li>
              ))}
            </ol>
          </div>
        ))}
      </div>
    </section>
  );
}

function Given({
  title,
  note,
  reasons,
  kind,
}: {
  title: string;
  note: string;
  reasons: readonly Reason[];
  kind: "item" | "user";
}) {
  if (reasons.length === 0) return null;
  const sorted = [...reasons].sort((a, b) => b.score - a.score);
  const shown = sorted.slice(0, NAMED);
  const others = sorted.slice(NAMED);
  const rest = others.reduce((sum, reason) => sum + reason.score, 0);
  const end = Math.max(...shown.map((reason) => Math.abs(reason.score)), 1e-9);
  const row = (key: string, name: React.ReactNode, value: number, drawn = true) => (
    <li key={key}>
      <span className="given-name">{name}</span>
      <span className="given-track" aria-hidden="true">
        {drawn && (
          <span
            className={value < 0 ? "given-bar given-minus" : "given-bar"}
            style={{ width: `${(100 * Math.abs(value)) / end}%` }}
          />
        )}
      </span>
      <span className="given-number">{written(value, true)}</span>
    </li>
  );
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      <p className="fine">{note}</p>
      <ul className="given">
        {shown.map((reason) =>
          row(
            String(reason.id),
            <Link
              to={kind === "item" ? { item: String(reason.id) } : { user: String(reason.id), item: null }}
            >
              {kind === "item" ? videoName(reason) : personName(reason.id)}
            </Link>,
            reason.score,
          ),
        )}
        {others.length > 0 &&
          row(" others", <span className="muted">{others.length} others together</span>, rest, false)}
      </ul>
    </section>
  );
}

function Similar({ place, item, all }: { place: Place; item: string; all: readonly string[] }) {
  const similar = useQuery(similarItemsQuery(place.run, item, 6));
  const items = similar.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section aria-labelledby="why-similar">
      <h3 id="why-similar">Similar videos</h3>
      <ul className="tiles">
        {items.map((other) => (
          <li key={String(other.id)}>
            <ItemTile item={other} all={all} note={`${Math.round(100 * other.score)} %`} />
          </li>
        ))}
      </ul>
    </section>
  );
}
