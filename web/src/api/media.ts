import { useQuery } from "@tanstack/react-query";
import { usePlace } from "../state/url";
import { mediaAddress, token } from "./client";

export interface Media {
  kind: "image" | "video" | "audio";
  address: string;
}

/** What an answer's content type says, where the page can show it. */
export function kindOf(type: string | null): Media["kind"] | null {
  const [main] = (type ?? "").split("/", 1);
  return main === "image" || main === "video" || main === "audio" ? main : null;
}

/**
 * Asks what kind of file an item has: an address without an ending does not say.
 *
 * An element of the page sends no token. Where the server wants one, pictures are fetched here and films and
 * sounds are not shown.
 */
async function look(address: string, signal: AbortSignal): Promise<Media | null> {
  const secret = token.read();
  const headers: HeadersInit = secret ? { Authorization: `Bearer ${secret}` } : {};
  const first = await fetch(address, { headers: { ...headers, Range: "bytes=0-0" }, signal });
  void first.body?.cancel();
  const kind = first.ok ? kindOf(first.headers.get("content-type")) : null;
  if (kind === null || !secret) return kind && { kind, address };
  if (kind !== "image") return null;
  const whole = await fetch(address, { headers, signal });
  return whole.ok ? { kind, address: URL.createObjectURL(await whole.blob()) } : null;
}

export function useMedia(path: string | null | undefined): Media | null {
  const { run } = usePlace();
  const address = path ? mediaAddress(path, run) : "";
  const found = useQuery({
    queryKey: ["media", address],
    queryFn: ({ signal }) => look(address, signal),
    enabled: address !== "",
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  return found.data ?? null;
}
