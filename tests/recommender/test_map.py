"""The plane: what is alike is near, everybody of whom something is known is on it, and it is kept."""

import sys

import numpy as np
import polars as pl
import pytest
from hand_made import hand_made

from reelmix.errors import ConfigError
from reelmix.recommender import Run
from reelmix.recommender import map as module
from reelmix.recommender.map import draw_map


def clumps(rng, n_clumps=4, size=30, dim=6):
    """Item vectors in clumps of directions, and a user at each clump."""
    centres = np.linalg.qr(rng.normal(size=(dim, dim)))[0][:n_clumps]
    items = np.repeat(centres, size, axis=0) + 0.1 * rng.normal(size=(n_clumps * size, dim))
    watched = [(user, user * size + k, 0) for user in range(n_clumps) for k in range(3)]
    return hand_made(centres, items.astype(np.float32), watched=watched), np.repeat(range(n_clumps), size)


def places(drawn, kind):
    return drawn.filter(pl.col("kind") == kind).select("x", "y").to_numpy()


@pytest.mark.parametrize("landmarks", [3000, 60])
def test_what_is_alike_is_near(landmarks):
    run, clump = clumps(np.random.default_rng(0))
    drawn = draw_map(run, landmarks=landmarks)
    xy = places(drawn, "item")
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argsort(axis=1)[:, :5]
    assert (clump[nearest] == clump[:, None]).mean() > 0.95
    assert np.abs(xy).max() <= 1 + 1e-6
    people = places(drawn, "user")
    assert list(clump[np.linalg.norm(people[:, None] - xy[None], axis=2).argmin(axis=1)]) == [0, 1, 2, 3]


def test_a_user_is_amid_the_five_items_with_the_highest_scores():
    run, _ = clumps(np.random.default_rng(1))
    drawn = draw_map(run)
    xy, scores = places(drawn, "item"), run.vectors.users @ run.vectors.items.T
    for user, place in enumerate(places(drawn, "user")):
        assert place == pytest.approx(xy[np.argsort(-scores[user])[:5]].mean(axis=0), abs=1e-5)


def test_nothing_known_is_not_on_it():
    items = np.eye(6, dtype=np.float32)
    items[2] = 0
    drawn = draw_map(hand_made(np.array([[1, 0, 0, 0, 0, 0], [0] * 6]), items))
    assert drawn.filter(pl.col("kind") == "item")["id"].to_list() == ["i00", "i01", "i03", "i04", "i05"]
    assert drawn.filter(pl.col("kind") == "user")["id"].to_list() == ["u00"]
    assert np.isfinite(drawn.select("x", "y").to_numpy()).all()


@pytest.mark.parametrize("n_items", [0, 1, 3])
def test_hardly_any_items(n_items):
    items = np.eye(4, dtype=np.float32)[:n_items]
    drawn = draw_map(hand_made(np.ones((2, 4)), items))
    assert len(drawn) == (n_items + 2 if n_items else 0)
    assert np.isfinite(drawn.select("x", "y").to_numpy()).all()


def test_the_same_seed_the_same_map():
    run, _ = clumps(np.random.default_rng(2))
    assert draw_map(run, rng=1).equals(draw_map(run, rng=1))
    assert not draw_map(run, rng=1).equals(draw_map(run, rng=2))


def test_it_is_kept_with_the_run(trained, tmp_path):
    from dataclasses import replace

    run, _ = trained
    drawn = replace(run, map=draw_map(run))
    drawn.write(tmp_path / "run")
    assert Run.read(tmp_path / "run").map.equals(drawn.map)
    assert Run.read(trained[1]).map is None
    damaged = (tmp_path / "run" / "map.parquet").read_bytes()[:-1]
    (tmp_path / "run" / "map.parquet").write_bytes(damaged)
    with pytest.raises(Exception, match="expected the file as it was written"):
        Run.read(tmp_path / "run")


def test_without_scikit_learn(monkeypatch, refusal):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    run, _ = clumps(np.random.default_rng(0))
    assert refusal(ConfigError, draw_map, run) == (
        "expected sklearn, which the server and the map need, found none installed. "
        "Run: pip install 'reelmix[serve]'"
    )
    assert module.LANDMARKS >= 1000
