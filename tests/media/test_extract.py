"""Folders of files that people have, and of files that are made to harm."""

import os

import numpy as np
import polars as pl
import pytest
from clips import clip

from reelmix.data.feature_files import read_features
from reelmix.data.formats import importer
from reelmix.errors import ConfigError, DataError, StorageError
from reelmix.media.extract import extract
from reelmix.media.limits import Limits
from reelmix.media.worker import EncoderChoice

LOOK, SOUND, WORDS = (
    EncoderChoice("colour", "visual"),
    EncoderChoice("loudness", "acoustic"),
    EncoderChoice("letters", "textual"),
)
SRT = "1\n00:00:00,000 --> 00:00:01,000\n<i>zzz</i> top\n\n2\n00:00:01,000 --> 00:00:02,000\nzebra\n"


def run(folder, out, encoders=(LOOK, SOUND, WORDS), **options):
    limits = Limits(**{"frames": 3, "max_seconds": 5, **options.pop("limits", {})})
    return extract(folder, out, encoders, limits=limits, workers=options.pop("workers", 1), **options)


def reasons(out):
    """Of each item and modality that is missing, why."""
    log = pl.read_parquet(out / "extract.log.parquet").filter(pl.col("missing_because").is_not_null())
    return {(row["item_id"], row["modality"]): row["missing_because"] for row in log.to_dicts()}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("videos")
    clip(folder / "whole.mp4", tags={"title": "Aardvark"})
    clip(folder / "deep" / "down.mkv", hue=1)
    clip(folder / "silent.mp4", sound=False)
    clip(folder / "heard.m4a", picture=False)
    clip(folder / "long.mp4", seconds=8, sound=False)
    whole = (folder / "whole.mp4").read_bytes()
    (folder / "half.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "page.mp4").write_text("<html>not found</html>", encoding="utf-8")
    (folder / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n", encoding="utf-8")
    cut_off = clip(folder / "liar.mkv", seconds=4.8).read_bytes()  # its head says 4.8 seconds
    (folder / "liar.mkv").write_bytes(cut_off[: len(cut_off) // 2])
    (folder / "whole.srt").write_text(SRT, encoding="utf-8")
    outside = tmp_path_factory.mktemp("outside")
    clip(outside / "secret.mp4")
    (folder / "link.mp4").symlink_to(outside / "secret.mp4")
    (folder / "folder").symlink_to(outside)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "notes.txt").write_text("no video", encoding="utf-8")
    (folder / ".hidden.mp4").write_bytes(whole)
    return folder


@pytest.fixture(scope="session")
def extracted(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("extracted") / "out"
    return out, run(folder, out, workers=2)


def test_every_file_is_an_item_named_by_its_path(extracted):
    out, found = extracted
    items = pl.read_parquet(out / "items.parquet")
    assert items["item_id"].to_list() == sorted(
        [
            "deep/down",
            "empty",
            "half",
            "heard",
            "liar",
            "link",
            "list",
            "long",
            "page",
            "pipe",
            "silent",
            "whole",
        ]
    )
    assert dict(zip(items["item_id"], items["media"], strict=True))["deep/down"] == "deep/down.mkv"
    assert found.items == found.files == 12


def test_what_is_missing_and_why(extracted):
    out, found = extracted
    why = reasons(out)
    for item, modality, words in [
        ("silent", "acoustic", "no sound track in the file"),
        ("heard", "visual", "no pictures in the file"),
        ("long", "visual", "8.0 s long, more than 5 s"),
        ("half", "visual", "cannot be read: "),
        ("half", "acoustic", "cannot be read: "),
        ("empty", "visual", "the file is empty"),
        ("page", "acoustic", "cannot be read: "),
        ("list", "visual", "cannot be read: "),
        ("liar", "visual", "says that it is 4.8 s long, and holds 2."),
        ("liar", "acoustic", "says that it is 4.8 s long, and holds 2."),
        ("link", "visual", "a symbolic link"),
        ("pipe", "acoustic", "not a file"),
        ("silent", "textual", "no title, description or subtitles"),
        ("link", "textual", "a symbolic link"),
    ]:
        assert why[item, modality].startswith(words), (item, modality, why[item, modality])
    assert ("whole", "visual") not in why
    for modality, counts in found.missing.items():
        assert sum(counts.values()) == sum(lacking == modality for _, lacking in why)


def test_features_are_of_the_items_that_have_them(extracted):
    out, _ = extracted
    visual = read_features(out / "features" / "visual.safetensors")
    assert visual.ids.to_list() == ["deep/down", "silent", "whole"]
    assert visual.encoder == "colour"
    assert np.isfinite(visual.values).all()
    assert (visual.values[0, 1] > visual.values[2, 1] + 20).all()  # the one that is greener
    acoustic = read_features(out / "features" / "acoustic.safetensors")
    assert "silent" not in acoustic.ids.to_list()
    loudness = dict(zip(acoustic.ids, acoustic.values, strict=True))["whole"]
    assert loudness[0] == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    textual = read_features(out / "features" / "textual.safetensors")
    assert textual.ids.to_list() == ["whole"]
    letters = textual.values[0]
    assert letters[0] == 4  # Aardvark, zebra
    assert letters[25] == 4  # zzz, zebra: subtitles without their marks
    assert letters[8] == 0  # <i> is no letter


def test_the_card_says_what_made_them(extracted):
    import tomllib

    out, _ = extracted
    card = tomllib.loads((out / "extract.toml").read_text())
    assert card["limits"]["frames"] == 3
    assert card["features"]["visual"] == {
        "encoder": "colour",
        "weights": "",
        "preprocessing": "mean of each colour",
        "libraries": {"toy": "1.0"},
        "items": 3,
        "size": 3,
    }


def test_what_was_extracted_is_imported(extracted, tmp_path):
    out, _ = extracted
    (tmp_path / "features").mkdir()
    for name in ("items.parquet", "features/visual.safetensors", "features/textual.safetensors"):
        (tmp_path / name).write_bytes((out / name).read_bytes())
    (tmp_path / "interactions.csv").write_text(
        "user_id,item_id\nu,whole\nu,silent\nv,half\n", encoding="utf-8"
    )
    dataset = importer("table")(tmp_path, name=None, columns={})
    assert dataset.n_items == 12
    assert dataset.has("visual").sum() == 3
    assert dataset.item_table["media"].null_count() == 0


def test_a_second_run_reads_only_what_is_new(folder, tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    for name in ("a.mp4", "b.mp4"):
        clip(videos / name)
    assert run(videos, out).files == 2
    before = (out / "features" / "visual.safetensors").read_bytes()
    assert run(videos, out).files == 0
    assert (out / "features" / "visual.safetensors").read_bytes() == before
    clip(videos / "c.mp4", hue=2)
    clip(videos / "a.mp4", hue=1)
    (videos / "b.srt").write_text(SRT, encoding="utf-8")
    seen = []
    assert run(videos, out, progress=lambda *done: seen.append(done)).files == 3
    assert seen[0] == ("files", 0, 7)  # all of a and c, and the words of b
    assert ("files", 7, 7) in seen
    values = read_features(out / "features" / "visual.safetensors").values
    assert values[0, 1] > values[1, 1] + 20
    assert run(videos, out, limits={"frames": 2}).files == 3  # other pictures are taken


def test_a_run_that_was_ended_goes_on(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    for k in range(6):
        clip(videos / f"{k}.mp4")

    def stop(what, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(videos, out, (LOOK,), progress=stop)
    assert not (out / "items.parquet").exists()
    assert run(videos, out, (LOOK,)).files == 3
    assert len(read_features(out / "features" / "visual.safetensors").ids) == 6


def test_scratched_files_end_no_run(tmp_path):
    rng = np.random.default_rng(0)
    whole = np.frombuffer(clip(tmp_path / "whole.mkv").read_bytes(), np.uint8)
    other = np.frombuffer(clip(tmp_path / "other.mp4").read_bytes(), np.uint8)
    for k in range(60):
        content = (whole if k % 2 else other).copy()
        content[rng.integers(len(content), size=1 + k)] = rng.integers(256, size=1 + k)
        (tmp_path / "videos").mkdir(exist_ok=True)
        content.tofile(tmp_path / "videos" / f"{k}.mp4")
    found = run(tmp_path / "videos", tmp_path / "out", (LOOK, SOUND), workers=2)
    log = pl.read_parquet(tmp_path / "out" / "extract.log.parquet")
    assert len(log) == 120
    for name in ("visual", "acoustic"):
        table = read_features(tmp_path / "out" / "features" / f"{name}.safetensors")
        assert np.isfinite(table.values).all()
        assert len(table.ids) + sum(found.missing[name].values()) == 60
        assert 0 < len(table.ids) < 60  # some are whole enough, and some are not


@pytest.mark.parametrize(
    ("encoder", "limits", "words"),
    [
        ("sleeper", {"seconds_per_file": 1.0}, "took longer than 1 s"),
        ("glutton", {"memory_per_file": 1 << 28}, "needs more memory than a file may take"),
        ("nothing", {}, "the encoder made nothing of it"),
        ("faulty", {}, "cannot be read: ZeroDivisionError: of its own"),
    ],
)
def test_a_file_cannot_take_the_machine_down(tmp_path, encoder, limits, words):
    clip(tmp_path / "videos" / "a.mp4")
    out = tmp_path / "out"
    run(tmp_path / "videos", out, (EncoderChoice(encoder, "visual"),), limits=limits)
    assert reasons(out) == {("a", "visual"): words}
    assert not (out / "features" / "visual.safetensors").exists()


def test_large_pictures_are_not_decoded(tmp_path):
    clip(tmp_path / "videos" / "large.mp4", seconds=0.3, size=(4000, 2400), sound=False)
    clip(tmp_path / "videos" / "small.mp4")
    out = tmp_path / "out"
    run(tmp_path / "videos", out, (LOOK,), limits={"memory_per_file": 1 << 28})
    assert reasons(out) == {("large", "visual"): "pictures of 4000 x 2400, more than 8912896 pixels"}


def test_a_process_that_dies_costs_its_own_alone(tmp_path):
    table = tmp_path / "items.csv"
    rows = [f"{k},,{'bomb' if k == 40 else 'fine words'}" for k in range(70)]
    table.write_text("item_id,file,title\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "videos").mkdir()
    out = tmp_path / "out"
    run(tmp_path / "videos", out, (WORDS,), table=table)
    why = reasons(out)
    assert set(why) == {(k, "textual") for k in range(32, 64)}  # those that were encoded with it
    assert set(why.values()) == {"its reader died (signal 6)"}


def test_a_table_names_the_files(tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    clip(videos / "a.mp4")
    clip(tmp_path / "elsewhere.mp4")
    (videos / "inside").symlink_to(tmp_path)
    table = tmp_path / "items.csv"
    table.write_text(
        "item_id,media,title\n7,a.mp4,Seven\n8,../elsewhere.mp4,\n9,,Nine\n"
        f"10,{tmp_path}/elsewhere.mp4,\n11,none.mp4,\n12,inside/elsewhere.mp4,\n13,a.mp4,Too\n",
        encoding="utf-8",
    )
    run(videos, out, table=table)
    assert {item: why for (item, modality), why in reasons(out).items() if modality == "visual"} == {
        8: "outside the folder",
        9: "no file",
        10: "outside the folder",
        11: "no such file or directory",
        12: "a symbolic link",
    }
    visual = read_features(out / "features" / "visual.safetensors")
    assert visual.ids.to_list() == [7, 13]
    assert pl.read_parquet(out / "items.parquet")["title"].to_list() == [
        "Seven",
        None,
        "Nine",
        None,
        None,
        None,
        "Too",
    ]


def test_what_is_refused(folder, tmp_path, refusal):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    assert "found other files in it" in refusal(StorageError, run, folder, tmp_path / "full")
    (tmp_path / "none").mkdir()
    assert "expected videos or sounds, found none" in refusal(
        DataError, run, tmp_path / "none", tmp_path / "out"
    )
    table = tmp_path / "items.csv"
    table.write_text("item_id,file\n1,a.mp4\n1,b.mp4\n", encoding="utf-8")
    assert "found 1 twice" in refusal(DataError, run, folder, tmp_path / "out", table=table)
    wrong = (EncoderChoice("colours", "visual"),)
    assert "Did you mean 'colour'?" in refusal(ConfigError, run, folder, tmp_path / "out", wrong)
    other = (EncoderChoice("loudness", "visual"),)
    assert "found loudness, for acoustic" in refusal(ConfigError, run, folder, tmp_path / "out", other)
    assert not (tmp_path / "out").exists()
