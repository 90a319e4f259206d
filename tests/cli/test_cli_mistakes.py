"""A user's mistakes: one line that says what was expected, what was found, where, and what to do next."""

import os
import shutil
import sys

import pytest
from transcripts import transcript

# Paths

OPENERS = {
    "evaluate": ["evaluate", "PATH"],
    "recommend": ["recommend", "PATH", "--user", "user-1"],
    "similar": ["similar", "PATH", "--item", "reel-1"],
    "explain": ["explain", "PATH", "--user", "user-1", "--item", "reel-1"],
    "export": ["export", "PATH", "TMP/v.npz"],
    "add": ["add", "PATH", "DATA", "--out", "TMP/v"],
}
ABSENT = "found nothing. Check the path; relative paths start in the present folder."


@pytest.mark.parametrize("command", OPENERS)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("TMP/none", f"PATH: expected a run folder, {ABSENT}"),
        ("DATA/dataset.toml", "PATH: expected a run folder, found a file. Check the path."),
        (
            "DATA",
            "PATH: expected a finished run, found a folder without manifest.json. Give the folder that "
            "reelmix train wrote to.",
        ),
    ],
)
def test_not_a_run(mistaken, tmp_path, command, path, message):
    mistaken(OPENERS[command], message, PATH=path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", OPENERS)
def test_a_run_that_may_not_be_read(mistaken, monkeypatch, command):
    monkeypatch.setattr(os, "access", lambda *_: False)
    message = f"Invalid value for 'run': path 'PATH' is not readable. See reelmix {command} --help."
    mistaken(OPENERS[command], message, PATH="RUN", status=2)


@pytest.mark.parametrize("command", OPENERS)
def test_a_damaged_run(mistaken, run_folder, tmp_path, command):
    damaged = shutil.copytree(run_folder, tmp_path / "run")
    path = damaged / "vectors.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    message = (
        f"{path}: expected the file as it was written, found other bytes. Restore the run folder from a "
        "copy, or train again."
    )
    mistaken(OPENERS[command], message, PATH=damaged)


@pytest.mark.parametrize("command", OPENERS)
def test_an_unfinished_run(mistaken, run_folder, tmp_path, command):
    cut_off = shutil.copytree(run_folder, tmp_path / "run")
    (cut_off / "manifest.json").unlink()
    message = (
        "PATH: expected a finished run, found one whose training was cut off. Go on with reelmix train, the "
        "same data and settings, --out this folder and --resume."
    )
    mistaken(OPENERS[command], message, PATH=cut_off)


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix train TMP/none --out TMP/out
    TMP/none: expected a dataset folder,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix describe TMP/none
    TMP/none: expected a dataset folder,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix train RUN --out TMP/out
    RUN/dataset.toml: expected a TOML file,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix describe RUN
    RUN/dataset.toml: expected a TOML file,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix train DATA --out TMP/out --config TMP/none
    TMP/none: expected a TOML file,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix recommend RUN --user user-1 --among TMP/none
    TMP/none: expected a file of ids,
    found nothing. Check the path; relative paths start in the present folder.
$ reelmix recommend RUN --users-from TMP
    TMP: expected a file of ids, found a folder. Check the path.
$ reelmix export RUN DATA/dataset.toml/v.npz
    DATA/dataset.toml/v.npz: expected to write the file, found File exists. Check the path and the disk.
$ reelmix export RUN TMP
    TMP: expected a file to write, found a folder. Name a file in it; lancedb alone writes a folder.
$ reelmix export RUN TMP --to onnx
    TMP: expected a file to write, found a folder. Name a file in it; lancedb alone writes a folder.
"""),
)
def test_a_path_that_leads_nowhere(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "what"),
    transcript("""
$ reelmix sample DATA
    the dataset
$ reelmix demo --out DATA
    the demo
$ reelmix train DATA --out DATA
    the run
$ reelmix import table TMP/none DATA
    the dataset
$ reelmix export RUN DATA --to lancedb
    the LanceDB database
