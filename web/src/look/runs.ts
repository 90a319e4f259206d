import type { RunName } from "../api/client";

const MODELS: Record<string, string> = {
  reelmix: "Reelmix",
  dualgnn: "DualGNN",
  lightgcn: "LightGCN",
  lr_gccf: "LR-GCCF",
  mmgcn: "MMGCN",
  star_gcn: "STAR-GCN",
  vbpr: "VBPR",
  gfcf: "GF-CF",
  ease: "EASE",
  popularity: "Popularity",
};

export function modelName(model: string): string {
  return MODELS[model] ?? model;
}

/** What a run is called: its model, and its folder where another run is of the same model. */
export function runTitle(run: Pick<RunName, "name" | "model">, runs: readonly RunName[]): string {
  const alike = runs.filter((other) => other.model === run.model);
  const folder = runs.find((other) => other.name === run.name)?.folder;
  return alike.length > 1 && folder ? `${modelName(run.model)} (${folder})` : modelName(run.model);
}
