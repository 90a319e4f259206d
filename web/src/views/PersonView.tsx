import { useQuery } from "@tanstack/react-query";
import { MotionConfig, motion } from "motion/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { Switch } from "react-aria-components";
import type { ModelCard, Recommendations } from "../api/client";
import { listQuery, profileQuery } from "../api/queries";
import { listed, wordFor } from "../look/modality";
import { personName, videoName } from "../look/names";
import { useAnnounce } from "../parts/Announcer";
import { ItemTile } from "../parts/ItemTile";
import { Empty, Failed, Loading } from "../parts/States";
import { movesBetween } from "../score/lists";
import { domainOf, isFilled } from "../score/parts";
import { Legend } from "../score/ScoreBar";
import { go, type Place } from "../state/url";
import { EmphasisPanel } from "./EmphasisPanel";
import { ModalitySwitches } from "./ModalitySwitches";
import { PersonHead } from "./PersonHead";
import { RecommendationCard } from "./RecommendationCard";

const FIRST = 12;
const MORE = 12;
const MOST = 96;
const SHOWN_HISTORY = 12;

/** Somebody: what they watched, what they care about, and what they would be shown, with the parts of each score. */
export function PersonView({ place, user, model }: { place: Place; user: string; model: ModelCard }) {
  const all = model.modalities.map((modality) => modality.name);
  const profile = useQuery(profileQuery(place.run, user));
  return (
    <>
      <PersonHead place={place} user={user} watched={profile.data?.history.length} />
      <div className="person">
        <aside className="person-side" aria-label={`About ${personName(user)}`}>
          <section className="panel" aria-labelledby="emphasis-title">
            <h2 id="emphasis-title">What they care about</h2>
            {profile.isPending && <Loading what="Looking at what they watched…" />}
            {profile.error && <Failed error={profile.error} again={() => void profile.refetch()} />}
            {profile.data && <EmphasisPanel user={user} rows={profile.data.emphasis} />}
          </section>
          {profile.data && <History key={user} history={profile.data.history} all={all} />}
        </aside>
        <List place={place} user={user} all={all} />
      </div>
    </>
  );
}

function History({
  history,
  all,
}: {
  history: React.ComponentProps<typeof ItemTile>["item"][];
  all: readonly string[];
}) {
  const [whole, setWhole] = useState(false);
  const shown = whole ? history : history.slice(0, SHOWN_HISTORY);
  return (
    <section className="panel" aria-labelledby="history-title">
      <h2 id="history-title">
        Watched <span className="count">{history.length}</span>
      </h2>
      {history.length === 0 && (
        <Empty title="Nothing yet">Their list below goes by what everyone likes.</Empty>
      )}
      <ul className="tiles">
        {shown.map((item) => (
          <li key={String(item.id)}>
            <ItemTile item={item} all={all} note={item.added ? "since training" : undefined} />
          </li>
        ))}
      </ul>
      {history.length > SHOWN_HISTORY && (
        <button
          type="button"
          className="button button-wide"
          onClick={() => setWhole(!whole)}
          aria-expanded={whole}
        >
          {whole ? "Show fewer" : `Show all ${history.length}`}
        </button>
      )}
    </section>
  );
}

function List({ place, user, all }: { place: Place; user: string; all: readonly string[] }) {
  const [n, setN] = useState(FIRST);
  const off = useMemo(() => place.off.filter((name) => all.includes(name)), [place.off, all]);
  const list = useQuery(listQuery(place.run, { user, n, seen: place.seen, off }));
  // where a card stood with everything on, further down than is shown, so that few cards count as new
  const whole = useQuery({
    ...listQuery(place.run, { user, n: Math.max(100, n), seen: place.seen, off: [] }),
    enabled: off.length > 0,
  });
  const items = list.data?.items ?? [];
  const domain = useMemo(() => domainOf(items, all), [items, all]);
  const moves = useMemo(
    () => (off.length > 0 && whole.data ? movesBetween(whole.data.items, items) : null),
    [off, whole.data, items],
  );
  useReorderings(list.isPlaceholderData ? undefined : list.data, user, off);

  return (
    <section className="list" aria-labelledby="list-title" aria-busy={list.isFetching}>
      <div className="list-head">
        <h2 id="list-title">Recommended</h2>
        <div className="list-controls">
          <ModalitySwitches all={all} off={off} />
          <Switch className="switch switch-plain" isSelected={place.seen} onChange={(seen) => go({ seen })}>
            <span className="switch-track" aria-hidden="true" />
            Watched ones too
          </Switch>
        </div>
      </div>
      <div className="list-sub">
        <Legend all={all.filter((name) => !off.includes(name))} filled={items.some(isFilled)} />
        {off.length > 0 && (
          <p className="note">
            As if {listed(off.map(wordFor))} did not count. ▲ and ▼ say how far each video moved.{" "}
            <button type="button" className="textlink" onClick={() => go({ off: [] })}>
              Switch all on
            </button>
          </p>
        )}
      </div>
      {list.isPending && <Loading what="Making the list…" />}
      {list.error && <Failed error={list.error} again={() => void list.refetch()} />}
      {list.data && items.length === 0 && (
        <Empty title="Nothing to recommend">
          <p>They have watched everything there is. Switch on “Watched ones too” to see how it ranks.</p>
        </Empty>
      )}
      <MotionConfig reducedMotion="user">
        <ol className="cards" aria-label={`Recommended to ${personName(user)}, best first`}>
          {items.map((item, place) => (
            <motion.li
              key={String(item.id)}
              layout="position"
              initial={{ opacity: 0 }}
              animate={{ opacity: 1 }}
              transition={{ type: "spring", stiffness: 260, damping: 30, opacity: { duration: 0.25 } }}
              data-item={String(item.id)}
            >
              <RecommendationCard
                item={item}
                rank={place + 1}
                all={all}
                domain={domain}
                moved={moves ? moves.get(String(item.id)) : undefined}
              />
            </motion.li>
          ))}
        </ol>
      </MotionConfig>
      {items.length >= n && n < MOST && (
        <button type="button" className="button button-wide" onClick={() => setN(n + MORE)}>
          Show {MORE} more
        </button>
      )}
      <p className="fine">
        Pictures are drawn where the data has none: likeness of colour is likeness of{" "}
        {wordFor(all[0] ?? "content").toLowerCase()}, the pattern is the video’s own; grey ones have no{" "}
        {wordFor(all[0] ?? "content").toLowerCase()}.
      </p>
    </section>
  );
}

/** Tells a screen reader what a switch did to the list. */
function useReorderings(list: Recommendations | undefined, user: string, off: readonly string[]): void {
  const announce = useAnnounce();
  const last = useRef<{ user: string; off: string; list: Recommendations } | null>(null);
  const key = off.join(" ");
  useEffect(() => {
    if (!list) return;
    const before = last.current;
    last.current = { user, off: key, list };
    if (!before || before.user !== user || before.off === key) return;
    const moves = [...movesBetween(before.list.items, list.items).values()];
    const moved = moves.filter((by) => by !== 0 && by !== null).length;
    const fresh = moves.filter((by) => by === null).length;
    const without = key ? `Without ${listed(key.split(" ").map(wordFor))}` : "With everything on";
    const first = list.items[0];
    const top = first ? ` First is now ${videoName(first)}.` : "";
    announce(
      moved + fresh === 0
        ? `${without} the list stays as it is.`
        : `${without}: ${moved} of ${moves.length} moved, ${fresh} new.${top}`,
    );
  }, [list, user, key, announce]);
}
