import { useSyncExternalStore } from "react";

export const VIEWS = ["person", "map", "neighbours", "compare"] as const;
export type View = (typeof VIEWS)[number];

/** All that a link to this page says. */
export interface Place {
  view: View;
  user: string | null;
  /** The item whose reasons are open. */
  item: string | null;
  /** The run whose reasons they are; null is the run of the page. */
  of: string | null;
  run: string | null;
  /** The run to stand beside it. */
  beside: string | null;
  /** Modalities that are switched off. */
  off: readonly string[];
  /** Whether the list keeps what was watched. */
  seen: boolean;
  /** What colours the map. */
  colour: string | null;
  /** The point of the map that is chosen, as `item:ID` or `user:ID`. */
  at: string | null;
}

export const HOME: Place = {
  view: "person",
  user: null,
  item: null,
  of: null,
  run: null,
  beside: null,
  off: [],
  seen: false,
  colour: null,
  at: null,
};

/** From the part of an address after `#`; what it does not know is passed over. */
export function readPlace(hash: string): Place {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const asked = new URLSearchParams(search);
  const view = VIEWS.find((name) => name === path) ?? HOME.view;
  return {
    view,
    user: asked.get("user"),
    item: asked.get("item"),
    of: asked.get("of"),
    run: asked.get("run"),
    beside: asked.get("beside"),
    off: [...new Set(asked.getAll("off"))].filter((name) => name !== ""),
    seen: asked.get("seen") === "1",
    colour: asked.get("colour"),
    at: asked.get("at"),
  };
}

/** The address of a place; `readPlace` gives the place back. */
export function writePlace(place: Place): string {
  const said = new URLSearchParams();
  for (const name of ["user", "item", "of", "run", "beside", "colour", "at"] as const) {
    const value = place[name];
    if (value !== null) said.set(name, value);
  }
  for (const name of place.off) said.append("off", name);
  if (place.seen) said.set("seen", "1");
  const search = said.toString();
  return `#/${place.view}${search ? `?${search}` : ""}`;
}

const listeners = new Set<() => void>();
let known: { hash: string; place: Place } | null = null;

function now(): Place {
  const hash = window.location.hash;
  if (known?.hash !== hash) known = { hash, place: readPlace(hash) };
  return known.place;
}

function listen(heard: () => void): () => void {
  listeners.add(heard);
  window.addEventListener("popstate", heard);
  window.addEventListener("hashchange", heard);
  return () => {
    listeners.delete(heard);
    window.removeEventListener("popstate", heard);
    window.removeEventListener("hashchange", heard);
  };
}

export function usePlace(): Place {
  return useSyncExternalStore(listen, now);
}

/** Goes elsewhere; `replace` leaves no trace in the history of the browser. */
export function go(change: Partial<Place>, how: "push" | "replace" = "push"): void {
  const to = writePlace({ ...now(), ...change });
  if (to === window.location.hash) return;
  if (how === "push") window.history.pushState(null, "", to);
  else window.history.replaceState(null, "", to);
  for (const heard of listeners) heard();
}

/** The address of a place that differs from this one. */
export function linkTo(place: Place, change: Partial<Place>): string {
  return writePlace({ ...place, ...change });
}
