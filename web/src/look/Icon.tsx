const PATHS: Record<string, string> = {
  visual: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z M8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z",
  acoustic: "M2 6.5v3 M5 4v8 M8 2v12 M11 5v6 M14 6.5v3",
  textual: "M2.5 4h11 M2.5 8h11 M2.5 12h7",
  other: "M8 2.5 13.5 8 8 13.5 2.5 8Z",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z M10.5 10.5 14 14",
  shuffle:
    "M1.5 4.5h2.6c3.2 0 4.6 7 7.8 7h2.6 M12.3 9.3l2.2 2.2-2.2 2.2 M1.5 11.5h2.6c1 0 1.9-.8 2.6-1.8 M9.3 6.3c.7-1 1.6-1.8 2.6-1.8h2.6 M12.3 2.3l2.2 2.2-2.2 2.2",
  close: "M3.5 3.5l9 9 M12.5 3.5l-9 9",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z M8 .8v1.6 M8 13.6v1.6 M.8 8h1.6 M13.6 8h1.6 M2.9 2.9 4 4 M12 12l1.1 1.1 M2.9 13.1 4 12 M12 4l1.1-1.1",
  moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z",
  plus: "M8 3v10 M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6 M10 2.5h3.5V6 M13.5 10v3.5H10 M6 13.5H2.5V10",
  play: "M5 3.2v9.6L12.8 8Z",
  pin: "M8 14.5s4.7-4.3 4.7-8A4.7 4.7 0 0 0 3.3 6.5c0 3.7 4.7 8 4.7 8Z M8 5a1.6 1.6 0 1 0 0 3.2A1.6 1.6 0 0 0 8 5Z",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z M8 7.2v4 M8 4.8v.2",
  person: "M8 2.2a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4Z M2.8 13.8a5.2 5.2 0 0 1 10.4 0",
};

/** A small drawing beside words; it says nothing of its own to a screen reader. */
export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name] ?? PATHS.other} />
    </svg>
  );
}
