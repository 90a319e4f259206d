import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { MapAnswer, ModelCard } from "../api/client";
import { explanationQuery, listQuery, mapQuery, profileQuery } from "../api/queries";
import { Icon } from "../look/Icon";
import { personName } from "../look/names";
import { Thumbnail } from "../look/Thumbnail";
import { useTheme } from "../look/theme";
import { useAnnounce } from "../parts/Announcer";
import { Finder, type Found } from "../parts/Finder";
import { Link } from "../parts/Link";
import { Modalities } from "../parts/Modalities";
import { Empty, Failed, Loading } from "../parts/States";
import { written } from "../score/parts";
import { go, type Place } from "../state/url";
import { Face } from "../views/PersonHead";
import { draw, type Marks, resolver, square, toScreen, toSquare, type View } from "./draw";
import { COLOURINGS, coloursOf, keyOf, nameOf, nearest, type Points, pointsOf } from "./points";
import { useZoom } from "./useZoom";

const LISTED = 40;
const LIST = 10;
const REACH = 14;
const STEP = 70;
const CLOSE = 9;

/** Items and people on a plane: near is alike. */
export default function MapView({ place, user, model }: { place: Place; user: string; model: ModelCard }) {
  const asked = useQuery({ ...mapQuery(place.run), enabled: model.has_map });
  if (!model.has_map)
    return (
      <Empty title="No map of this run">
        <p>The server was started without one. Start it again with a map to see it here.</p>
      </Empty>
    );
  if (asked.isPending) return <Loading what="Laying out the map. The first time this takes a while…" />;
  if (asked.error) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  if (asked.data.id.length === 0)
    return <Empty title="Nothing to draw">This run has neither items nor people.</Empty>;
  return <Loaded place={place} user={user} answer={asked.data} />;
}

