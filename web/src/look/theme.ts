import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "reelmix-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function kept(): Theme | null {
  const said = localStorage.getItem(KEY);
  return said === "light" || said === "dark" ? said : null;
}

function now(): Theme {
  return kept() ?? (dark.matches ? "dark" : "light");
}

/** Marks the page; without a choice of one's own the system's wish holds. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = now();
}

export function useTheme(): [Theme, () => void] {
  const theme = useSyncExternalStore((heard) => {
    listeners.add(heard);
    const changed = () => {
      applyTheme();
      heard();
    };
    dark.addEventListener("change", changed);
    return () => {
      listeners.delete(heard);
      dark.removeEventListener("change", changed);
    };
  }, now);
  function toggle() {
    const next: Theme = theme === "dark" ? "light" : "dark";
    // what the system wishes anyway is not kept, so that a later change of it is followed
    if ((next === "dark") === dark.matches) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
    applyTheme();
    for (const heard of listeners) heard();
  }
  return [theme, toggle];
}
