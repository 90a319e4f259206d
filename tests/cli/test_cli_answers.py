"""``recommend``, ``similar``, ``export``, ``doctor``: what the library says, printed."""

import json
import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file

from reelmix.cli import doctor
from reelmix.data.interactions import Interactions
from reelmix.data.vocabulary import Vocabulary
from reelmix.recommender import Recommender, Run, explain
from reelmix.recommender.run import Vectors


@pytest.fixture
def recommender(run_folder):
    return Recommender(run_folder)


def cells(line):
    """The words of a row, each run of two spaces or more a border."""
    return [cell for cell in line.strip().split("  ") if cell]


# recommend


def test_a_table(reelmix, run_folder, recommender):
    done = reelmix("recommend", run_folder, "--user", "user-17", "--n", "4")
    assert (done.status, done.err) == (0, "")
    title, header, *rows = done.out.splitlines()
    assert title.rstrip() == "for user user-17"
    assert header.split() == ["id", "title", "score"]
    assert [[cell.strip() for cell in cells(row)] for row in rows] == [
        [str(place), line.id, line.title, f"{line.score:.3f}"]
        for place, line in enumerate(recommender.recommend("user-17", 4), start=1)
    ]


def test_reasons_below_the_titles(reelmix, run_folder, recommender):
    rows = reelmix("recommend", run_folder, "--user", "user-17", "-n", "3", "--why").out.splitlines()[2:]
    lines = recommender.recommend("user-17", 3)
    assert [row.strip() for row in rows[1::2]] == [
        explain(recommender, "user-17", line.id).sentence() for line in lines
    ]
    assert [line.title in row for row, line in zip(rows[::2], lines, strict=True)] == [True] * 3


def test_json(reelmix, run_folder, recommender):
    done = reelmix("recommend", run_folder, "--user", "user-1", "--user", "user-17", "-n", "3", "--json")
    users = [json.loads(line) for line in done.out.splitlines()]
    lists = recommender.recommend(["user-1", "user-17"], 3)
    assert users == [
        {"user": user, "items": [asdict(line) for line in lines]}
        for user, lines in zip(["user-1", "user-17"], lists, strict=True)
    ]


def test_json_with_reasons(reelmix, run_folder, recommender):
    done = reelmix("recommend", run_folder, "--user", "user-17", "-n", "3", "--json", "--why")
    for item in json.loads(done.out)["items"]:
        found = asdict(explain(recommender, "user-17", item["id"]))
        assert item["why"] == json.loads(json.dumps(found))  # lists where Python has tuples


@pytest.mark.parametrize("how", ["file", "standard input", "both ways"])
@pytest.mark.parametrize(
    "content",
    [b"user-3\nuser-17\n", b"\n  user-3 \r\n\r\nuser-17", b"\xef\xbb\xbfuser-3\nuser-17\n"],
    ids=["plain", "untidy", "with a byte order mark"],
)
def test_users_from(reelmix, run_folder, tmp_path, how, content):
    words, users = ["recommend", run_folder, "-n", "2", "--json"], ["user-3", "user-17"]
    if how == "file":
        (tmp_path / "users").write_bytes(content)
        done = reelmix(*words, "--users-from", tmp_path / "users")
    elif how == "standard input":
        done = reelmix(*words, "--users-from", "-", stdin=content)
    else:
        done = reelmix(*words, "--user", "user-5", "--users-from", "-", stdin=content)
        users = ["user-5", *users]
    assert [json.loads(line)["user"] for line in done.out.splitlines()] == users


def listed(done):
    return [item["id"] for item in json.loads(done.out)["items"]]


def test_seen_items_among_without(reelmix, run_folder, recommender, tmp_path):
    words = ["recommend", run_folder, "--user", "user-17", "--json", "-n", "80"]
    run = recommender.run
    seen = set(run.items.take(run.matrix()[[run.users.row("user-17")]].indices))
    everything = {f"reel-{number}" for number in range(1, 81)}
    assert set(listed(reelmix(*words))) == everything - seen
    assert set(listed(reelmix(*words, "--include-seen"))) == everything
    chosen = sorted(everything)[:30]
    (tmp_path / "items").write_text("\n".join(chosen))
    among = listed(reelmix(*words, "--among", tmp_path / "items"))
    assert set(among) == set(chosen) - seen
    without = ["--without", among[0], "--without", among[2]]
    assert set(listed(reelmix(*words, *without))) == everything - seen - {among[0], among[2]}
    assert listed(reelmix(*words, "--among", tmp_path / "items", *without)) == [among[1], *among[3:]]


# recommend --history


def test_a_table_for_a_history(reelmix, run_folder, recommender):
    done = reelmix("recommend", run_folder, "--history", "reel-3", "--history", "reel-17", "--n", "4")
    assert (done.status, done.err) == (0, "")
    title, header, *rows = done.out.splitlines()
    assert title.rstrip() == "for a history of 2 items"
    assert header.split() == ["id", "title", "score"]
    assert [[cell.strip() for cell in cells(row)] for row in rows] == [
        [str(place), line.id, line.title, f"{line.score:.3f}"]
        for place, line in enumerate(recommender.recommend_for_history(["reel-3", "reel-17"], 4), start=1)
    ]


