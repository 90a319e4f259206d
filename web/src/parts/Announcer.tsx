import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from "react";

const Say = createContext<(what: string) => void>(() => {});

/** Says something to a screen reader that the eye sees anyway. */
export function useAnnounce(): (what: string) => void {
  return useContext(Say);
}

export function Announcer({ children }: { children: ReactNode }) {
  const [said, setSaid] = useState("");
  const waiting = useRef<number | undefined>(undefined);
  const say = useCallback((what: string) => {
    window.clearTimeout(waiting.current);
    setSaid("");
    waiting.current = window.setTimeout(() => setSaid(what), 60); // from empty to text: the same text is heard again
  }, []);
  return (
    <Say.Provider value={say}>
      {children}
      <div className="unseen" role="status" aria-live="polite" data-testid="announcer">
        {said}
      </div>
    </Say.Provider>
  );
}
