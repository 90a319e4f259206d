import { memo, useState } from "react";
import type { ItemCard } from "../api/client";
import { useMedia } from "../api/media";
import { Icon } from "./Icon";
import { dice, hash, type Palette, palette } from "./tint";

const WIDE = 160;
const HIGH = 100;

const between = (roll: () => number, low: number, high: number) => low + roll() * (high - low);

/** Six kinds of abstract pictures; which one, and its numbers, follow from the id. */
const PATTERNS: ((roll: () => number, colours: Palette) => React.ReactNode)[] = [
  function hills(roll, { shape, deep, light }) {
    const ridge = (height: number, sway: number) => {
      const [a, b, c] = [between(roll, -sway, sway), between(roll, -sway, sway), between(roll, -sway, sway)];
      return `M0 ${height + a}C40 ${height - sway + b} 60 ${height + sway + c} 95 ${height + a}S140 ${height - sway} ${WIDE} ${height + b}V${HIGH}H0Z`;
    };
    return (
      <>
        <circle
          cx={between(roll, 30, 130)}
          cy={between(roll, 18, 38)}
          r={between(roll, 9, 16)}
          fill={light}
        />
        <path d={ridge(52, 14)} fill={shape} />
        <path d={ridge(70, 12)} fill={deep} opacity="0.75" />
        <path d={ridge(86, 8)} fill={deep} />
      </>
    );
  },
  function rings(roll, { shape, deep, light }) {
    const [x, y] = [between(roll, 35, 125), between(roll, 30, 80)];
    return [78, 60, 43, 27, 12].map((radius, at) => (
      <circle
        key={radius}
        cx={x}
        cy={y}
        r={radius}
        fill={[deep, shape, deep, shape, light][at]}
        opacity={at === 4 ? 1 : 0.62}
      />
    ));
  },
  function stripes(roll, { shape, deep, light }) {
    const turn = between(roll, -50, 50);
    let at = -120;
    const bars: React.ReactNode[] = [];
    while (at < 260) {
      const wide = between(roll, 5, 26);
      const colour = roll() < 0.16 ? light : roll() < 0.5 ? shape : deep;
      bars.push(<rect key={at} x={at} y={-120} width={wide} height={340} fill={colour} opacity="0.9" />);
      at += wide + between(roll, 4, 20);
    }
    return <g transform={`rotate(${turn.toFixed(1)} 80 50)`}>{bars}</g>;
  },
  function bubbles(roll, { shape, deep, light }) {
    return Array.from({ length: 11 }, (_, at) => {
      const radius = between(roll, 4, at < 3 ? 34 : 16);
      const colour = at < 3 ? deep : at % 3 === 0 ? light : shape;
      return (
        <circle
          key={at}
          cx={between(roll, 0, WIDE)}
          cy={between(roll, 0, HIGH)}
          r={radius}
          fill={colour}
          opacity={at < 3 ? 0.6 : 0.85}
        />
      );
    });
  },
  function tiles(roll, { shape, deep, light }) {
    const side = 20;
    const drawn: React.ReactNode[] = [];
    for (let x = 0; x < WIDE; x += side) {
      for (let y = 0; y < HIGH; y += side) {
        const luck = roll();
        if (luck < 0.3) continue;
        const colour = luck > 0.93 ? light : luck > 0.6 ? shape : deep;
        const quarter = Math.floor(roll() * 4) * 90;
        drawn.push(
          <path
            key={`${x} ${y}`}
            d={`M0 0H${side}A${side} ${side} 0 0 1 0 ${side}Z`}
            transform={`translate(${x} ${y}) rotate(${quarter} ${side / 2} ${side / 2})`}
            fill={colour}
            opacity="0.85"
          />,
        );
      }
    }
    return drawn;
  },
  function waves(roll, { shape, deep, light }) {
    const tall = between(roll, 6, 13);
    const long = between(roll, 26, 52);
    return Array.from({ length: 6 }, (_, at) => {
      const y = 14 + at * 17;
      const start = -between(roll, 0, long);
      let path = `M${start} ${y}`;
      for (let x = start; x < WIDE + long; x += long)
        path += `q${long / 4} ${-tall} ${long / 2} 0t${long / 2} 0`;
      return (
        <path
          key={at}
          d={path}
          fill="none"
          stroke={at === 2 ? light : at % 2 ? shape : deep}
          strokeWidth={between(roll, 3, 9)}
          strokeLinecap="round"
        />
      );
    });
  },
];

/** A picture that stands for an item without one: its colour is its look, its pattern its id. */
const Abstract = memo(function Abstract({ id, tint }: { id: string; tint: number | null | undefined }) {
  const seed = hash(id);
  const roll = dice(seed);
  const colours = palette(tint);
  const draw = PATTERNS[seed % PATTERNS.length];
  return (
    <svg
      viewBox={`0 0 ${WIDE} ${HIGH}`}
      preserveAspectRatio="xMidYMid slice"
      aria-hidden="true"
      style={{ background: colours.ground }}
    >
      {draw?.(roll, colours)}
    </svg>
  );
});

/** The item's own picture if it has one, else an abstract one. */
export function Thumbnail({
  item,
  play = false,
}: {
  item: Pick<ItemCard, "id" | "tint" | "media">;
  play?: boolean;
}) {
  const media = useMedia(item.media);
  const [broken, setBroken] = useState(false);
  const failed = () => setBroken(true);
  const kind = broken ? null : (media?.kind ?? null);
  if (kind === "image") return <img src={media?.address} alt="" loading="lazy" onError={failed} />;
  if (kind === "video" && play)
    // biome-ignore lint/a11y/useMediaCaption: the data has no captions
    return <video src={media?.address} controls playsInline preload="metadata" onError={failed} />;
  if (kind === "video")
    return (
      <video
        src={`${media?.address}#t=0.5`}
        muted
        playsInline
        preload="metadata"
        tabIndex={-1}
        aria-hidden="true"
        onError={failed}
      />
    );
  return (
    <>
      <Abstract id={String(item.id)} tint={item.tint} />
      {kind === "audio" && play && (
        // biome-ignore lint/a11y/useMediaCaption: the data has no captions
        <audio src={media?.address} controls preload="metadata" onError={failed} />
      )}
      {kind === "audio" && !play && (
        <span className="thumb-kind">
          <Icon name="acoustic" size={14} />
        </span>
      )}
    </>
  );
}
