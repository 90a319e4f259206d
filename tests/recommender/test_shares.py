"""What decides a user's list, against covariances taken one user at a time, and by hand."""

import numpy as np

from reelmix.recommender.run import Vectors
from reelmix.recommender.shares import modality_shares


def vectors_of(users, parts):
    parts = {name: np.asarray(part, np.float32) for name, part in parts.items()}
    items = sum(parts.values())
    present = np.ones((len(items), len(parts)), bool)
    return Vectors(np.asarray(users, np.float32), items, parts, present)


def test_by_hand():
    # user 0 looks only at the first axis, where visual spreads the items by 0, 2 and acoustic by 0, 1
    parts = {"visual": [[0, 0], [2, 0]], "acoustic": [[0, 0], [1, 4]]}
    shares = modality_shares(vectors_of([[1, 0], [0, 1], [0, 0]], parts))
    np.testing.assert_allclose(shares[0], [2 / 3, 1 / 3])
    np.testing.assert_allclose(shares[1], [0, 1])
    assert np.isnan(shares[2]).all()  # all scores are equal: nothing decides


def test_against_covariances_one_user_at_a_time():
    rng = np.random.default_rng(4)
    parts = {name: rng.normal(size=(30, 5)) for name in ("visual", "acoustic", "textual")}
    vectors = vectors_of(rng.normal(size=(7, 5)), parts)
    shares = modality_shares(vectors)
    for user, row in zip(vectors.users.astype(float), shares, strict=True):
        scores = sum(part.astype(float) @ user for part in vectors.item_parts.values())
        for share, part in zip(row, vectors.item_parts.values(), strict=True):
            expected = np.cov(part.astype(float) @ user, scores, bias=True)[0, 1] / scores.var()
            np.testing.assert_allclose(share, expected, rtol=1e-5)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


def test_a_modality_that_works_against_the_others_has_a_share_below_zero():
    shares = modality_shares(vectors_of([[1]], {"visual": [[0], [3]], "acoustic": [[0], [-1]]}))
    np.testing.assert_allclose(shares, [[1.5, -0.5]])


def test_no_modalities():
    vectors = Vectors(np.ones((2, 1), np.float32), np.ones((3, 1), np.float32), {}, np.zeros((3, 0), bool))
    assert modality_shares(vectors).shape == (2, 0)
