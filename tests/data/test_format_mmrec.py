from __future__ import annotations

import numpy as np
import pytest

from reelmix.data import Dataset
from reelmix.data.formats import FORMATS, import_mmrec, importer
from reelmix.errors import ConfigError, DataError, StorageError

INTER = "userID\titemID\tx_label\n0\t2\t0\n0\t1\t1\n7\t0\t2\n7\t2\t0\n"


def rows(n, size=2):
    return np.arange(n * size, dtype=np.float32).reshape(n, size)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "tiny.inter").write_text(INTER)
    np.save(folder / "image_feat.npy", rows(5).astype(np.float16))
    np.save(folder / "audio_feat.npy", rows(4, 3))
    return folder


def test_reads_interactions_labels_and_features(folder):
    dataset = import_mmrec(folder)
    assert dataset.modalities == ("visual", "acoustic")
    assert dataset.items.ids.to_list() == [0, 1, 2, 3, 4]
    assert dataset.users.ids.to_list() == [0, 7]
    pairs = dataset.interactions
    assert list(zip(pairs.users.tolist(), pairs.items.tolist(), pairs.labels.tolist(), strict=True)) == [
        (0, 1, 1),
        (0, 2, 0),
        (1, 0, 2),
        (1, 2, 0),
    ]
    np.testing.assert_array_equal(dataset.features["visual"].values, rows(5))
    assert dataset.has("acoustic").tolist() == [True, True, True, True, False]
    assert (dataset.card.name, dataset.card.provenance) == ("tiny", "imported from files in MMRec's format")
    assert dataset.split().method == "given"


def test_what_is_imported_can_be_written_after_the_files_are_gone(folder, tmp_path):
    dataset = import_mmrec(folder, name="mine")
    read = Dataset.read(dataset.write(tmp_path / "out"))
    assert read.content_hash == dataset.content_hash
    assert read.card.name == "mine"


def test_other_names_numbers_and_a_file_of_its_own(folder):
    inter = folder / "tiny.inter"
    inter.write_text("user_id\titem_id\trating\twhen\nana\t1\t2.5\t30\nbo\t0\t1\t20\n")
    (folder / "other.inter").write_text(INTER)
    np.save(folder / "text_feat.npy", rows(2))
    np.save(folder / "cover_feat.npy", rows(2))
    np.save(folder / "user_graph.npy", rows(2))
    dataset = import_mmrec(inter, columns={"timestamp": "when"})
    assert dataset.modalities == ("visual", "acoustic", "textual", "cover")
    assert dataset.interactions.weights.tolist() == [2.5, 1.0]
    assert dataset.interactions.timestamps.tolist() == [30, 20]
    assert dataset.interactions.labels is None


def test_without_features_any_ids_will_do(tmp_path):
    (tmp_path / "a.inter").write_text("userID\titemID\n0\tvidéo\n1\t-4\n")
    dataset = import_mmrec(tmp_path)
    assert dataset.items.ids.to_list() == ["-4", "vidéo"]
    assert dataset.users.ids.to_list() == [0, 1]
    assert dataset.modalities == ()


def test_too_few_rows(folder, refusal):
    np.save(folder / "audio_feat.npy", rows(2))
    assert refusal(DataError, import_mmrec, folder) == (
        f"{folder}/audio_feat.npy: expected at least 3 rows, as row i belongs to item i and item 2 exists, "
        "found 2. Export the features again, with a row for every item."
    )


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (
            np.zeros(5),
            "expected a table of one vector an item (2 axes), found an array of shape (5,). "
            "Save the features as an array of shape (item, feature).",
        ),
        (
            np.zeros(()),
            "expected a table of one vector an item (2 axes), found an array of shape (). "
            "Save the features as an array of shape (item, feature).",
        ),
        (
            np.zeros((5, 2), int),
            "expected float16, float32 or float64, found int64. "
            "Convert the features with .astype('float32') and save them again.",
        ),
        (
            np.array([{}], dtype=object),
            "expected an array of numbers, found pickled Python objects. "
            "Save it again with numpy.save as an array of numbers; pickles can run programs.",
        ),
    ],
)
def test_bad_feature_arrays(folder, array, text, refusal):
    np.save(folder / "image_feat.npy", array, allow_pickle=True)
    assert refusal(DataError, import_mmrec, folder) == f"{folder}/image_feat.npy: {text}"


