import type { ReactNode } from "react";
import { go, linkTo, type Place, usePlace } from "../state/url";

/** A link within the page: it can be opened elsewhere, and going back undoes it. */
export function Link({
  to,
  className,
  title,
  current,
  children,
}: {
  to: Partial<Place>;
  className?: string;
  title?: string;
  current?: boolean;
  children: ReactNode;
}) {
  const place = usePlace();
  return (
    <a
      className={className}
      href={linkTo(place, to)}
      title={title}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
