"""The graph of lookalikes by loops over all pairs of items."""

import math

import numpy as np


def slow_directions(features, n_items):
    """Dense content less its mean, at length 1; zeros for items that lack it."""
    directions = np.zeros((n_items, features.size))
    mean = features.values.astype(np.float64)[features.observed].mean(axis=0)
    for row, item in enumerate(features.items):
        centred = features.values[row].astype(np.float64) - mean
        length = math.sqrt(sum(number**2 for number in centred))
        directions[item] = centred / length if length else 0
    return directions


def slow_token_directions(features, n_items):
    """Which tokens occur, each weighing ln(lists / lists that have it), at length 1."""
    lists = [
        set(features.tokens[features.starts[k] : features.starts[k + 1]]) for k in range(len(features.items))
    ]
    directions = np.zeros((n_items, features.size))
    for item, tokens in zip(features.items, lists, strict=True):
        for token in tokens:
            directions[item, token] = math.log(len(lists) / sum(token in other for other in lists))
        length = np.linalg.norm(directions[item])
        directions[item] /= length or 1
    return directions


def slow_lookalikes(directions, present, neighbours):
    """Each item's most similar others by cosine, ties to the next row; added up and normalised."""
    n_items = len(directions)
    chosen = np.zeros((n_items, n_items))
    for item in present:
        others = [other for other in present if other != item]
        cosine_to = {other: round(float(directions[item] @ directions[other]), 12) for other in others}
        others.sort(key=lambda other: (-cosine_to[other], (other - item) % n_items))
        for other in others[:neighbours]:
            cosine = float(directions[item] @ directions[other])
            if cosine > 0:
                chosen[item, other] = cosine
    both = chosen + chosen.T
    degree = both.sum(axis=1)
    for a in range(n_items):
        for b in range(n_items):
            if both[a, b]:
                both[a, b] /= math.sqrt(degree[a] * degree[b])
    return both


def slow_lift(interactions, similar):
    """Pairs of lookalikes that were watched, each 1 / (n - 1), to those of chance, with two to one added."""
    watched = {}
    for user, item in interactions:
        watched.setdefault(user, []).append(item)
    watchers = {item: sum(item in items for items in watched.values()) for _, item in interactions}
    pairs = sum(watchers[i] * watchers[j] for i in watchers for j in watchers if i != j)
    seen = expected = 0.0
    for items in watched.values():
        n = len(items)
        if n > 1:
            seen += sum(similar[i, j] > 0 for i in items for j in items if i != j) / (n - 1)
            for i in watchers:
                for j in watchers:
                    expected += n * watchers[i] * watchers[j] / pairs * (i != j and similar[i, j] > 0)
    return (seen + 2) / (expected + 1)
