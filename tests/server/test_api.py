"""What the API answers is what the recommender says."""

from dataclasses import replace

import numpy as np
import pytest

from reelmix.recommender import explain

USER, ITEM = "user-7", "reel-5"


def ask(client, path, **query):
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


def ids(lines):
    return [line["id"] for line in lines]


@pytest.mark.parametrize("options", [{}, {"n": 3}, {"include_seen": True, "n": 50}])
def test_a_users_list(client, recommender, options):
    found = ask(client, "/v1/recommendations", user_id=USER, **options)
    expected = recommender.recommend(USER, **options) if options else recommender.recommend(USER, 10)
    assert found["user_id"] == USER
    assert ids(found["items"]) == [line.id for line in expected]
    assert [line["score"] for line in found["items"]] == [line.score for line in expected]
    assert [line["title"] for line in found["items"]] == [line.title for line in expected]


def test_the_parts_of_every_score_add_up_to_it(client, recommender):
    for line in ask(client, "/v1/recommendations", user_id=USER, n=80)["items"]:
        assert sum(line["parts"].values()) + line["rest"] == pytest.approx(line["score"], abs=1e-6)
        told = explain(recommender, USER, line["id"])
        assert line["parts"] == pytest.approx(dict(told.parts), abs=1e-5)
        assert set(line["parts"]) <= set(line["modalities"])


@pytest.mark.parametrize("off", [["visual"], ["visual", "textual"]])
def test_with_a_modality_off_the_list_is_that_of_what_is_left(client, recommender, off):
    vectors = recommender.vectors
    left = vectors.items - sum(vectors.item_parts[name] for name in off)
    user = recommender.run.users.row(USER)
    scores = left @ vectors.users[user]
    scores[recommender.seen[[user]].indices] = -np.inf
    best = np.lexsort((np.arange(len(scores)), -scores))[:10]
    found = ask(client, "/v1/recommendations", user_id=USER, without_modality=off)
    assert ids(found["items"]) == recommender.run.items.take(best)
    assert ids(found["items"]) != ids(ask(client, "/v1/recommendations", user_id=USER)["items"])
    for line in found["items"]:
        assert not set(line["parts"]) & set(off)
        assert sum(line["parts"].values()) + line["rest"] == pytest.approx(line["score"], abs=1e-6)


def test_lists_of_many_are_those_of_each(client):
    asked = {
        "user_ids": ["user-7", "user-9"],
        "n": 4,
        "without": ["reel-5"],
        "without_modalities": ["visual"],
    }
    lists = client.post("/v1/recommendations", json=asked).json()["lists"]
    assert [one["user_id"] for one in lists] == ["user-7", "user-9"]
    for one in lists:
        alone = client.post("/v1/recommendations", json={**asked, "user_ids": [one["user_id"]]}).json()
        assert alone["lists"] == [one]
        assert "reel-5" not in ids(one["items"])
    among = {"user_ids": [USER], "among": ["reel-1", "reel-2"], "include_seen": True}
    assert set(ids(client.post("/v1/recommendations", json=among).json()["lists"][0]["items"])) == {
        "reel-1",
        "reel-2",
    }


def test_a_list_for_a_history_is_that_of_somebody_new(client, recommender):
    history = ["reel-1", "reel-2", "reel-3"]
    found = client.post("/v1/recommendations/history", json={"history": history, "n": 5}).json()
    assert found["user_id"] is None
    assert ids(found["items"]) == [line.id for line in recommender.recommend_for_history(history, 5)]


def test_what_is_alike(client, recommender):
    found = ask(client, "/v1/similar-items", item_id=ITEM, n=3)["items"]
    assert [(line["id"], line["score"]) for line in found] == [
        (line.id, line.score) for line in recommender.similar_items(ITEM, 3)
    ]
    found = ask(client, "/v1/similar-users", user_id=USER, n=3)["users"]
    assert [(line["id"], line["score"]) for line in found] == [
        (line.id, line.score) for line in recommender.similar_users(USER, 3)
    ]