def test_the_title_counts_each_item_once(reelmix, run_folder):
    done = reelmix("recommend", run_folder, "--history", "reel-3", "--history", "reel-3")
    assert done.out.startswith("for a history of 1 item\n")


def test_json_for_a_history(reelmix, run_folder, recommender, tmp_path):
    history = ["reel-17", "reel-3"]
    words = ["recommend", run_folder, "--history", history[0], "--history", history[1], "--json", "-n", "80"]
    (answer,) = [json.loads(line) for line in reelmix(*words).out.splitlines()]
    expected = [asdict(line) for line in recommender.recommend_for_history(history, 80)]
    assert answer == {"history": history, "items": expected}
    everything = [line["id"] for line in expected]
    (tmp_path / "items").write_text("\n".join([*everything[::2], "reel-3"]))
    assert listed(reelmix(*words, "--among", tmp_path / "items")) == everything[::2]
    without = ["--without", everything[0], "--without", everything[4]]
    assert listed(reelmix(*words, *without)) == [*everything[1:4], *everything[5:]]


# similar


def test_similar_items(reelmix, run_folder, recommender):
    title, header, *rows = reelmix("similar", run_folder, "--item", "reel-3", "-n", "3").out.splitlines()
    assert title.rstrip() == "like item reel-3"
    assert header.split() == ["id", "title", "score"]
    assert [[cell.strip() for cell in cells(row)] for row in rows] == [
        [str(place), line.id, line.title, f"{line.score:.3f}"]
        for place, line in enumerate(recommender.similar_items("reel-3", 3), start=1)
    ]


def test_similar_users(reelmix, run_folder, recommender):
    title, header, *rows = reelmix("similar", run_folder, "--user", "user-3").out.splitlines()
    assert title.rstrip() == "like user user-3"
    assert header.split() == ["id", "score"]
    assert [row.split() for row in rows] == [
        [str(place), line.id, f"{line.score:.3f}"]
        for place, line in enumerate(recommender.similar_users("user-3", 10), start=1)
    ]


# export


def test_export_npz(reelmix, run_folder, recommender, tmp_path):
    done = reelmix("export", run_folder, tmp_path / "v.npz")
    assert (done.status, done.out) == (0, f"120 users and 80 items written to {tmp_path / 'v.npz'}\n")
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["items"], recommender.vectors.items)
        assert arrays["user_ids"].tolist() == recommender.run.users.ids.to_list()


def test_export_parquet(reelmix, run_folder, recommender, tmp_path):
    assert reelmix("export", run_folder, tmp_path / "v", "--to", "parquet").status == 0
    table = pl.read_parquet(tmp_path / "v")
    assert table["id"].to_list() == [*recommender.run.users.ids, *recommender.run.items.ids]


def test_export_safetensors(reelmix, refused, run_folder, tmp_path):
    assert refused("export", run_folder, tmp_path / "v", "--to", "safetensors") == (
        "export: expected integer user ids for safetensors, found texts. Export to npz or parquet."
    )
    awkward_run(["a", "b"], [4, 5], user_ids=[8, 9]).write(tmp_path / "run")
    assert reelmix("export", tmp_path / "run", tmp_path / "v", "--to", "safetensors").status == 0
    assert load_file(tmp_path / "v")["item_ids"].tolist() == [4, 5]


@pytest.mark.parametrize("to", ["lancedb", "pgvector", "onnx"])
def test_export_to_answer_from(reelmix, run_folder, tmp_path, to):
    done = reelmix("export", run_folder, tmp_path / "v", "--to", to)
    assert (done.status, done.out) == (0, f"120 users and 80 items written to {tmp_path / 'v'}\n")
    assert (tmp_path / "v").is_dir() == (to == "lancedb")


def test_export_says_what_it_leaves_out(reelmix, tmp_path):
    awkward_run(["a", "b"], ["x", "y"]).write(
        tmp_path / "run"
    )  # the second user has a test interaction alone
    assert reelmix("export", tmp_path / "run", tmp_path / "v", "--to", "pgvector").out == (
        f"1 user and 2 items written to {tmp_path / 'v'}\n"
        "left out, since nothing is known of them: 1 user and 0 items\n"
    )
    assert "x\ta\t[1.0,2.0]\ny\tb\t[3.0,4.0]\n" in (tmp_path / "v").read_text()


def test_export_to_an_empty_folder(reelmix, run_folder, tmp_path):
    assert reelmix("export", run_folder, tmp_path, "--to", "lancedb").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.lance", "users.lance"]


# ids and titles are printed as they stand


