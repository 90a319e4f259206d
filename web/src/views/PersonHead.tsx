import { useQuery } from "@tanstack/react-query";
import { usersQuery } from "../api/queries";
import { Icon } from "../look/Icon";
import { personName } from "../look/names";
import { hash } from "../look/tint";
import { go, type Place } from "../state/url";

/** A round mark of a person, from their id. */
export function Face({ id, size = 44 }: { id: string; size?: number }) {
  const seed = hash(id);
  const turn = seed % 360;
  return (
    <svg className="face" width={size} height={size} viewBox="0 0 40 40" aria-hidden="true">
      <circle cx="20" cy="20" r="20" fill="var(--face)" />
      <g
        transform={`rotate(${turn} 20 20)`}
        fill="none"
        stroke="var(--face-ink)"
        strokeLinecap="round"
        strokeWidth="3"
      >
        <path d="M8 20a12 12 0 0 1 12-12" />
        <path d={`M${26 + (seed % 3)} 31A12 12 0 0 0 32 20`} opacity="0.65" />
        <path d="M14 20a6 6 0 1 0 6-6" opacity="0.85" />
      </g>
    </svg>
  );
}

/** Who it is, how much they watched, and the way to somebody else. */
export function PersonHead({
  place,
  user,
  watched,
  what,
}: {
  place: Place;
  user: string;
  watched?: number;
  what?: string;
}) {
  const others = useQuery(usersQuery(place.run, "", 200)).data?.users ?? [];
  function somebody() {
    const choice = others.filter((other) => String(other.id) !== user);
    const next = choice[Math.floor(Math.random() * choice.length)];
    if (next) go({ user: String(next.id), item: null });
  }
  return (
    <div className="person-head">
      <Face id={user} />
      <div>
        <h1>{personName(user)}</h1>
        <p className="muted">
          {what ?? (watched === undefined ? " " : `watched ${watched} ${watched === 1 ? "video" : "videos"}`)}
        </p>
      </div>
      <button type="button" className="button" onClick={somebody} disabled={others.length < 2}>
        <Icon name="shuffle" /> <span>Someone else</span>
      </button>
    </div>
  );
}
