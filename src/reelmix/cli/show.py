"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelmix.cli.terminal import count, say, table, warn
from reelmix.recommender.recommender import Recommendation
from reelmix.recommender.run import Run


def show_metrics(run: Run, stage: str) -> None:
    """Prints metrics by cut, a row a metric."""
    metrics = run.metrics[stage]
    cuts = sorted({int(name.partition("@")[2]) for name in metrics})
    names = list(dict.fromkeys(name.partition("@")[0] for name in metrics))
    data = run.manifest["dataset"]
    simulated = " (simulated)" if data["simulated"] else ""
    users = len(run.per_user[stage]["users"])
    rows = [[name, *(_number(metrics.get(f"{name}@{cut}")) for cut in cuts)] for name in names]
    title = f"{run.manifest['model']} on {data['name']}{simulated}, {stage}: {count(users, 'user')}"
    table(title, ["", *(f"@{cut}" for cut in cuts)], rows)


def note_chosen(run: Run) -> None:
    """Says what validation chose after training, if anything."""
    chosen = run.manifest["chosen"]
    if chosen:
        now = ", ".join(f"{name} {value:,g}" for name, value in chosen["settings"].items())
        say(
            f"chosen on validation: {now}; {chosen['gain']:.1%} more NDCG by it "
            f"({chosen['sureness']:.1f} standard errors)"
        )


def note_credit(run: Run) -> None:
    """Says which content tells little of what people watch together, if any does."""
    if "credit" not in run.weights:  # not Reelmix
        return
    for name, credit in zip(run.vectors.item_parts, run.weights["credit"], strict=True):
        if credit < 0.5:
            warn(
                f"{name} tells little: people watch items alike in it together hardly more often than by "
                f"chance, so that likeness counts for {credit:.0%}"
            )


def show_list(title: str, lines: Sequence[Recommendation], reasons: Sequence[str] = ()) -> None:
    """Prints a list of recommendations, with a reason each if given."""
    titled = any(line.title for line in lines)
    columns = ["", "id", *(["title"] if titled else ["why"] if reasons else []), "score"]
    rows: list[list[Any]] = []
    for place, line in enumerate(lines):
        told = [line.title or ""] if titled else []
        told += [f"  {reasons[place]}"] if reasons else []
        rows.append([place + 1, line.id, *(["\n".join(told)] if told else []), f"{line.score:.3f}"])
    table(title, columns, rows, left=len(columns) - 1)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