def test_an_explanation(client, recommender):
    found, told = ask(client, "/v1/explanation", user_id=USER, item_id=ITEM), explain(recommender, USER, ITEM)
    for name in ("score", "rank", "rest", "parts", "lifts", "rank_without"):
        assert found[name] == getattr(told, name)
    assert found["sentence"] == told.sentence()
    assert found["filled"] == list(told.filled)
    assert [(one["id"], one["score"]) for one in found["history"]] == [
        (one.id, one.score) for one in told.history
    ]
    assert {name: ids(lines) for name, lines in found["like"].items()} == {
        name: [line.id for line in lines] for name, lines in told.like.items()
    }
    assert found["item"]["id"] == ITEM


def test_a_profile(client, recommender):
    run, row = recommender.run, recommender.run.users.row(USER)
    found = ask(client, "/v1/profile", user_id=USER)
    watched = recommender.training[[row]].indices
    assert ids(found["history"]) == run.items.take(watched)
    training = recommender.training.toarray()
    common = training @ training[row]
    common[row] = 0
    emphasis = recommender.vectors.emphasis
    trained = training.any(axis=1)
    for place, one in enumerate(found["emphasis"]):
        assert one["modality"] == list(recommender.vectors.item_parts)[place]
        assert one["weight"] == pytest.approx(float(emphasis[row, place]))
        assert one["neighbours"] == pytest.approx(float(common @ emphasis[:, place] / common.sum()), rel=1e-5)
        assert one["everyone"] == pytest.approx(float(emphasis[trained, place].mean()), rel=1e-5)
        assert one["share"] == pytest.approx(float(recommender.shares[row, place]))


def test_a_neighbourhood(client, recommender):
    found = ask(client, "/v1/neighbourhood", user_id=USER, n=5)
    training = recommender.training.toarray()
    row = recommender.run.users.row(USER)
    common = training @ training[row]
    common[row] = 0
    assert [len(one["common"]) for one in found["neighbours"]] == sorted(common, reverse=True)[:5]
    mine = set(recommender.run.items.take(np.flatnonzero(training[row])))
    for one in found["neighbours"]:
        theirs = np.flatnonzero(training[recommender.run.users.row(one["id"])])
        assert set(one["common"]) == mine & set(recommender.run.items.take(theirs))
        assert one["watched"] == len(theirs)
    assert {card["id"] for card in found["items"]} == {
        x for one in found["neighbours"] for x in one["common"]
    }


def test_cards_say_what_an_item_has(client, recommender):
    run = recommender.run
    cards = {card["id"]: card for card in ask(client, "/v1/items", n=1000)["items"]}
    assert len(cards) == len(run.items)
    for row, identifier in enumerate(run.items.ids):
        card = cards[identifier]
        names = [n for n, here in zip(run.vectors.item_parts, run.vectors.present[row], strict=True) if here]
        assert card["modalities"] == names
        assert card["watched_by"] == recommender.training[:, [row]].sum()
        assert card["title"] == run.titles[row]
        assert card["media"] is None
        assert not card["added"]
        assert card["tint"] is None or 0 <= card["tint"] <= 1


def test_searching(client, recommender):
    title = recommender.run.titles[7]
    found = ask(client, "/v1/items", query=title.upper(), n=3)
    assert title in [card["title"] for card in found["items"]]
    assert ask(client, "/v1/items", query="[no (such")["total"] == 0
    most = ask(client, "/v1/items", n=5)["items"]
    assert [card["watched_by"] for card in most] == sorted(
        recommender.training.sum(axis=0).tolist(), reverse=True
    )[:5]
    found = ask(client, "/v1/users", query="user-1", n=1000)
    expected = [u for u in recommender.run.users.ids if "user-1" in u]
    assert sorted(ids(found["users"])) == expected
    assert found["total"] == len(expected)
    assert [one["watched"] for one in found["users"]] == sorted(
        (one["watched"] for one in found["users"]), reverse=True
    )


def test_the_map(client, recommender):
    found, drawn = ask(client, "/v1/map"), recommender.run.map
    assert len(found["id"]) == len(drawn)
    assert found["left_out"] == 200 - len(drawn)
    place = {
        (kind, identifier): (x, y)
        for kind, identifier, x, y in drawn.select("kind", "id", "x", "y").iter_rows()
    }
    for kind, identifier, x, y, bits, title in zip(
        *(found[key] for key in ("kind", "id", "x", "y", "modalities", "title")), strict=True
    ):
        assert (x, y) == pytest.approx(place[kind, identifier], abs=1e-4)
        if kind == "item":
            row = recommender.run.items.row(identifier)
            assert bits == sum(int(here) << p for p, here in enumerate(recommender.vectors.present[row]))
            assert title == recommender.run.titles[row]
        else:
            assert (bits, title) == (-1, None)


