import { useQuery } from "@tanstack/react-query";
import { MotionConfig, motion } from "motion/react";
import { useMemo, useState } from "react";
import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from "react-aria-components";
import type { ModelCard, RunName, ScoredItem } from "../api/client";
import { listQuery, modelQuery } from "../api/queries";
import { videoName } from "../look/names";
import { modelName, runTitle } from "../look/runs";
import { Thumbnail } from "../look/Thumbnail";
import { Empty, Failed, Loading } from "../parts/States";
import { joined, movesBetween } from "../score/lists";
import { domainOf, isFilled, partsOf, written, writtenParts } from "../score/parts";
import { Legend, ScoreBar, spoken } from "../score/ScoreBar";
import { go, type Place } from "../state/url";
import { ModalitySwitches } from "./ModalitySwitches";
import { PersonHead } from "./PersonHead";

const N = 20;
const ROW = 68;

/** Two runs' lists for the same person, beside each other, with lines between the videos that both have. */
export function CompareView({ place, user, model }: { place: Place; user: string; model: ModelCard }) {
  const other =
    model.runs.find((run) => run.name === place.beside && run.name !== model.run) ??
    model.runs.find((run) => run.name !== model.run);
  return (
    <>
      <PersonHead place={place} user={user} what={other ? "the same person, two models" : undefined} />
      {other ? (
        <Both place={place} user={user} model={model} other={other} />
      ) : (
        <Empty title="One run is served">
          <p>To see two models’ lists for the same person, start the server with both:</p>
          <p>
            <code>reelmix serve RUN --beside OTHER_RUN</code>
          </p>
          <p>
            For example the same data with <code>--model dualgnn</code>, or one run with and one without a
            modality.
          </p>
        </Empty>
      )}
    </>
  );
}

function Both({
  place,
  user,
  model,
  other,
}: {
  place: Place;
  user: string;
  model: ModelCard;
  other: RunName;
}) {
  const second = useQuery(modelQuery(other.name));
  const names = [
    ...new Set([...model.modalities, ...(second.data?.modalities ?? [])].map((modality) => modality.name)),
  ];
  const off = place.off.filter((name) => names.includes(name));
  const has = (card: ModelCard | undefined) =>
    off.filter((name) => card?.modalities.some((modality) => modality.name === name));
  const left = useQuery(listQuery(place.run, { user, n: N, seen: place.seen, off: has(model) }));
  const right = useQuery({
    ...listQuery(other.name, { user, n: N, seen: place.seen, off: has(second.data) }),
    enabled: second.data !== undefined,
  });
  const [over, setOver] = useState<string | null>(null);
  const lefts = left.data?.items ?? [];
  const rights = right.data?.items ?? [];
  // each run has colours of its own: a picture keeps those of the left one, so that the same video looks the same
  const known = useQuery(listQuery(place.run, { user, n: 300, seen: true, off: [] })).data;
  const tints = useMemo(
    () => new Map((known?.items ?? []).map((item) => [String(item.id), item.tint])),
    [known],
  );
  const joins = useMemo(() => joined(lefts, rights), [lefts, rights]);
  const shared = new Set(joins.map((join) => join.id));
  const error = left.error ?? right.error ?? second.error;

  return (
    <>
      <div className="list-head">
        <p className="lead compare-lead" role="status">
          {left.data && right.data
            ? `${joins.length} of ${Math.max(lefts.length, rights.length)} videos are in both lists.`
            : "Making both lists…"}
        </p>
        <div className="list-controls">
          <ModalitySwitches all={names} off={off} />
          {model.runs.length > 2 && (
            <RunSelect
              label="Beside"
              runs={model.runs.filter((run) => run.name !== model.run)}
              chosen={other.name}
              choose={(name) => go({ beside: name })}
            />
          )}
        </div>
      </div>
      <Legend all={names} filled={[...lefts, ...rights].some(isFilled)} />
      {error && (
        <Failed
          error={error}
          again={() => {
            void left.refetch();
            void right.refetch();
          }}
        />
      )}
      {!error && (left.isPending || right.isPending) && <Loading what="Asking both models…" />}
      {left.data && right.data && second.data && (
        <MotionConfig reducedMotion="user">
          <div className="compare" style={{ "--row": `${ROW}px` } as React.CSSProperties}>
            <Column
              title={runTitle({ name: model.run, model: model.model }, model.runs)}
              card={model}
              items={lefts}
              others={rights}
              otherName={runTitle(other, model.runs)}
              all={names}
              shared={shared}
              over={over}
              setOver={setOver}
            />
            <svg
              className="compare-lines"
              viewBox={`0 0 100 ${N * ROW}`}
              preserveAspectRatio="none"
              aria-hidden="true"
            >
              {joins.map((join) => {
                const from = join.left * ROW + ROW / 2;
                const to = join.right * ROW + ROW / 2;
                const how = over === null ? "" : over === join.id ? "lit" : "dim";
                return (
                  <path
                    key={join.id}
                    d={`M0 ${from}C50 ${from} 50 ${to} 100 ${to}`}
                    className={how}
                    vectorEffect="non-scaling-stroke"
                  />
                );
              })}
            </svg>
            <Column
              title={runTitle(other, model.runs)}
              card={second.data}
              items={rights}
              others={lefts}
              otherName={runTitle({ name: model.run, model: model.model }, model.runs)}
              all={names}
              shared={shared}
              over={over}
              setOver={setOver}
              tints={tints}
            />
          </div>
        </MotionConfig>
      )}
    </>
  );
}

