import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Id = string | number;
export type ItemCard = Schemas["ItemCard"];
export type ScoredItem = Schemas["ScoredItem"];
export type Recommendations = Schemas["Recommendations"];
export type Profile = Schemas["Profile"];
export type Emphasis = Schemas["Emphasis"];
export type Explanation = Schemas["Explanation"];
export type Reason = Schemas["Reason"];
export type MapAnswer = Schemas["Map"];
export type Neighbourhood = Schemas["Neighbourhood"];
export type ModelCard = Schemas["ModelCard"];
export type RunName = Schemas["RunName"];
type Problem = paths["/v1/model"]["get"]["responses"][404]["content"]["application/problem+json"];

/** An answer that is not what was asked for, with what to do about it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fix: string | null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const TOKEN = "reelmix-token";

export const token = {
  read: (): string | null => sessionStorage.getItem(TOKEN),
  keep: (value: string): void => sessionStorage.setItem(TOKEN, value),
};

const base = new URL(".", document.baseURI).pathname.replace(/\/$/, "");

export const client = createClient<paths>({ baseUrl: base });

client.use({
  onRequest({ request }) {
    const secret = token.read();
    if (secret) request.headers.set("Authorization", `Bearer ${secret}`);
    return request;
  },
});

/** The data of an answer; anything else becomes an ApiError. */
export async function answer<T>(
  call: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<T> {
  let result: { data?: T; error?: unknown; response: Response };
  try {
    result = await call;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(
      0,
      "The server does not answer.",
      "See whether `reelmix serve` still runs, then try again.",
    );
  }
  if (result.data !== undefined) return result.data;
  const said = (typeof result.error === "object" ? result.error : null) as Partial<Problem> | null;
  const status = result.response.status;
  throw new ApiError(
    status,
    said?.detail ?? said?.title ?? `The server answered ${status}.`,
    said?.fix ?? null,
  );
}

/** Where a file of the data is served. */
export function mediaAddress(path: string, run: string | null): string {
  const named = run ? `${path}${path.includes("?") ? "&" : "?"}run=${encodeURIComponent(run)}` : path;
  return named.startsWith("/") ? base + named : named;
}
