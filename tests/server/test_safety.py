"""Who may do what, what bounds a request, and that nothing but the folder of media is read."""

import threading
import time

import polars as pl
import pytest
from access import AUTHORISED, TOKEN

from reelmix.errors import ConfigError, StorageError
from reelmix.files import write_arrays
from reelmix.recommender import Run
from reelmix.server.config import ServerConfig

NEW = {"interactions": [{"user_id": "user-7", "item_id": "reel-5"}]}
WRITES = [("/v1/interactions", NEW), ("/v1/items", {"items": []}), ("/v1/reload", None)]
READS = [
    "/v1/model",
    "/v1/recommendations?user_id=user-7",
    "/metrics",
    "/openapi.json",
    "/media?item_id=reel-5",
]


@pytest.mark.parametrize(("path", "body"), WRITES)
@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Basic " + TOKEN, TOKEN, "Bearer", f"Bearer {TOKEN}x"]
)
def test_whoever_writes_needs_the_token(client, path, body, given):
    response = client.post(path, json=body, headers={"authorization": given} if given else {})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert client.post(path, json=body, headers=AUTHORISED).status_code in (200, 422)


@pytest.mark.parametrize(("path", "body"), WRITES)
def test_without_a_token_nothing_is_written(start, path, body):
    response = start(token=None).post(path, json=body, headers=AUTHORISED)
    assert response.status_code == 403
    assert "REELMIX_TOKEN" in response.json()["detail"]


@pytest.mark.parametrize("path", READS)
def test_others_need_the_token_to_read(start, path):
    client = start(host="0.0.0.0")
    assert client.get(path).status_code == 401
    assert client.get(path, headers=AUTHORISED).status_code in (200, 404)
    assert client.get("/health").status_code == client.get("/ready").status_code == 200


def test_others_are_not_listened_to_without_a_token(refusal):
    assert refusal(ConfigError, ServerConfig(host="0.0.0.0").require_safe) == (
        "serve: expected a token, since others reach 0.0.0.0, found none. Set REELMIX_TOKEN to a secret of "
        "at least 16 characters, or listen on 127.0.0.1."
    )
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        ServerConfig(host=host).require_safe()


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]
)
def test_a_name_that_was_made_to_point_here_is_not_answered(client, host):
    assert client.get("/v1/model", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_answered(client, host):
    assert client.get("/v1/model", headers={"host": host}).status_code == 200


def test_a_question_has_a_size_at_most(start):
    client = start(body_bytes=1000)
    long = {"history": ["reel-1"] * 500}
    assert client.post("/v1/recommendations/history", json=long).status_code == 413

    def pieces():
        for _ in range(100):
            yield b" " * 100

    response = client.post("/v1/recommendations/history", content=pieces())
    assert response.status_code == 413
    assert response.json()["detail"] == "A question may have 1,000 bytes at most."


@pytest.mark.parametrize(
    "asked",
    [
        {"user_ids": ["user-7"] * 101},
        {"user_ids": ["user-7"], "n": 1001},
        {"user_ids": []},
        {"user_ids": ["user-7"], "among": ["reel-1"] * 1001},
        {"user_ids": [1.5]},
        {"user_ids": [True]},
        {"user_ids": ["user-7"], "surprise": 1},
    ],
)
def test_lists_are_bounded(client, asked):
    assert client.post("/v1/recommendations", json=asked).status_code == 422


def slow(client, monkeypatch, seconds):
    service = client.service
    looked = type(service).__getitem__

    def slowly(self, name):
        time.sleep(seconds)
        return looked(self, name)

    monkeypatch.setattr(type(service), "__getitem__", slowly)


def test_one_request_too_many_is_answered_at_once(start, monkeypatch):
    client = start(concurrent=2)
    slow(client, monkeypatch, 1.0)
    with client:  # one event loop for all
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(client.get("/v1/users").status_code))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        started = time.perf_counter()
        response = client.get("/v1/users")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert time.perf_counter() - started < 0.5
        assert client.get("/health").status_code == 200  # busy is not ill
        for thread in threads:
            thread.join()
        assert found == [200, 200]
        assert client.get("/v1/users").status_code == 200


def test_what_waits_to_write_holds_up_no_reading(start):
    client = start(threads=2)
    body = {"interactions": [{"user_id": "new", "item_id": "reel-1"}]}
    headers = {"authorization": f"Bearer {TOKEN}"}
    with client:
        found = []
        threads = [
            threading.Thread(
                target=lambda: found.append(
                    client.post("/v1/interactions", json=body, headers=headers).status_code
                )
            )
            for _ in range(4)
        ]
        with client.service._writing:
            for thread in threads:
                thread.start()
            time.sleep(0.4)
            assert client.get("/v1/users").status_code == 200
            assert found == []
        for thread in threads:
            thread.join()
        assert found == [200] * 4