function Loaded({ place, user, answer }: { place: Place; user: string; answer: MapAnswer }) {
  const colouring = COLOURINGS.find((name) => name === place.colour) ?? "coverage";
  const points = useMemo(() => pointsOf(answer), [answer]);
  const colours = useMemo(() => coloursOf(answer, colouring), [answer, colouring]);
  const [kinds, setKinds] = useState<ReadonlySet<string>>(() => new Set(["item", "user"]));
  const [only, setOnly] = useState<ReadonlySet<number>>(() => new Set());
  useEffect(() => setOnly(new Set()), [colouring]);
  const seen = useCallback(
    (at: number) => kinds.has(answer.kind[at] ?? "") && (only.size === 0 || only.has(colours.of[at] ?? 0)),
    [kinds, only, colours, answer],
  );
  const chosen = place.at === null ? null : (points.byKey.get(place.at) ?? null);
  const marks = useMarks(place, user, points);
  const [inView, setInView] = useState<{ count: number; shown: number[] }>({ count: 0, shown: [] });
  const [fly, setFly] = useState<{ at: number; turn: number } | null>(null);
  const announce = useAnnounce();

  const choose = useCallback(
    (at: number | null) => go({ at: at === null ? null : keyOf(answer, at) }),
    [answer],
  );
  function goTo(what: Found) {
    const at = points.byKey.get(`${what.kind}:${what.id}`);
    if (at === undefined) {
      announce(`${what.id} is not drawn on the map.`);
      return;
    }
    choose(at);
    setFly((last) => ({ at, turn: (last?.turn ?? 0) + 1 }));
  }

  return (
    <div className="map">
      <h1 className="unseen">Map of videos and people</h1>
      <div className="map-bar">
        <Finder label="Find on the map" placeholder="Find on the map" run={place.run} found={goTo} />
        <ToggleButtonGroup
          className="toggles"
          aria-label="Colour by"
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[colouring]}
          onSelectionChange={(keys) => go({ colour: String([...keys][0]) }, "replace")}
        >
          <ToggleButton id="coverage">Modalities</ToggleButton>
          <ToggleButton id="popularity">Popularity</ToggleButton>
          <ToggleButton id="cluster">Clusters</ToggleButton>
        </ToggleButtonGroup>
        <ToggleButtonGroup
          className="toggles"
          aria-label="What is drawn"
          selectionMode="multiple"
          disallowEmptySelection
          selectedKeys={kinds}
          onSelectionChange={(keys) => setKinds(new Set([...keys].map(String)))}
        >
          <ToggleButton id="item">● Videos</ToggleButton>
          <ToggleButton id="user">◆ People</ToggleButton>
        </ToggleButtonGroup>
      </div>
      <div className="map-body">
        <Plane
          points={points}
          colours={colours}
          seen={seen}
          marks={marks}
          chosen={chosen}
          choose={choose}
          looked={setInView}
          fly={fly}
          start={chosen}
        >
          <ul className="map-legend" aria-label="Colours; press one to see it alone">
            {colours.categories.map((one, at) => (
              <li key={one.name}>
                <button
                  type="button"
                  aria-pressed={only.has(at)}
                  className={only.size > 0 && !only.has(at) ? "dimmed" : ""}
                  onClick={() => setOnly((last) => toggled(last, at))}
                >
                  <span
                    className="dot"
                    style={{
                      backgroundColor: one.colour.startsWith("--") ? `var(${one.colour})` : one.colour,
                    }}
                  />
                  {colouring === "popularity" && one.colour.includes("step")
                    ? `Watched by ${one.name}`
                    : one.name}
                  <span className="muted"> {one.count.toLocaleString("en")}</span>
                </button>
              </li>
            ))}
          </ul>
        </Plane>
        <aside className="map-side" aria-label="On the map">
          <Chosen
            place={place}
            user={user}
            points={points}
            at={chosen}
            names={answer.names}
            close={() => choose(null)}
          />
          <section className="panel map-key" aria-label="Marks">
            <p>
              <Face id={user} size={22} /> <strong>{personName(user)}</strong>
            </p>
            <ul>
              <li>
                <span className="key-own" aria-hidden="true" /> where they stand
              </li>
              <li>
                <span className="key-history" aria-hidden="true" /> {marks.history.length} videos that they
                watched
              </li>
              <li>
                <span className="key-list" aria-hidden="true">
                  1
                </span>{" "}
                the {marks.list.length} first of their list
              </li>
            </ul>
          </section>
          <section className="panel" aria-labelledby="view-title">
            <h2 id="view-title">
              In view <span className="count">{inView.count.toLocaleString("en")}</span>
            </h2>
            <ol className="map-list">
              {inView.shown.map((at) => (
                <li key={keyOf(answer, at)}>
                  <button
                    type="button"
                    onClick={() => choose(at)}
                    aria-current={at === chosen ? "true" : undefined}
                  >
                    <span aria-hidden="true">{answer.kind[at] === "user" ? "◆" : "●"}</span>
                    <span className="map-list-name">{nameOf(answer, at)}</span>
                    <span className="muted">{answer.watched[at]}</span>
                    <span className="unseen">
                      {answer.kind[at] === "user" ? " videos watched" : " people watched it"}
                    </span>
                  </button>
                </li>
              ))}
            </ol>
            {inView.count > LISTED && (
              <p className="fine">The {LISTED} with the most watched; zoom in for the others.</p>
            )}
            {answer.left_out > 0 && (
              <p className="fine">
                {answer.left_out.toLocaleString("en")} more are not drawn: there are too many.
              </p>
            )}
          </section>
        </aside>
      </div>
    </div>
  );
}

function toggled(last: ReadonlySet<number>, at: number): ReadonlySet<number> {
  const next = new Set(last);
  if (!next.delete(at)) next.add(at);
  return next;
}

/** Where somebody, their history and their list stand. */
function useMarks(place: Place, user: string, points: Points): Pick<Marks, "own" | "history" | "list"> {
  const profile = useQuery({ ...profileQuery(place.run, user), placeholderData: keepPreviousData }).data;
  const list = useQuery(listQuery(place.run, { user, n: LIST, seen: false, off: [] })).data;
  return useMemo(() => {
    const places = (items: readonly { id: string | number }[] | undefined) =>
      (items ?? []).flatMap((item) => points.byKey.get(`item:${item.id}`) ?? []);
    return {
      own: points.byKey.get(`user:${user}`) ?? null,
      history: places(profile?.history),
      list: places(list?.items),
    };
  }, [profile, list, points, user]);
}

interface PlaneProps {
  points: Points;
  colours: ReturnType<typeof coloursOf>;
  seen: (at: number) => boolean;
  marks: Pick<Marks, "own" | "history" | "list">;
  chosen: number | null;
  choose: (at: number | null) => void;
  looked: (view: { count: number; shown: number[] }) => void;
  fly: { at: number; turn: number } | null;
  /** The point to begin at. */
  start: number | null;
  children: React.ReactNode;
}

