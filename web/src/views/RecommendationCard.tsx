import { memo } from "react";
import { Button, Tooltip, TooltipTrigger } from "react-aria-components";
import type { ScoredItem } from "../api/client";
import { videoName } from "../look/names";
import { Thumbnail } from "../look/Thumbnail";
import { Modalities } from "../parts/Modalities";
import { type Domain, partsOf, written, writtenParts } from "../score/parts";
import { ScoreBar, ScoreTable, spoken } from "../score/ScoreBar";
import { go } from "../state/url";

/** How far a card moved since the list with every modality on. */
export function Move({ by }: { by: number | null | undefined }) {
  if (by === undefined || by === 0) return null;
  if (by === null) return <span className="move move-new">new</span>;
  return (
    <span className={by > 0 ? "move move-up" : "move move-down"}>
      <span aria-hidden="true">{by > 0 ? "▲" : "▼"}</span>
      <span className="unseen">{by > 0 ? "up" : "down"}</span> {Math.abs(by)}
    </span>
  );
}

interface Props {
  item: ScoredItem;
  rank: number;
  all: readonly string[];
  domain: Domain;
  /** Undefined where nothing is switched off. */
  moved: number | null | undefined;
}

export const RecommendationCard = memo(function RecommendationCard({
  item,
  rank,
  all,
  domain,
  moved,
}: Props) {
  const id = String(item.id);
  const name = videoName(item);
  const parts = writtenParts(partsOf(item, all), item.score);
  return (
    <TooltipTrigger delay={250} closeDelay={60}>
      <Button className="card" onPress={() => go({ item: id })}>
        <span className="thumb">
          <Thumbnail item={item} />
          <span className="rank">{rank}</span>
          <Move by={moved} />
        </span>
        <span className="card-body">
          <span className={item.title ? "card-title" : "card-title card-title-short"}>{name}</span>
          <span className="card-meta">
            <Modalities has={item.modalities} all={all} />
            <span className="muted">{item.title ? id : `${item.watched_by} watched`}</span>
          </span>
          <span className="card-score">
            <ScoreBar item={item} all={all} domain={domain} />
            <span className="score" aria-hidden="true">
              {written(item.score)}
            </span>
            <span className="unseen spoken">
              Score {written(item.score)}: {spoken(parts)}. Why?
            </span>
          </span>
        </span>
      </Button>
      <Tooltip className="tooltip" placement="bottom" offset={6}>
        <ScoreTable item={item} all={all} />
        <p className="tooltip-hint">Open for the reasons</p>
      </Tooltip>
    </TooltipTrigger>
  );
});