def test_what_takes_too_long_is_given_up_on(start, monkeypatch):
    client = start(seconds=0.2, concurrent=1)
    slow(client, monkeypatch, 0.8)
    with client:
        response = client.get("/v1/users")
        assert response.status_code == 503
        assert "too long" in response.json()["detail"]
        assert client.get("/v1/users").status_code == 503  # the first is still worked out
        time.sleep(1.0)
        monkeypatch.undo()
        assert client.get("/v1/users").status_code == 200


def test_a_fault_of_ours_tells_nothing(start, monkeypatch, caplog):
    client = start(raises=False)

    def faulty(self, name):
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr(type(client.service), "__getitem__", faulty)
    response = client.get("/v1/users")
    assert response.status_code == 500
    assert response.json()["detail"] == "A fault of the server; its log says which."
    assert "secret" not in response.text
    assert "secret of the house" in caplog.text


def test_headers_keep_a_browser_at_home(client):
    headers = client.get("/v1/model").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert client.get("/v1/model", headers={"host": "evil.example"}).headers["x-frame-options"] == "DENY"


# Files of items


@pytest.fixture
def with_media(copied, tmp_path, start):
    """A run whose items name files, some of them where nobody should look; a client of it."""
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    folder = tmp_path / "media"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.mp4").write_bytes(b"0123456789")
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    run = Run.read(copied)
    paths = [
        "deep/a.mp4",
        "../secret.mp4",
        str(tmp_path / "secret.mp4"),
        "link.mp4",
        "none.mp4",
        None,
        "deep",
    ]
    paths += [None] * (len(run.items) - len(paths))
    named = run.item_table.with_columns(media=pl.Series(paths, dtype=pl.String))
    changed = type(run)(**{**vars(run), "item_table": named})
    changed.write(tmp_path / "with-media")

    def client(**config):
        return start({"main": tmp_path / "with-media"}, media=folder, **config)

    return client, run.items.ids.to_list()


def address_of(client, item):
    """Where the file of an item is, as its card says."""
    found = client.get("/v1/items", params={"query": item, "n": 1000}, headers=AUTHORISED).json()["items"]
    return next(one["media"] for one in found if one["id"] == item)


def test_an_items_file_comes_from_the_folder_of_media(with_media):
    start, items = with_media
    client = start()
    address = address_of(client, items[0])
    response = client.get(address)
    assert response.content == b"0123456789"
    assert response.headers["content-type"] == "video/mp4"
    part = client.get(address, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


def test_where_a_token_is_needed_an_address_holds_the_key_of_one_item(with_media):
    start, items = with_media
    client = start(host="0.0.0.0")
    address = address_of(client, items[0])
    assert TOKEN not in address
    assert client.get(address).content == b"0123456789"
    assert client.get(address, headers={"range": "bytes=2-4"}).content == b"234"
    key = address.partition("&key=")[2]
    assert len(key) == 64
    for query in (
        {"item_id": items[0]},
        {"item_id": items[0], "key": ""},
        {"item_id": items[0], "key": key[:-1] + "gh"[key[-1] == "g"]},
        {"item_id": items[0], "key": "é" * 64},
        {"item_id": items[1], "key": key},
        [("item_id", items[0]), ("item_id", items[1]), ("key", key)],
        [("item_id", items[1]), ("item_id", items[0]), ("key", key)],
        [("item_id", items[0]), ("key", "no"), ("key", key)],
    ):
        assert client.get("/media", params=query).status_code == 401
    assert client.get(f"/v1/model?item_id={items[0]}&key={key}").status_code == 401
    assert start(host="0.0.0.0", token=TOKEN + "2").get(address).status_code == 401


def test_where_everybody_may_read_addresses_hold_no_key(with_media):
    start, items = with_media
    assert address_of(start(), items[0]) == f"/media?item_id={items[0]}"


@pytest.mark.parametrize("place", range(1, 7))
def test_no_other_file_is_read(with_media, place):
    start, items = with_media
    response = start().get("/media", params={"item_id": items[place]})
    assert response.status_code == 404
    assert "secret" not in response.text


@pytest.mark.parametrize(
    "path", ["/media/deep/a.mp4", "/media/../secret.mp4", "/..%2f..%2fetc/passwd", "/%2e%2e/"]
)
def test_no_path_of_a_request_is_looked_up(with_media, path):
    assert with_media[0]().get(path).status_code == 404


def test_without_a_folder_no_files(client):
    assert client.get("/media", params={"item_id": "reel-5"}).status_code == 404


def test_a_folder_of_media_that_is_not_there(start, tmp_path, refusal):
    assert refusal(StorageError, start, media=tmp_path / "none").startswith(
        f"{tmp_path}/none: expected the folder"
    )


def test_a_run_that_was_harmed_is_not_served(start, copied, refusal):
    write_arrays(copied / "weights.safetensors", {})
    from reelmix.errors import RunError

    assert "expected the file as it was written" in refusal(RunError, start, {"main": copied})