function Plane({ points, colours, seen, marks, chosen, choose, looked, fly, start, children }: PlaneProps) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [over, setOver] = useState<number | null>(null);
  const [aimed, setAimed] = useState(false);
  const [theme] = useTheme();
  const announce = useAnnounce();
  const waiting = useRef(0);
  const answer = points.answer;

  const view = useRef<View>({ wide: 0, high: 0, x: 0, y: 0, k: 1 });
  const paint = useRef(() => {});
  const ask = useCallback(() => {
    if (waiting.current) return;
    waiting.current = requestAnimationFrame(() => {
      waiting.current = 0;
      paint.current();
    });
  }, []);

  const look = useRef(() => {});
  const settle = useRef(0);
  const zoom = useZoom(
    canvas,
    () => ask(),
    () => {
      window.clearTimeout(settle.current);
      settle.current = window.setTimeout(() => look.current(), 120);
    },
  );

  /** The point next to the middle, that Enter chooses. */
  const middle = useCallback(() => {
    const { wide, high } = view.current;
    const [x, y] = toSquare(view.current, wide / 2, high / 2);
    return nearest(points, x, y, 60 / (square(view.current).side * view.current.k), seen);
  }, [points, seen]);

  paint.current = () => {
    const element = canvas.current;
    const pen = element?.getContext("2d");
    if (!element || !pen) return;
    const { x, y, k } = zoom.transform.current;
    view.current = { wide: element.clientWidth, high: element.clientHeight, x, y, k };
    element.dataset.zoom = k.toFixed(3);
    element.dataset.pan = `${x.toFixed(1)} ${y.toFixed(1)}`;
    const ratio = window.devicePixelRatio || 1;
    draw(
      pen,
      ratio,
      view.current,
      points,
      colours,
      seen,
      { ...marks, chosen, over: aimed ? middle() : over },
      resolver(element),
    );
  };
  look.current = () => {
    const shown: number[] = [];
    for (let at = 0; at < points.count; at += 1) {
      if (!seen(at)) continue;
      const [x, y] = toScreen(view.current, points.x[at] ?? 0, points.y[at] ?? 0);
      if (x >= 0 && y >= 0 && x <= view.current.wide && y <= view.current.high) shown.push(at);
    }
    const count = shown.length;
    shown.sort((a, b) => (answer.watched[b] ?? 0) - (answer.watched[a] ?? 0));
    looked({ count, shown: shown.slice(0, LISTED) });
    if (aimed) {
      const at = middle();
      announce(
        `${at === null ? "Nothing" : nameOf(answer, at)} in the middle, ${count.toLocaleString("en")} in view.`,
      );
    }
  };

  useEffect(ask, [ask, points, colours, seen, marks, chosen, over, aimed, theme]);
  useEffect(() => look.current(), [points, seen]);

  useEffect(() => {
    const box = frame.current;
    const element = canvas.current;
    if (!box || !element) return;
    const fit = () => {
      const ratio = window.devicePixelRatio || 1;
      element.width = Math.round(box.clientWidth * ratio);
      element.height = Math.round(box.clientHeight * ratio);
      paint.current();
      look.current();
    };
    const watch = new ResizeObserver(fit);
    watch.observe(box);
    return () => watch.disconnect();
  }, []);

  const flyTo = useCallback(
    (at: number) => {
      const element = canvas.current;
      if (!element) return;
      const { left, top, side } = square({ wide: element.clientWidth, high: element.clientHeight });
      zoom.to(
        left + (points.x[at] ?? 0) * side,
        top + (points.y[at] ?? 0) * side,
        Math.max(CLOSE, zoom.transform.current.k),
      );
    },
    [points, zoom.to, zoom.transform],
  );
  const begin = useRef(start);
  useEffect(() => {
    if (begin.current !== null) flyTo(begin.current);
    begin.current = null;
  }, [flyTo]);
  useEffect(() => {
    if (fly) flyTo(fly.at);
  }, [fly, flyTo]);

  function under(event: React.PointerEvent | React.MouseEvent): number | null {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const [x, y] = toSquare(view.current, event.clientX - box.left, event.clientY - box.top);
    return nearest(points, x, y, REACH / (square(view.current).side * view.current.k), seen);
  }

  function key(event: React.KeyboardEvent) {
    const acts = new Map<string, () => void>([
      ["ArrowLeft", () => zoom.pan(STEP, 0)],
      ["ArrowRight", () => zoom.pan(-STEP, 0)],
      ["ArrowUp", () => zoom.pan(0, STEP)],
      ["ArrowDown", () => zoom.pan(0, -STEP)],
      ["+", () => zoom.by(1.6)],
      ["=", () => zoom.by(1.6)],
      ["-", () => zoom.by(1 / 1.6)],
      ["0", zoom.reset],
      ["Enter", () => choose(middle())],
      ["Escape", () => choose(null)],
    ]);
    const act = acts.get(event.key);
    if (!act || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    setAimed(true);
    act();
  }

  const tip =
    over !== null && !aimed ? toScreen(view.current, points.x[over] ?? 0, points.y[over] ?? 0) : null;
  return (
    <div className="map-frame">
      <div className="map-plane" ref={frame}>
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: a canvas has no role of its own */}
        <canvas
          ref={canvas}
          className={over !== null ? "map-canvas map-canvas-over" : "map-canvas"}
          role="application"
          tabIndex={0}
          aria-label="Map. Arrow keys move it, plus and minus zoom, 0 shows all, Enter chooses what is in the middle. The list beside it names what is in view."
          onKeyDown={key}
          onBlur={() => setAimed(false)}
          onPointerDown={() => setAimed(false)}
          onPointerMove={(event) => event.buttons === 0 && setOver(under(event))}
          onPointerLeave={() => setOver(null)}
          onClick={(event) => choose(under(event))}
        />
        {aimed && <span className="map-cross" aria-hidden="true" />}
        {over !== null && tip && (
          <div className="map-tip" style={{ left: tip[0], top: tip[1] }} aria-hidden="true">
            <strong>{nameOf(answer, over)}</strong>
            <span>
              {answer.kind[over] === "user"
                ? `person, watched ${answer.watched[over]}`
                : `${answer.watched[over]} watched it`}
            </span>
          </div>
        )}
        <div className="map-buttons">
          <button
            type="button"
            className="button button-icon"
            onClick={() => zoom.by(1.8)}
            aria-label="Zoom in"
          >
            <Icon name="plus" />
          </button>
          <button
            type="button"
            className="button button-icon"
            onClick={() => zoom.by(1 / 1.8)}
            aria-label="Zoom out"
          >
            <Icon name="minus" />
          </button>
          <button type="button" className="button button-icon" onClick={zoom.reset} aria-label="Show all">
            <Icon name="fit" />
          </button>
        </div>
      </div>
      {children}
    </div>
  );
}

