import type { ReactNode } from "react";
import { ApiError } from "../api/client";

/** What stands where an answer will be. */
export function Loading({ what, children }: { what: string; children?: ReactNode }) {
  return (
    <div className="state" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>{what}</p>
      {children}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** What went wrong, and what to do. */
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const fix = error instanceof ApiError ? error.fix : null;
  const said = error instanceof Error ? error.message : String(error);
  return (
    <div className="state state-failed" role="alert">
      <h3>This could not be shown</h3>
      <p>{said}</p>
      {fix && !said.includes(fix) && <p>{fix}</p>}
      {again && (
        <button type="button" className="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