def test_two_runs_side_by_side(start, run_folder, other_folder):
    client = start({"main": run_folder, "beside": other_folder})
    card = ask(client, "/v1/model")
    assert [(one["name"], one["model"]) for one in card["runs"]] == [
        ("main", "reelmix"),
        ("beside", "dualgnn"),
    ]
    assert ask(client, "/v1/model", run="beside")["model"] == "dualgnn"
    mine = ask(client, "/v1/recommendations", user_id=USER)
    theirs = ask(client, "/v1/recommendations", user_id=USER, run="beside")
    assert ids(mine["items"]) != ids(theirs["items"])
    assert ask(client, "/v1/explanation", user_id=USER, item_id=ITEM, run="beside")["neighbours"]
    assert client.get("/v1/map", params={"run": "beside"}).status_code == 404
    response = client.get("/v1/model", params={"run": "besides"})
    assert response.status_code == 404
    assert response.json()["fix"] == "Did you mean 'beside'?"


def test_the_model_card(client, recommender):
    card, run = ask(client, "/v1/model"), recommender.run
    assert (card["users"], card["items"]) == (120, 80)
    assert card["interactions"] == len(run.interactions.users)
    assert card["metrics"]["test"] == run.metrics["test"]
    assert [one["name"] for one in card["modalities"]] == list(run.vectors.item_parts)
    assert [one["items"] for one in card["modalities"]] == run.vectors.present.sum(axis=0).tolist()
    assert card["dataset"] == run.manifest["dataset"]["content_hash"]
    assert (card["takes_history"], card["takes_items"], card["has_map"]) == (True, True, True)


def test_the_model_card_has_what_validation_chose(start, recommender, tmp_path):
    run = recommender.run
    chosen = {"settings": {"ridge": 20.0, "eigenvectors": 80}, "gain": 0.1, "sureness": 4.0}
    replace(run, manifest={**run.manifest, "chosen": chosen}).write(tmp_path / "run")
    card = ask(start({"main": tmp_path / "run"}), "/v1/model")
    assert card["settings"] == {**run.settings["model"], "ridge": 20.0, "eigenvectors": 80}


def test_health_readiness_and_counts(client):
    assert ask(client, "/health") == {"status": "alive"}
    assert ask(client, "/ready") == {"status": "ready"}
    ask(client, "/v1/recommendations", user_id=USER)
    client.get("/v1/recommendations", params={"user_id": "nobody"})
    text = client.get("/metrics").text
    assert 'reelmix_request_seconds_count{method="GET",route="/v1/recommendations",status="200"} 1.0' in text
    assert 'reelmix_request_seconds_count{method="GET",route="/v1/recommendations",status="404"} 1.0' in text
    assert "reelmix_items 80.0" in text


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/v1/recommendations", {"user_id": "nobody"}, 404, "user id: expected a known user, found 'nobody'"),
        (
            "/v1/explanation",
            {"user_id": USER, "item_id": "x"},
            404,
            "item id: expected a known item, found 'x'",
        ),
        (
            "/v1/recommendations",
            {"user_id": USER, "without_modality": "sound"},
            422,
            "without_modalities: exp",
        ),
        ("/v1/recommendations", {"user_id": USER, "n": 0}, 422, "query.n: "),
        ("/v1/recommendations", {"user_id": USER, "n": 1001}, 422, "query.n: "),
        ("/v1/recommendations", {}, 422, "query.user_id: Field required"),
        ("/v1/nothing", {}, 404, "Not Found"),
    ],
)
def test_a_problem_says_what_is_wrong(client, path, query, status, words):
    response = client.get(path, params=query)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == status
    assert found["detail"].startswith(words)


def test_every_answer_is_described_with_an_example(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) >= {
        "/v1/recommendations",
        "/v1/items",
        "/v1/reload",
        "/metrics",
        "/health",
    }
    for name in ("ListsAsked", "HistoryAsked", "NewItem", "NewInteraction", "ItemCard", "ScoredItem"):
        assert described["components"]["schemas"][name]["examples"], name
