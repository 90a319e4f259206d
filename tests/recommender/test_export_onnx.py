"""The scoring function in ONNX: what the graph computes, and what is refused."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from hand_made import hand_made, names, random_run

from reelmix.errors import ConfigError
from reelmix.evaluation.ranking import top_n
from reelmix.recommender.export import onnx as exporter
from reelmix.recommender.export import to_onnx

IDS = ["\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), 'a "b"\n', "z\0"]


def session_of(run, folder):
    to_onnx(run, folder / "scores.onnx")
    return onnxruntime.InferenceSession(folder / "scores.onnx")


def asked(session, users, k):
    return session.run(None, {"user": np.array(users, np.int64), "k": np.array([k])})


def test_scores_by_hand(tmp_path):
    run = hand_made([[1, 2], [0, -1]], [[3, 0], [0, 1], [1, 1]], watched=[(0, 0, 0), (1, 1, 0)])
    scores, items, best = asked(session_of(run, tmp_path), [1, 0], 2)
    assert scores.tolist() == [[0, -1, -1], [3, 2, 3]]
    assert items.tolist() == [[0, 1], [0, 2]]  # ties by row
    assert best.tolist() == [[0, -1], [3, 3]]
    assert [array.dtype for array in (scores, items, best)] == [np.float32, np.int64, np.float32]


@pytest.mark.parametrize("seed", range(3))
def test_lists_are_those_of_our_own_ranking(seed, tmp_path):
    run = random_run(seed)  # with many ties; it knows everyone and everything
    users, n_items = np.arange(len(run.users)), len(run.items)
    session = session_of(run, tmp_path)
    exact = run.vectors.users @ run.vectors.items.T
    for k in (1, 5, n_items, n_items + 3):
        scores, items, best = asked(session, users, k)
        np.testing.assert_array_equal(scores, exact)
        np.testing.assert_array_equal(items, top_n(exact, min(k, n_items)).items)
        np.testing.assert_array_equal(best, np.take_along_axis(exact, items, axis=1))
        for row in users:  # one by one is the same
            assert asked(session, [row], k)[1].tolist() == [items[row].tolist()]


def test_the_face_of_the_model(tmp_path):
    run = hand_made(
        [[1, 2]], [[3, 0], [0, 1], [1, 1]], watched=[(0, 0, 0)], item_ids=sorted(IDS), user_ids=[2**62]
    )
    session = session_of(run, tmp_path)
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("user", ["batch"], "tensor(int64)"),
        ("k", [1], "tensor(int64)"),
    ]
    assert [(one.name, one.shape, one.type) for one in session.get_outputs()] == [
        ("scores", ["batch", 3], "tensor(float)"),
        ("top_items", ["batch", "length"], "tensor(int64)"),
        ("top_scores", ["batch", "length"], "tensor(float)"),
    ]
    about = session.get_modelmeta()
    assert about.producer_name == "reelmix"
    assert {name: json.loads(text) for name, text in about.custom_metadata_map.items()} == {
        "user_ids": [2**62],
        "item_ids": sorted(IDS),
    }
    model = onnx.load(tmp_path / "scores.onnx")
    assert (model.ir_version, [entry.version for entry in model.opset_import]) == (8, [17])
    assert names(tmp_path) == ["scores.onnx"]


def test_more_than_a_file_can_hold(tmp_path, refusal, monkeypatch):
    run = hand_made(np.ones((10, 4)), np.ones((20, 4)), watched=[(u, 0, 0) for u in range(10)])
    ids = len(json.dumps(run.users.ids.to_list())) + len(json.dumps(run.items.ids.to_list()))
    monkeypatch.setattr(exporter, "MOST_BYTES", 30 * 4 * 4 + ids)
    to_onnx(run, tmp_path / "v.onnx")
    monkeypatch.setattr(exporter, "MOST_BYTES", 30 * 4 * 4 + ids - 1)
    assert refusal(ConfigError, to_onnx, run, tmp_path / "w.onnx") == (
        "export: expected at most 0.0 GB of vectors and ids for onnx, found 0.0 GB. "
        "Export to lancedb or pgvector, or train with a smaller embedding_size."
    )
    assert names(tmp_path) == ["v.onnx"]
