import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { ApiError, type ModelCard, token } from "./api/client";
import { modelQuery, usersQuery } from "./api/queries";
import { Icon } from "./look/Icon";
import { personName } from "./look/names";
import { useTheme } from "./look/theme";
import { About } from "./parts/About";
import { Finder } from "./parts/Finder";
import { Link } from "./parts/Link";
import { Empty, Failed, Loading } from "./parts/States";
import { TokenPrompt } from "./parts/TokenPrompt";
import { go, type Place, usePlace, type View } from "./state/url";
import { CompareView, RunSelect } from "./views/CompareView";
import { NeighboursView } from "./views/NeighboursView";
import { PersonView } from "./views/PersonView";
import { WhyPanel } from "./views/WhyPanel";

const MapView = lazy(() => import("./map/MapView"));

const TABS: { view: View; name: string }[] = [
  { view: "person", name: "Person" },
  { view: "map", name: "Map" },
  { view: "neighbours", name: "Neighbours" },
  { view: "compare", name: "Side by side" },
];

export function App() {
  const place = usePlace();
  const model = useQuery(modelQuery(place.run));
  if (model.error instanceof ApiError && model.error.status === 401) {
    return <TokenPrompt refused={token.read() !== null} />;
  }
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to the content; what stands after # is the place */}
      <a className="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <Top place={place} model={model.data} />
      <main id="main" tabIndex={-1}>
        {model.isPending && <Loading what="Opening the run…" />}
        {model.error && <Failed error={model.error} again={() => void model.refetch()} />}
        {model.error && place.run && (
          <p className="state">
            <Link to={{ run: null }} className="button">
              Open the run that is served first
            </Link>
          </p>
        )}
        {model.data && <Shown place={place} model={model.data} />}
      </main>
    </>
  );
}

function skip(event: React.MouseEvent) {
  event.preventDefault(); // the part after # is the place
  document.getElementById("main")?.focus();
}

function Top({ place, model }: { place: Place; model: ModelCard | undefined }) {
  const [theme, toggle] = useTheme();
  return (
    <header className="top">
      <div className="top-row">
        <Link className="brand" to={{ view: "person", item: null }} title="reelmix explorer">
          <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true">
            <rect x="3" y="5" width="26" height="6" rx="3" fill="var(--look)" />
            <rect x="3" y="13" width="17" height="6" rx="3" fill="var(--sound)" />
            <rect x="3" y="21" width="22" height="6" rx="3" fill="var(--words)" />
          </svg>
          reelmix
        </Link>
        <nav aria-label="Views" className="tabs">
          {TABS.map((tab) => (
            <Link
              key={tab.view}
              to={{ view: tab.view, item: null }}
              className="tab"
              current={place.view === tab.view}
            >
              {tab.name}
            </Link>
          ))}
        </nav>
        <Finder
          label="Find a person or a video"
          placeholder="Find a person or a video"
          run={place.run}
          found={({ kind, id }) =>
            kind === "item"
              ? go({ item: id })
              : go({ user: id, item: null, view: place.view === "map" ? "person" : place.view })
          }
        />
        <div className="top-end">
          {model && model.runs.length > 1 && (
            <RunSelect
              label="Model"
              runs={model.runs}
              chosen={model.run}
              choose={(run) => go({ run, item: null })}
            />
          )}
          {model && <About model={model} />}
          <button
            type="button"
            className="button button-icon"
            onClick={toggle}
            aria-label={theme === "dark" ? "Light colours" : "Dark colours"}
            title={theme === "dark" ? "Light colours" : "Dark colours"}
          >
            <Icon name={theme === "dark" ? "sun" : "moon"} />
          </button>
        </div>
      </div>
    </header>
  );
}

function Shown({ place, model }: { place: Place; model: ModelCard }) {
  const first = useQuery({ ...usersQuery(place.run, "", 1), enabled: place.user === null });
  const somebody = first.data?.users[0]?.id;
  useEffect(() => {
    if (place.user === null && somebody !== undefined) go({ user: String(somebody) }, "replace");
  }, [place.user, somebody]);
  useEffect(() => {
    const tab = TABS.find((one) => one.view === place.view);
    document.title = [place.user && personName(place.user), tab?.name, "reelmix"].filter(Boolean).join(" · ");
  }, [place.user, place.view]);

  const user = place.user;
  if (first.error) return <Failed error={first.error} again={() => void first.refetch()} />;
  if (user === null) {
    if (first.isSuccess && somebody === undefined)
      return (
        <Empty title="There is nobody here">
          This run knows no users. Train on data with interactions, and serve that.
        </Empty>
      );
    return <Loading what="Choosing somebody who watched much…" />;
  }
  const all = model.modalities.map((modality) => modality.name);
  return (
    <>
      {place.view === "person" && <PersonView place={place} user={user} model={model} />}
      {place.view === "neighbours" && <NeighboursView place={place} user={user} model={model} />}
      {place.view === "compare" && <CompareView place={place} user={user} model={model} />}
      {place.view === "map" && (
        <Suspense fallback={<Loading what="Unfolding the map…" />}>
          <MapView place={place} user={user} model={model} />
        </Suspense>
      )}
      {place.item !== null && <WhyPanel place={place} user={user} item={place.item} all={all} />}
    </>
  );
}
