"""What comes after training: taken in at once, kept through kill -9, and carried to the next model."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from access import AUTHORISED, TOKEN

import postgres
from reelmix.errors import ConfigError, StorageError
from reelmix.models import Reelmix
from reelmix.recommender.fit import fit
from reelmix.server.store import Store, StoredItem

USER = "user-7"


def post(client, path, body, status=200):
    response = client.post(path, json=body, headers=AUTHORISED)
    assert response.status_code == status, response.text
    return response.json()


def watch(client, *pairs, status=200):
    pairs = [{"user_id": user, "item_id": item} for user, item in pairs]
    return post(client, "/v1/interactions", {"interactions": pairs}, status)


def best(client, user, n=10, **query):
    found = client.get("/v1/recommendations", params={"user_id": user, "n": n, **query})
    assert found.status_code == 200, found.text
    return [line["id"] for line in found.json()["items"]]


def new_item(dataset, identifier="fresh", like=0, names=("visual",)):
    features = {}
    for name in names:
        made = dataset.features[name]
        features[name] = [float(v) for v in made.values[min(like, len(made.values) - 1)]]
    return {"id": identifier, "title": f"New {identifier}", "features": features}


def test_what_was_watched_is_not_recommended_again(client):
    first = best(client, USER)
    assert watch(client, (USER, first[0])) == {"added": 1}
    assert first[0] not in best(client, USER, 80)
    assert first[0] in best(client, USER, 80, include_seen=True)


def test_a_known_users_list_follows_what_they_watch(client, recommender):
    run = recommender.run
    training = run.items.take(recommender.training[[run.users.row(USER)]].indices)
    first = best(client, USER)[0]
    watch(client, (USER, first))
    seen = set(run.items.take(recommender.seen[[run.users.row(USER)]].indices))
    expected = recommender.recommend_for_history([*training, first], 80, without=sorted(seen))
    assert best(client, USER, 80) == [line.id for line in expected]
    history = client.get("/v1/profile", params={"user_id": USER}).json()["history"]
    assert {card["id"] for card in history} == {*training, first}


def test_somebody_new(client, recommender):
    assert client.get("/v1/recommendations", params={"user_id": "new"}).status_code == 404
    watch(client, ("new", "reel-1"), ("new", "reel-2"))
    watch(client, ("new", "reel-3"))
    expected = recommender.recommend_for_history(["reel-1", "reel-2", "reel-3"], 10)
    assert best(client, "new") == [line.id for line in expected]
    told = client.get("/v1/explanation", params={"user_id": "new", "item_id": expected[0].id}).json()
    assert told["score"] == pytest.approx(expected[0].score, rel=1e-5)
    assert told["rank"] == 1
    assert sum(told["parts"].values()) + told["rest"] == pytest.approx(told["score"])
    assert {one["id"] for one in told["history"]} == {"reel-1", "reel-2", "reel-3"}
    emphasis = client.get("/v1/profile", params={"user_id": "new"}).json()["emphasis"]
    assert all(one["weight"] > 0 for one in emphasis)
    assert client.get("/v1/neighbourhood", params={"user_id": "new"}).json()["neighbours"]


def test_the_same_twice_counts_once(client):
    first = best(client, USER)[0]
    assert watch(client, (USER, first), (USER, first)) == {"added": 1}
    assert watch(client, (USER, first)) == {"added": 0}
    assert client.get("/v1/model").json()["added_interactions"] == 1


def test_all_or_none(client):
    assert (
        "expected a known item" in watch(client, ("new", "reel-1"), ("new", "nothing"), status=404)["detail"]
    )
    assert client.get("/v1/recommendations", params={"user_id": "new"}).status_code == 404
    assert client.service.store.interactions() == []
    assert "user ids of the run's type" in watch(client, (5, "reel-1"), status=422)["detail"]


def test_a_model_that_takes_in_nobody_new(start, dataset, tmp_path):
    from reelmix.models import VBPR

    fit(VBPR(embedding_size=8), dataset.split(rng=3), epochs=1, rng=0, out=tmp_path / "vbpr")
    client = start({"main": tmp_path / "vbpr"})
    assert "takes in no new users" in watch(client, ("new", "reel-1"), status=422)["detail"]
    first = best(client, USER)
    watch(client, (USER, first[0]))
    assert best(client, USER) == best(client, USER, 11, include_seen=False)[:10]
    assert best(client, USER)[:9] == first[1:]


def test_a_new_item_is_recommended_at_once(client, dataset, recommender):
    item = new_item(dataset)
    assert post(client, "/v1/items", {"items": [item]}) == {"added": 1}
    known = recommender.add_items(
        {"visual": {"fresh": item["features"]["visual"]}}, titles={"fresh": item["title"]}
    )
    assert best(client, USER, 81) == [line.id for line in known.recommend(USER, 81)]
    card = client.get("/v1/items", params={"query": "new fresh"}).json()["items"][0]
    assert (card["id"], card["added"], card["modalities"]) == ("fresh", True, ["visual"])
    watch(client, (USER, "fresh"))
    assert "fresh" not in best(client, USER, 81)
    assert client.get("/v1/model").json()["added_items"] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": {"visual": [1.0]}}, "size 48"),
        ({"features": {"smell": [1.0]}}, "a modality that the model was trained with"),
        ({"features": {}}, "at least one"),
        ({"id": "reel-5"}, "items that the run does not have"),
        ({"id": 5}, "item ids of the run's type"),
        ({"id": ""}, "item"),
    ],
)
def test_an_item_that_does_not_fit(client, dataset, change, words):
    problem = post(client, "/v1/items", {"items": [new_item(dataset) | change]}, 422)
    assert words in problem["detail"]
    assert client.service.store.items() == []
    assert client.get("/v1/model").json()["items"] == 80


def test_an_item_twice(client, dataset):
    item = new_item(dataset)
    assert "every item once" in post(client, "/v1/items", {"items": [item, item]}, 422)["detail"]
    post(client, "/v1/items", {"items": [item]})
    assert "does not have" in post(client, "/v1/items", {"items": [item]}, 422)["detail"]


def test_additions_are_there_after_a_restart(start, dataset, tmp_path):
    url = f"sqlite:///{tmp_path}/added.sqlite"
    first = start(store=url)
    post(first, "/v1/items", {"items": [new_item(dataset, names=("visual", "textual"))]})
    watch(first, ("new", "fresh"), ("new", "reel-1"), (USER, "reel-2"))
    second = start(store=url)
    for user in ("new", USER):
        assert best(second, user, 81) == best(first, user, 81)
    assert second.get("/v1/model").json()["added_items"] == 1


def test_what_a_store_cannot_keep_is_not_served(client, dataset, monkeypatch):
    def full(self, rows):
        raise StorageError(expected="room", found="none")

    monkeypatch.setattr(Store, "add_items", full)
    monkeypatch.setattr(Store, "add_interactions", full)
    post(client, "/v1/items", {"items": [new_item(dataset)]}, 503)
    watch(client, ("new", "reel-1"), status=503)
    assert client.get("/v1/model").json()["items"] == 80
    assert client.get("/v1/profile", params={"user_id": "new"}).status_code == 404


def test_another_model_without_downtime(start, run_folder, dataset, tmp_path):
    fit(Reelmix(embedding_size=4), dataset.split(rng=3), epochs=1, rng=9, out=tmp_path / "second")
    link = tmp_path / "current"
    link.symlink_to(run_folder)
    client = start({"main": link}, watch_seconds=0.05)
    watch(client, ("new", "reel-1"))
    before = best(client, USER)
    assert post(client, "/v1/reload", None) == {"run": "main", "changed": False}
    (tmp_path / "next").symlink_to(tmp_path / "second")
    (tmp_path / "next").replace(link)
    with client:  # the watch runs
        for _ in range(100):
            time.sleep(0.05)
            if client.get("/v1/model").json()["settings"]["embedding_size"] == 4:
                break
        else:
            pytest.fail("the other run was not read")
    assert best(client, USER) != before
    assert best(client, "new")  # and what was added is carried over


def test_a_model_that_cannot_be_read_changes_nothing(start, copied):
    client = start({"main": copied})
    before = best(client, USER)
    (copied / "weights.safetensors").write_bytes(b"harmed")
    (copied / "manifest.json").touch()
    assert client.service.stale
    assert post(client, "/v1/reload", None, 503)["detail"].startswith("What is kept cannot be read")
    assert best(client, USER) == before
    assert not client.service.stale  # it is not read again and again


def test_what_does_not_fit_the_next_model_is_left_out_and_kept(start, run_folder, dataset, tmp_path):
    url = f"sqlite:///{tmp_path}/added.sqlite"
    store = Store(url)
    store.add_items([StoredItem("fresh", None, {"visual": [1.0, 2.0]}), StoredItem("reel-5", None, {})])
    fits = new_item(dataset, "fits")
    store.add_items([StoredItem("fits", "It fits", fits["features"])])
    client = start(store=url)
    assert client.service.left_out == 1  # reel-5 has come to be part of the training
    assert client.get("/v1/model").json()["items"] == 81
    assert len(store.items()) == 3


# The store


def test_ids_of_any_kind_come_back(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/added.sqlite")
    pairs = [("7", 7), (7, "7"), ("snow ☃ '; drop table reelmix_items; --", -1), ("a\nb", 2**62)]
    store.add_interactions(pairs)
    items = [
        StoredItem(user, title, {"visual": [0.1, -2.5]})
        for (user, _), title in zip(pairs, "ab☃'", strict=True)
    ]
    store.add_items(items)
    again = Store(store.url)
    assert again.interactions() == pairs
    assert again.items() == items


def test_a_store_that_cannot_be_opened(refusal, tmp_path):
    text = refusal(StorageError, Store, f"sqlite:///{tmp_path}/no/such/folder/added.sqlite")
    assert text.startswith(
        f"store sqlite:///{tmp_path}/no/such/folder/added.sqlite: expected a database that"
    )
    text = refusal(StorageError, Store, "sqlite:////dev/null/secret")
    assert refusal(ConfigError, Store, "nonsense").startswith("store: expected the URL of a database")
    assert "driver" in refusal(ConfigError, Store, "nosuch://host/name")


@pytest.mark.skipif(sys.platform != "linux", reason="PostgreSQL comes as a wheel for Linux")
def test_postgresql_keeps_the_same(start, dataset):
    with postgres.running() as server:
        url = f"postgresql+psycopg://postgres@/postgres?host={server.folder}"
        first = start(store=url)
        post(first, "/v1/items", {"items": [new_item(dataset)]})
        watch(first, ("new", "fresh"), ("new", "reel-1"), (USER, "reel-2"))
        second = start(store=url)
        for user in ("new", USER):
            assert best(second, user, 81) == best(first, user, 81)
        assert server.psql("select item_id from reelmix_interactions order by number").split() == [
            '"fresh"',
            '"reel-1"',
            '"reel-2"',
        ]
        first.service.close()
        second.service.close()


def test_a_password_is_not_told(refusal):
    text = refusal(StorageError, Store, "postgresql+psycopg://ann:hunter2@127.0.0.1:1/x?connect_timeout=1")
    assert "hunter2" not in text
    assert "ann:***" in text


PROGRAM = [sys.executable, "-m", "reelmix.cli.main", "serve"]


def asked(port, path, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=AUTHORISED)
    if body is not None:
        request.data = body.encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read().decode()


def served(folder, tmp_path):
    words = [*PROGRAM, str(folder), "--port", "0", "--store", f"sqlite:///{tmp_path}/added.sqlite"]
    environment = {**os.environ, "REELMIX_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, env=environment)
    for _ in range(600):
        time.sleep(0.1)
        told = (tmp_path / "said").read_text()
        if "(Ctrl-C ends it)" in told:
            port = int(told.partition("API: http://127.0.0.1:")[2].split()[0])
            with contextlib.suppress(OSError):
                asked(port, "/ready")
                return process, port
    raise AssertionError(told)


def test_additions_survive_kill_9(run_folder, tmp_path):
    process, port = served(run_folder, tmp_path)
    try:
        for k in range(20):
            body = f'{{"interactions": [{{"user_id": "new-{k}", "item_id": "reel-{k + 1}"}}]}}'
            assert asked(port, "/v1/interactions", body) == '{"added":1}'
        lists = [asked(port, f"/v1/recommendations?user_id=new-{k}") for k in range(20)]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    process, port = served(run_folder, tmp_path)
    try:
        assert [asked(port, f"/v1/recommendations?user_id=new-{k}") for k in range(20)] == lists
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
    assert np.all([f'"user_id":"new-{k}"' in found for k, found in enumerate(lists)])