def awkward_run(titles, item_ids, user_ids=("u[b]", "u[/b]")) -> Run:
    count = len(item_ids)
    pairs = Interactions.of(np.array([0, 1]), np.array([0, 1]), labels=np.array([0, 2], np.int8))
    items = np.arange(1, 2 * count + 1, dtype=np.float32).reshape(count, 2)
    return Run(
        {"model": "dualgnn", "dataset": {"name": "[/b]awkward[b]", "simulated": False}},
        {"evaluation": {"at": [1]}},
        Vocabulary(pl.Series(list(user_ids)), "user"),
        Vocabulary(pl.Series(list(item_ids)), "item"),
        pl.DataFrame({"item_id": list(item_ids), "title": list(titles)}),
        pairs,
        Vectors(np.eye(2, dtype=np.float32), items, {"visual": items}, np.ones((count, 1), bool)),
        {},
        [],
    )


TITLES = ["[bold]loud[/bold]", "[/red] :fire: \\[x]", "plain [link=https://x.y]z[/link]", ":smile:[blink]"]


@pytest.fixture
def awkward(tmp_path):
    item_ids = ["[i]1", "[i]2[/i]", ":fire:", "é[/]"]
    return awkward_run(TITLES, item_ids).write(tmp_path / "awkward")


def test_markup_in_titles_is_printed_literally(reelmix, awkward):
    for words in (["recommend", awkward, "--user", "u[b]"], ["similar", awkward, "--item", "[i]1"]):
        done = reelmix(*words)
        assert done.status == 0, done.err
        for title in TITLES[1:]:
            assert title in done.out
        assert "[i]2[/i]" in done.out
    done = reelmix("recommend", awkward, "--user", "u[b]", "--why")
    assert "(like “[bold]loud[/bold]”)" in done.out


def test_markup_in_ids_is_printed_literally(reelmix, awkward):
    assert reelmix("recommend", awkward, "--user", "u[b]").out.startswith("for user u[b]\n")
    assert reelmix("similar", awkward, "--item", ":fire:").out.startswith("like item :fire:\n")
    assert reelmix("similar", awkward, "--user", "u[/b]").out.splitlines()[2].split()[1] == "u[b]"
    words = ["--user", "u[b]", "--item", "é[/]"]
    assert reelmix("explain", awkward, *words).out.startswith("user u[b], item é[/]: score ")
    assert reelmix("evaluate", awkward).out.startswith("dualgnn on [/b]awkward[b], test: 1 user\n")


def test_json_keeps_every_character(reelmix, awkward):
    done = reelmix("recommend", awkward, "--user", "u[b]", "--json")
    assert {item["title"] for item in json.loads(done.out)["items"]} == set(TITLES[1:])


def test_markup_in_an_error_is_printed_literally(refused, awkward):
    assert "found '[/]:fire:'" in refused("recommend", awkward, "--user", "[/]:fire:")


def test_integer_ids_are_typed_as_digits(reelmix, refused, tmp_path):
    run = awkward_run(["a", "b"], [-4, 2**62], user_ids=[-1, 3]).write(tmp_path / "run")
    words = ["recommend", run, "--user", "-1", "--json"]
    assert [item["id"] for item in json.loads(reelmix(*words).out)["items"]] == [2**62]
    assert json.loads(reelmix(*words, "--without", 2**62).out)["items"] == []
    assert refused("recommend", run, "--history", "three") == (
        "item id: expected a known item, found 'three'. The ids here are integers such as -4."
    )
    assert refused("recommend", run, "--user", "three") == (
        "user id: expected a known user, found 'three'. The ids here are integers such as -1."
    )


# doctor


def test_doctor(reelmix, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path / "cache"))
    done = reelmix("doctor")
    assert done.status == 0
    shown = [line.strip() for line in done.out.splitlines()]
    assert shown[0] == "this installation"
    assert shown[-1] == "nothing to mend"
    values = {line.partition("  ")[0]: line.rpartition("  ")[2] for line in shown[2:-1]}
    assert values == {
        "python": platform.python_version(),
        **{name: version(name) for name in doctor.PACKAGES},
        "cores": str(os.cpu_count()),
        "OMP_WAIT_POLICY": "passive",
        "cache folder": str(tmp_path / "cache"),
        "torch threads": str(torch.get_num_threads()),
        "devices": "cpu, cuda" if torch.cuda.is_available() else "cpu",
    }


def test_doctor_gives_advice(reelmix, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("REELMIX_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "PACKAGES", (*doctor.PACKAGES, "no-such-package"))
    done = reelmix("doctor")
    assert done.status == 0
    advice = [line for line in done.out.splitlines() if line.startswith("advice: ")]
    assert advice == [
        "advice: no-such-package is missing: recommending works without torch, training does not.",
        "advice: set OMP_WAIT_POLICY=passive before Python starts: "
        "idle threads then leave the cores to others.",
        "advice: graphs are built anew for every run: set REELMIX_CACHE to a folder that can be written.",
    ]
    assert "(not writable)" in done.out
    assert "nothing to mend" not in done.out


def test_the_run_folder_is_only_read(reelmix, run_folder, tmp_path):
    copy = shutil.copytree(run_folder, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    reelmix("evaluate", copy)
    reelmix("recommend", copy, "--user", "user-1", "--why")
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
