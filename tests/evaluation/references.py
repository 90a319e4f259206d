"""Slow, obviously right versions of what is tested, and scorers whose scores are given."""

import numpy as np
from scipy.sparse import csr_array


def sorted_list(scores, n=None):
    """Item rows above -inf by falling score, ties by item row, as a Python list."""
    candidates = [item for item, score in enumerate(scores) if score != -np.inf]
    return sorted(candidates, key=lambda item: (-scores[item], item))[:n]


def pairs(shape, cells):
    """A matrix with a 1 in each of the (user, item) cells."""
    matrix = np.zeros(shape)
    for user, item in cells:
        matrix[user, item] = 1
    return csr_array(matrix)


class GivenScores:
    """A scorer that holds its scores, and hands out its own array where it can."""

    def __init__(self, scores):
        self.scores = np.asarray(scores)

    @property
    def n_users(self):
        return self.scores.shape[0]

    @property
    def n_items(self):
        return self.scores.shape[1]

    def score(self, users):
        if np.array_equal(users, np.arange(self.n_users)):
            return self.scores
        return self.scores[users]


class SameForAll:
    """A scorer like popularity: one row of scores for everybody, returned as a read-only view."""

    def __init__(self, scores, n_users):
        self.scores, self.n_users, self.n_items = np.asarray(scores), n_users, len(scores)

    def score(self, users):
        return np.broadcast_to(self.scores, (len(users), self.n_items))


# Three users, five items. User 0 has seen item 4, which scores best; user 2 has no relevant item.
SCORES = np.array([[0.1, 0.4, 0.3, 0.2, 0.9], [0.5, 0.5, 0.5, 0.1, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
RELEVANT = pairs((3, 5), [(0, 2), (0, 0), (1, 1)])
SEEN = pairs((3, 5), [(0, 4)])


def random_case(seed, n_users, n_items, levels, relevant, seen):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels + 1, (n_users, n_items)).astype(np.float32)
    wanted = rng.random(scores.shape) < relevant
    wanted[rng.integers(n_users), rng.integers(n_items)] = True
    return scores, csr_array(wanted), csr_array(rng.random(scores.shape) < seen)


CASES = {
    "no ties": {"n_users": 40, "n_items": 120, "levels": 10**6, "relevant": 0.05, "seen": 0.1},
    "ties": {"n_users": 40, "n_items": 120, "levels": 2, "relevant": 0.05, "seen": 0.1},
    "all scores equal": {"n_users": 30, "n_items": 90, "levels": 0, "relevant": 0.05, "seen": 0.2},
    "users without relevant items": {
        "n_users": 60,
        "n_items": 50,
        "levels": 50,
        "relevant": 0.005,
        "seen": 0.1,
    },
    "fewer candidates than the cut": {
        "n_users": 30,
        "n_items": 30,
        "levels": 50,
        "relevant": 0.2,
        "seen": 0.9,
    },
    "fewer items than the cut": {"n_users": 30, "n_items": 4, "levels": 50, "relevant": 0.4, "seen": 0.3},
    "exactly one item": {"n_users": 10, "n_items": 1, "levels": 3, "relevant": 0.9, "seen": 0.3},
    "everything seen": {"n_users": 10, "n_items": 20, "levels": 3, "relevant": 0.2, "seen": 1.1},
    "more relevant than the cut": {
        "n_users": 20,
        "n_items": 100,
        "levels": 10**6,
        "relevant": 0.8,
        "seen": 0.0,
    },
    "groups of items": {"n_users": 10, "n_items": 1500, "levels": 200, "relevant": 0.01, "seen": 0.05},
}