"""),
)
def test_a_folder_that_is_taken(mistaken, words, what):
    message = (
        f"DATA: expected a new or empty folder for {what}, found something there already. Choose another "
        "path, or move the old one away first."
    )
    mistaken(words, message)


@pytest.mark.parametrize(
    ("package", "to"), [("lancedb", "lancedb"), ("pyarrow", "lancedb"), ("onnx", "onnx")]
)
def test_an_export_whose_package_is_not_installed(mistaken, tmp_path, monkeypatch, package, to):
    monkeypatch.setitem(sys.modules, package, None)
    mistaken(
        ["export", "RUN", "TMP/v", "--to", to],
        f"expected {package}, which this export needs, found none installed. "
        "Run: pip install 'reelmix[export]'",
    )
    assert not list(tmp_path.iterdir())


# Ids


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix recommend RUN --user user17
    user id: expected a known user, found 'user17'. Did you mean 'user-17'?
$ reelmix recommend RUN --user ''
    user id: expected a known user, found ''. The ids here look like 'user-1'.
$ reelmix recommend RUN --user user-1 --user nobody
    user id: expected a known user, found 'nobody'. The ids here look like 'user-1'.
$ reelmix recommend RUN --user user-1 --without rel-9
    item id: expected a known item, found 'rel-9'. Did you mean 'reel-9'?
$ reelmix recommend RUN --history reel-1 --history rel-9
    item id: expected a known item, found 'rel-9'. Did you mean 'reel-9'?
$ reelmix recommend RUN --history ''
    item id: expected a known item, found ''. The ids here look like 'reel-1'.
$ reelmix similar RUN --item x
    item id: expected a known item, found 'x'. The ids here look like 'reel-1'.
$ reelmix similar RUN --user reel-1
    user id: expected a known user, found 'reel-1'. The ids here look like 'user-1'.
$ reelmix explain RUN --user x --item reel-1
    user id: expected a known user, found 'x'. The ids here look like 'user-1'.
$ reelmix explain RUN --user user-1 --item x
    item id: expected a known item, found 'x'. The ids here look like 'reel-1'.
$ reelmix demo --out TMP/demo --user nobody
    user id: expected a known user, found 'nobody'. The ids here look like 'user-1'.
"""),
)
def test_an_unknown_id(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


def test_bytes_that_are_no_text(mistaken):
    typed = os.fsdecode(b"user-\xff")
    message = "user id: expected a known user, found 'user-\\udcff'. Did you mean 'user-9'?"
    mistaken(["recommend", "RUN", "--user", typed], message)


@pytest.mark.parametrize("option", ["--users-from", "--among"])
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"user-1\n\nuser-\xff\n", "line 3: expected ids in UTF-8, found the byte 0xff"),
        (b"\xef\xbb\xbf\xe9", "line 1: expected ids in UTF-8, found the byte 0xe9"),
    ],
)
def test_a_list_of_ids_that_is_not_utf_8(mistaken, tmp_path, option, content, place):
    (tmp_path / "list").write_bytes(content)
    words = ["recommend", "RUN", "--user", "user-1", option]
    message = f"WHERE, {place}. Save the file as UTF-8."
    mistaken([*words, "TMP/list"], message, WHERE=tmp_path / "list")
    mistaken([*words, "-"], message, WHERE="standard input", stdin=content)


def test_a_list_with_an_unknown_id(mistaken):
    message = "user id: expected a known user, found 'user17'. Did you mean 'user-17'?"
    mistaken(["recommend", "RUN", "--users-from", "-"], message, stdin=b"user-1\nuser17\n")


def test_nothing_is_printed_before_an_error(reelmix, run_folder):
    done = reelmix("recommend", run_folder, "--user", "user-1", "--user", "nobody")
    assert (done.status, done.out) == (1, "")


# What was asked for


@pytest.mark.parametrize(
    ("words", "message"),
    transcript("""
$ reelmix recommend RUN
    recommend: expected users or a history, found neither.
    Say --user ID or --users-from FILE; or --history ITEM for somebody new.
$ reelmix recommend RUN --user user-1 --history reel-1
    recommend: expected users or a history, found both.
    Say --user ID or --users-from FILE; or --history ITEM for somebody new.
$ reelmix recommend RUN --users-from TMP/none --history reel-1
    recommend: expected users or a history, found both.
    Say --user ID or --users-from FILE; or --history ITEM for somebody new.
$ reelmix recommend RUN --history reel-1 --why
    --why: expected a user, found a history.
    Leave --why out: reasons are for users of the training.
$ reelmix recommend RUN --history reel-1 --include-seen
    --include-seen: expected a user, found a history.
    Leave --include-seen out: what is in a history is never recommended.
$ reelmix recommend RUN --history reel-1 -n 0
    n: expected a list of at least 1, found 0. Ask for n = 10, say.
$ reelmix recommend RUN --user user-1 -n 0
    n: expected a list of at least 1, found 0. Ask for n = 10, say.
$ reelmix similar RUN
    similar: expected either an item or a user, found neither. Say --item ID or --user ID.
$ reelmix similar RUN --item reel-1 --user user-1
    similar: expected either an item or a user, found both. Say --item ID or --user ID.
$ reelmix similar RUN --item reel-1 -n 0
    n: expected a list of at least 1, found 0. Ask for n = 10, say.
$ reelmix evaluate RUN --at 0
    at: expected one or more list lengths of at least 1, found [0].
    Write for example at = [1, 5, 10, 20].
$ reelmix evaluate RUN --metrics recal
    metrics: expected the name of a metric, found 'recal'. Did you mean 'recall'?
$ reelmix evaluate RUN --block-bytes 0
    evaluate: block_bytes: expected greater than or equal to 1, found 0.
    See the description of block_bytes in the configuration reference.
$ reelmix import tabel DATA TMP/out
    format: expected a format that can be imported, found 'tabel'. Did you mean 'table'?
$ reelmix import table DATA TMP/out --column user_id
    --column: expected OUR_NAME=YOUR_NAME, found 'user_id'. Write --column user_id=userId, say.
"""),
)
def test_what_cannot_be_answered(mistaken, tmp_path, words, message):
    mistaken(words, message)
    assert not list(tmp_path.iterdir())


# What the machine lacks, and Ctrl-C


def failing(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("reelmix.recommender.run.Run.evaluate", fail)


def test_memory(refused, run_folder, monkeypatch):
    failing(monkeypatch, MemoryError)
    assert refused("evaluate", run_folder) == (
        "expected enough memory, found none left. Set a smaller block_bytes or embedding_size."
    )


def test_an_error_of_ours_is_not_hidden(reelmix, run_folder, monkeypatch):
    failing(monkeypatch, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        reelmix("evaluate", run_folder)


def test_interrupted_outside_training(reelmix, run_folder, monkeypatch):
    failing(monkeypatch, KeyboardInterrupt)
    done = reelmix("evaluate", run_folder)
    assert (done.status, done.out) == (130, "")
    assert "Traceback" not in done.err
