import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { ApiError } from "./api/client";
import { applyTheme } from "./look/theme";
import { Announcer } from "./parts/Announcer";
import "./styles/index.css";

const LOADING = 503;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 60_000,
      refetchOnWindowFocus: false,
      // a server that is still loading is asked again; any other refusal stands
      retry: (times, error) => error instanceof ApiError && error.status === LOADING && times < 40,
      retryDelay: 1500,
    },
  },
});

applyTheme();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Announcer>
          <App />
        </Announcer>
      </QueryClientProvider>
    </StrictMode>,
  );
}
