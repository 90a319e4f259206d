import { useQuery } from "@tanstack/react-query";
import { usePlace } from "../state/url";
import { mediaAddress } from "./client";

export interface Media {
  kind: "image" | "video" | "audio";
  address: string;
}

/** What an answer's content type says, where the page can show it. */
export function kindOf(type: string | null): Media["kind"] | null {
  const [main] = (type ?? "").split("/", 1);
  return main === "image" || main === "video" || main === "audio" ? main : null;
}

/** Asks what kind of file an item has: an address without an ending does not say. */
async function look(address: string, signal: AbortSignal): Promise<Media | null> {
  const first = await fetch(address, { headers: { Range: "bytes=0-0" }, signal });
  void first.body?.cancel();
  const kind = first.ok ? kindOf(first.headers.get("content-type")) : null;
  return kind && { kind, address };
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
