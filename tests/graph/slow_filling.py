"""What fills in for missing features, by slow loops over dense tables: to judge the sparse products by."""

import numpy as np

ITERATIONS, RESTART = 20, 0.15


def slow_counts(watched, k=None):
    """Common users of each two items; kept if either is among the k closest of the other."""
    n_users, n_items = watched.shape
    counts = np.zeros((n_items, n_items))
    for a in range(n_items):
        for b in range(n_items):
            if a != b:
                counts[a, b] = sum(watched[u, a] and watched[u, b] for u in range(n_users))
    if k is None:
        return counts
    kept = np.zeros_like(counts)
    for a in range(n_items):
        for b in sorted(np.flatnonzero(counts[a]), key=lambda b: (-counts[a, b], b))[:k]:
            kept[a, b] = kept[b, a] = counts[a, b]
    return kept


def slow_normalised(counts):
    degree = counts.sum(axis=1)
    n = len(counts)
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            if counts[a, b]:
                found[a, b] = counts[a, b] / np.sqrt(degree[a]) / np.sqrt(degree[b])
    return found


def slow_fill(missing, counts, known):
    """Item to what is filled in; ``known`` is item to its observed row."""
    n, size = len(counts), len(next(iter(known.values())))
    lacking = [item for item in range(n) if item not in known]
    if missing == "neighbours":
        found = {}
        for item in lacking:
            total = sum(counts[item, other] for other in known)
            if total:
                found[item] = sum(counts[item, other] * known[other] for other in known) / total
        return found
    normal = slow_normalised(counts)
    if missing == "propagation":
        rows = [known.get(item, np.zeros(size)) for item in range(n)]
        reached = set(known)
        for _ in range(ITERATIONS):
            rows = [
                known[i] if i in known else sum(normal[i, j] * rows[j] for j in range(n)) for i in range(n)
            ]
            reached |= {i for i in range(n) for j in reached if normal[i, j]}
        return {item: rows[item] for item in lacking if item in reached}
    found = {}
    for item in lacking:
        visit = np.eye(n)[item]
        chance = visit
        for _ in range(ITERATIONS):
            chance = RESTART * visit + (1 - RESTART) * chance @ normal
        total = sum(chance[other] for other in known)
        if total:
            found[item] = sum(chance[other] * known[other] for other in known) / total
    return found