interface ColumnProps {
  title: string;
  card: ModelCard;
  items: readonly ScoredItem[];
  others: readonly ScoredItem[];
  otherName: string;
  all: readonly string[];
  shared: ReadonlySet<string>;
  over: string | null;
  setOver: (id: string | null) => void;
  /** Colours of pictures, where they are not the run's own. */
  tints?: ReadonlyMap<string, number | null | undefined>;
}

function Column({ title, card, items, others, otherName, all, shared, over, setOver, tints }: ColumnProps) {
  const domain = domainOf(items, all);
  const moves = movesBetween(others, items);
  const test = card.metrics.test ?? Object.values(card.metrics)[0];
  return (
    <section className="compare-column" aria-label={`List of ${title}`}>
      <header>
        <h2>{title}</h2>
        <p className="muted">
          {card.runs.find((run) => run.name === card.run)?.folder ?? card.model}
          {test && "recall@20" in test ? ` · recall@20 ${(test["recall@20"] ?? 0).toFixed(3)}` : ""}
          {test && "ndcg@20" in test ? ` · ndcg@20 ${(test["ndcg@20"] ?? 0).toFixed(3)}` : ""}
        </p>
      </header>
      <ol>
        {items.map((item, place) => {
          const id = String(item.id);
          const by = moves.get(id);
          const both = shared.has(id);
          const name = videoName(item);
          const differs =
            by === null || by === undefined
              ? `not in the list of ${otherName}`
              : by === 0
                ? `same place in ${otherName}`
                : `${Math.abs(by)} ${by > 0 ? "higher" : "lower"} than in ${otherName}`;
          return (
            <motion.li
              key={id}
              layout="position"
              className={both ? "both" : "alone"}
              data-item={id}
              data-both={both}
            >
              <Button
                className={over === id ? "compare-row compare-over" : "compare-row"}
                onPress={() => go({ item: id, of: card.run })}
                onHoverStart={() => setOver(id)}
                onHoverEnd={() => setOver(null)}
                onFocus={() => setOver(id)}
                onBlur={() => setOver(null)}
              >
                <span className="compare-rank">{place + 1}</span>
                <span className="thumb">
                  <Thumbnail item={tints?.has(id) ? { ...item, tint: tints.get(id) ?? null } : item} />
                </span>
                <span className="compare-text">
                  <span className="compare-title">{name}</span>
                  <span className="card-score">
                    <ScoreBar item={item} all={all} domain={domain} />
                    <span className="score" aria-hidden="true">
                      {written(item.score)}
                    </span>
                  </span>
                </span>
                <span className="unseen spoken">
                  , {differs}. Score {written(item.score)}:{" "}
                  {spoken(writtenParts(partsOf(item, all), item.score))}
                </span>
                <span
                  className={both ? "compare-differs" : "compare-differs compare-only"}
                  title={differs}
                  aria-hidden="true"
                >
                  {both ? (by === 0 ? "=" : by && by > 0 ? `▲${by}` : `▼${Math.abs(by ?? 0)}`) : "only here"}
                </span>
              </Button>
            </motion.li>
          );
        })}
      </ol>
    </section>
  );
}

/** Chooses one of the runs that are served. */
export function RunSelect({
  label,
  runs,
  chosen,
  choose,
}: {
  label: string;
  runs: readonly RunName[];
  chosen: string;
  choose: (name: string) => void;
}) {
  return (
    <Select className="select" value={chosen} onChange={(key) => key !== null && choose(String(key))}>
      <Label>{label}</Label>
      <Button className="button">
        <SelectValue className="select-value">
          {() => runTitle(runs.find((run) => run.name === chosen) ?? { name: chosen, model: chosen }, runs)}
        </SelectValue>
        <svg width="10" height="6" viewBox="0 0 10 6" aria-hidden="true">
          <path d="M1 1l4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.5" />
        </svg>
      </Button>
      <Popover className="popover">
        <ListBox className="listbox" items={runs.map((run) => ({ ...run, id: run.name }))}>
          {(run) => (
            <ListBoxItem id={run.name} textValue={modelName(run.model)} className="listbox-row">
              <span className="listbox-name">{modelName(run.model)}</span>
              <span className="listbox-note">{run.folder}</span>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}