def test_one_modality_twice(folder, refusal):
    np.save(folder / "visual_feat.npy", rows(5))
    assert refusal(DataError, import_mmrec, folder) == (
        f"{folder}: expected one file of visual features, found image_feat.npy and visual_feat.npy. "
        "Move the one that is not wanted elsewhere."
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            "userID\titemID\tx_label\n0\t2\t0\n0\t1\t3\n",
            ", column of the split, row 1: expected 0 (training), 1 (validation) or 2 (test), found '3'. "
            "Correct the label.",
        ),
        (
            "userID\titemID\tx_label\n0\t2\t\n",
            ", column of the split, row 0: expected 0 (training), 1 (validation) or 2 (test), "
            "found an empty cell. Correct the label.",
        ),
        (
            "userID\titemID\n0\t1\n0\tB07\n",
            ": expected item ids that are row numbers of the feature files, found '1'. "
            "Number the items from 0 in the order of the rows.",
        ),
        (
            "userID\titemID\n0\t1\n0\t-2\n",
            ": expected item ids that are row numbers of the feature files, found -2. "
            "Number the items from 0 in the order of the rows.",
        ),
        (
            "uid\titemID\n0\t1\n",
            ": expected a column user_id, found uid, itemID. "
            "Say which column holds it, for example user_id=uid.",
        ),
        (
            "a\tb\n0\t1\n",
            ": expected a column user_id, found a, b. Say which column holds it, for example user_id=a.",
        ),
        (
            "userID\titemID\tx_label\n0\t1\t0\t9\n",
            ", line 2: expected 3 cells, as in the first line, found 4. "
            "Put quotation marks around cells that hold the separator.",
        ),
        ("userID\titemID\n", ": expected at least one interaction, found none. Check the file."),
        ("", ": expected a file of tab-separated columns, found an empty one. Check the path."),
    ],
)
def test_bad_interactions(folder, content, text, refusal):
    (folder / "tiny.inter").write_text(content)
    assert refusal(DataError, import_mmrec, folder) == f"{folder}/tiny.inter{text}"


def test_finding_the_file(tmp_path, refusal):
    assert refusal(StorageError, import_mmrec, tmp_path) == (
        f"{tmp_path}: expected a file *.inter, found none. Check the path and the format."
    )
    (tmp_path / "a.inter").write_text(INTER)
    (tmp_path / "b.inter").write_text(INTER)
    assert refusal(DataError, import_mmrec, tmp_path) == (
        f"{tmp_path}: expected one file *.inter, found a.inter, b.inter. "
        "Name the file itself instead of the folder."
    )
    text = refusal(StorageError, import_mmrec, tmp_path / "nowhere")
    assert text.startswith(f"{tmp_path}/nowhere: expected an MMRec folder, found nothing.")


def test_mapping_an_unknown_name(folder, refusal):
    assert refusal(ConfigError, import_mmrec, folder, columns={"users": "userID"}) == (
        "columns: expected one of our column names on the left, found 'users'. Did you mean 'user_id'?"
    )
    assert refusal(DataError, import_mmrec, folder, columns={"user_id": "userid"}) == (
        f"{folder}/tiny.inter: expected a column userid, to be used as user_id, found userID, "
        "itemID, x_label. Did you mean 'userID'?"
    )


def test_formats_by_name(refusal):
    assert importer("mmrec") is import_mmrec
    assert list(FORMATS) == ["table", "mmrec", "mmgcn", "recbole"]
    assert refusal(ConfigError, importer, "mmrek") == (
        "format: expected a format that can be imported, found 'mmrek'. Did you mean 'mmrec'?"
    )
