import type { Id, ItemCard } from "../api/client";

const NUMBER = /^\d+$/;

/** What somebody is called: a bare number says too little. */
export function personName(id: Id): string {
  return NUMBER.test(String(id)) ? `Person ${id}` : String(id);
}

/** What an item is called: its title, or its id where the data has no titles. */
export function videoName(item: { id: Id; title?: ItemCard["title"] }): string {
  return item.title ?? (NUMBER.test(String(item.id)) ? `Video ${item.id}` : String(item.id));
}
