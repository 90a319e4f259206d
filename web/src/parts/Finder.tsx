import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import {
  Button,
  Collection,
  ComboBox,
  Header,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  ListBoxSection,
  Popover,
} from "react-aria-components";
import { itemsQuery, usersQuery } from "../api/queries";
import { Icon } from "../look/Icon";
import { personName, videoName } from "../look/names";
import { Thumbnail } from "../look/Thumbnail";

export interface Found {
  kind: "user" | "item";
  id: string;
}

interface Props {
  label: string;
  placeholder: string;
  run: string | null;
  found: (what: Found) => void;
}

function useLate(value: string, milliseconds: number): string {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(value), milliseconds);
    return () => window.clearTimeout(timer);
  }, [value, milliseconds]);
  return late;
}

/** One field that finds people and videos as one types; the server does the finding. */
export function Finder({ label, placeholder, run, found }: Props) {
  const field = useRef<HTMLDivElement>(null);
  const [text, setText] = useState("");
  const query = useLate(text.trim(), 150);
  const users = useQuery(usersQuery(run, query, 8)).data?.users ?? [];
  const items = useQuery(itemsQuery(run, query, 8)).data?.items ?? [];
  const sections = [
    {
      id: "people",
      name: "People",
      rows: users.map((user) => ({
        key: `user:${user.id}`,
        name: personName(user.id),
        note: `watched ${user.watched}`,
        item: null as (typeof items)[number] | null,
      })),
    },
    {
      id: "videos",
      name: "Videos",
      rows: items.map((item) => ({
        key: `item:${item.id}`,
        name: videoName(item),
        note: item.title ? String(item.id) : `${item.watched_by} watched it`,
        item,
      })),
    },
  ].filter((section) => section.rows.length > 0);

  return (
    <ComboBox
      className="finder"
      items={sections}
      inputValue={text}
      onInputChange={setText}
      defaultFilter={() => true}
      allowsEmptyCollection
      menuTrigger="focus"
      value={null}
      onChange={(key) => {
        if (key === null) return;
        const [kind, ...rest] = String(key).split(":");
        setText("");
        found({ kind: kind === "user" ? "user" : "item", id: rest.join(":") });
      }}
    >
      <Label className="unseen">{label}</Label>
      <div className="finder-field" ref={field}>
        <Icon name="search" />
        <Input placeholder={placeholder} />
        <Button className="finder-open" aria-label="Show suggestions">
          <svg width="10" height="6" viewBox="0 0 10 6" aria-hidden="true">
            <path d="M1 1l4 4 4-4" fill="none" stroke="currentColor" strokeWidth="1.5" />
          </svg>
        </Button>
      </div>
      <Popover
        className="popover finder-list"
        triggerRef={field}
        style={{ minWidth: field.current?.offsetWidth }}
      >
        <ListBox
          className="listbox"
          renderEmptyState={() => <p className="listbox-empty">Nobody and nothing of that name.</p>}
        >
          {(section: (typeof sections)[number]) => (
            <ListBoxSection id={section.id}>
              <Header>{section.name}</Header>
              <Collection items={section.rows}>
                {(row) => (
                  <ListBoxItem id={row.key} textValue={row.name} className="listbox-row">
                    <span className="listbox-picture">
                      {row.item ? <Thumbnail item={row.item} /> : <Icon name="person" />}
                    </span>
                    <span className="listbox-name">{row.name}</span>
                    <span className="listbox-note">{row.note}</span>
                  </ListBoxItem>
                )}
              </Collection>
            </ListBoxSection>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  );
}