interface ChosenProps {
  place: Place;
  user: string;
  points: Points;
  at: number | null;
  names: readonly string[];
  close: () => void;
}

/** What was clicked, and where one can go from it. */
function Chosen({ place, user, points, at, names, close }: ChosenProps) {
  const { answer } = points;
  const item = at !== null && answer.kind[at] === "item";
  const id = at === null ? "" : String(answer.id[at]);
  const why = useQuery({ ...explanationQuery(place.run, user, id), enabled: item });
  if (at === null)
    return (
      <section className="panel map-chosen">
        <p className="muted">Click a dot: a video or a person. Near on the map is alike for the model.</p>
      </section>
    );
  return (
    <section className="panel map-chosen" aria-live="polite" aria-label="Chosen">
      <button
        type="button"
        className="button button-icon map-close"
        onClick={close}
        aria-label="Choose nothing"
      >
        <Icon name="close" size={14} />
      </button>
      {item ? (
        <>
          <div className="thumb">
            {why.data ? <Thumbnail item={why.data.item} /> : <span className="thumb-wait" />}
          </div>
          <h2>{nameOf(answer, at)}</h2>
          <p className="why-meta">
            <Modalities
              has={names.filter((_, bit) => (answer.modalities[at] ?? 0) & (1 << bit))}
              all={names}
            />
            <span className="muted">{answer.watched[at]} watched it</span>
          </p>
          {why.data && (
            <p className="muted">
              Place {why.data.rank.toLocaleString("en")} for {personName(user)}, score{" "}
              {written(why.data.score)}
            </p>
          )}
          <Link className="button button-strong" to={{ item: id }}>
            Why?
          </Link>
        </>
      ) : (
        <>
          <h2 className="map-person">
            <Face id={id} size={34} /> {personName(id)}
          </h2>
          <p className="muted">watched {answer.watched[at]}</p>
          <div className="row">
            {id !== user && (
              <Link className="button" to={{ user: id }}>
                Mark their videos
              </Link>
            )}
            <Link className="button button-strong" to={{ user: id, view: "person", at: null }}>
              See their list
            </Link>
          </div>
        </>
      )}
    </section>
  );
}
