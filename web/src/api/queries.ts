import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answer, client } from "./client";

const run = (name: string | null) => (name ? { run: name } : {});

export const modelQuery = (name: string | null) =>
  queryOptions({
    queryKey: ["model", name],
    queryFn: ({ signal }) => answer(client.GET("/v1/model", { params: { query: run(name) }, signal })),
  });

export const usersQuery = (name: string | null, query: string, n: number) =>
  queryOptions({
    queryKey: ["users", name, query, n],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/users", { params: { query: { query, n, ...run(name) } }, signal })),
    placeholderData: keepPreviousData,
  });

export const itemsQuery = (name: string | null, query: string, n: number) =>
  queryOptions({
    queryKey: ["items", name, query, n],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/items", { params: { query: { query, n, ...run(name) } }, signal })),
    placeholderData: keepPreviousData,
  });

export const profileQuery = (name: string | null, user: string) =>
  queryOptions({
    queryKey: ["profile", name, user],
    queryFn: ({ signal }) =>
      answer(client.GET("/v1/profile", { params: { query: { user_id: user, ...run(name) } }, signal })),
  });

export interface ListAsked {
  user: string;
  n: number;
  seen: boolean;
  /** Modalities that are switched off. */
  off: readonly string[];
}

export const listQuery = (name: string | null, asked: ListAsked) =>
  queryOptions({
    queryKey: ["list", name, asked.user, asked.n, asked.seen, [...asked.off].sort()],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/v1/recommendations", {
          params: {
            query: {
              user_id: asked.user,
              n: asked.n,
              include_seen: asked.seen,
              without_modality: [...asked.off],
              ...run(name),
            },
          },
          signal,
        }),
      ),
    // the list that was there stays until the new one is, so that cards move instead of blinking
    placeholderData: (previous) =>
      previous && String(previous.user_id) === asked.user ? previous : undefined,
  });

export const explanationQuery = (name: string | null, user: string, item: string) =>
  queryOptions({
    queryKey: ["explanation", name, user, item],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/v1/explanation", {
          params: { query: { user_id: user, item_id: item, ...run(name) } },
          signal,
        }),
      ),
  });

export const similarItemsQuery = (name: string | null, item: string, n: number) =>
  queryOptions({
    queryKey: ["similar-items", name, item, n],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/v1/similar-items", { params: { query: { item_id: item, n, ...run(name) } }, signal }),
      ),
  });

export const similarUsersQuery = (name: string | null, user: string, n: number) =>
  queryOptions({
    queryKey: ["similar-users", name, user, n],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/v1/similar-users", { params: { query: { user_id: user, n, ...run(name) } }, signal }),
      ),
  });

export const neighbourhoodQuery = (name: string | null, user: string, n: number) =>
  queryOptions({
    queryKey: ["neighbourhood", name, user, n],
    queryFn: ({ signal }) =>
      answer(
        client.GET("/v1/neighbourhood", { params: { query: { user_id: user, n, ...run(name) } }, signal }),
      ),
  });

export const mapQuery = (name: string | null) =>
  queryOptions({
    queryKey: ["map", name],
    queryFn: ({ signal }) => answer(client.GET("/v1/map", { params: { query: run(name) }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  });
