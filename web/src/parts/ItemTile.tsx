import type { ItemCard } from "../api/client";
import { videoName } from "../look/names";
import { Thumbnail } from "../look/Thumbnail";
import { go, linkTo, usePlace } from "../state/url";
import { Modalities } from "./Modalities";

/** An item as a small card that opens its reasons. */
export function ItemTile({ item, all, note }: { item: ItemCard; all: readonly string[]; note?: string }) {
  const place = usePlace();
  const id = String(item.id);
  return (
    <a
      className="tile"
      href={linkTo(place, { item: id })}
      title={item.title ? `${item.title} (${id})` : id}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go({ item: id });
      }}
    >
      <span className="thumb">
        <Thumbnail item={item} />
      </span>
      <span className="tile-title">{videoName(item)}</span>
      <span className="tile-foot">
        <Modalities has={item.modalities} all={all} />
        {note && <span className="tile-note">{note}</span>}
      </span>
    </a>
  );
}
