from __future__ import annotations

import numpy as np
import pytest
from authors import EXPECTED, TEST, TRAIN, VALIDATION, found, write

from reelmix.data.formats import import_mmgcn
from reelmix.errors import ConfigError, DataError, StorageError


def features(n, size=2):
    return np.arange(n * size, dtype=np.float32).reshape(n, size)


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "movielens")


def test_items_lose_the_number_of_users_and_the_feature_rows_fit(folder):
    np.save(folder / "FeatureVideo_normal.npy", features(5))
    np.save(folder / "FeatureAudio_avg_normal.npy", features(4, 3))
    np.save(folder / "FeatureText_stl_normal.npy", features(4, 1))
    np.save(folder / "user_item_dict.npy", np.array({0: {3}}, dtype=object), allow_pickle=True)
    dataset = import_mmgcn(folder)
    assert found(dataset) == EXPECTED
    assert dataset.modalities == ("visual", "acoustic", "textual")
    assert dataset.items.ids.to_list() == [0, 1, 2, 3, 4]
    assert dataset.has("acoustic").tolist() == [True] * 4 + [False]
    np.testing.assert_array_equal(dataset.features["visual"].values, features(5))
    assert dataset.card.notes == ("3 was subtracted from the item numbers of the files",)
    assert dataset.card.name == "movielens"


def test_items_numbered_from_0_stay_as_they_are(tmp_path):
    def lower(rows):
        return [[row[0], *(item - 3 for item in row[1:])] for row in rows]

    dataset = import_mmgcn(write(tmp_path / "d", lower(TRAIN), lower(VALIDATION), lower(TEST)))
    assert found(dataset) == EXPECTED
    assert dataset.card.notes == ()


def test_the_offset_may_be_said(folder, refusal):
    assert import_mmgcn(folder, item_offset=0).items.ids.to_list() == [3, 4, 5, 6]
    assert import_mmgcn(folder, item_offset=2).items.ids.to_list() == [1, 2, 3, 4]
    assert refusal(ConfigError, import_mmgcn, folder, item_offset=4) == (
        "item_offset: expected item_offset from 0 to 3, the lowest item number, found 4. "
        "Leave it out, or give the number of users."
    )


@pytest.mark.parametrize(
    "name",
    ["feat_v", "v_feat", "visual_feat", "feat_v_tik", "v_feat_sample", "visual_feat_new", "FeatureVideo"],
)
def test_names_of_feature_files(folder, name):
    np.save(folder / f"{name}.npy", features(4))
    np.save(folder / "other_data.npy", features(4))
    assert import_mmgcn(folder).modalities == ("visual",)


@pytest.mark.parametrize("name", ["feat_t", "textual_feat", "words_tensor"])
def test_words_become_a_bag(folder, name):
    np.save(folder / f"{name}.npy", np.array([[0, 0, 3, 0], [7, 2, 5, 2]]))
    bag = import_mmgcn(folder).features["textual"]
    assert (bag.items.tolist(), bag.starts.tolist(), bag.tokens.tolist(), bag.size) == (
        [0, 3],
        [0, 3, 4],
        [2, 2, 7, 5],
        8,
    )


def test_suffixes(folder):
    (folder / "train.npy").rename(folder / "train_tik.npy")
    (folder / "val_full.npy").rename(folder / "val_full_tik.npy")
    assert found(import_mmgcn(folder)) == EXPECTED


def test_too_few_rows(folder, refusal):
    np.save(folder / "feat_v.npy", features(3))
    assert refusal(DataError, import_mmgcn, folder) == (
        f"{folder}/feat_v.npy: expected at least 4 rows, as row i belongs to item i and item 3 exists, "
        "found 3. Export them again, or give the number of users as item_offset."
    )


def test_torch_files_are_refused_unless_converted(folder, refusal):
    (folder / "feat_v.pt").write_bytes(b"anything")
    (folder / "final_embed.pt").write_bytes(b"anything")
    assert refusal(DataError, import_mmgcn, folder) == (
        f"{folder}: expected visual features as a NumPy array (.npy), found a torch file, feat_v.pt. "
        "Convert it: numpy.save('feat_v.npy', torch.load('feat_v.pt', map_location='cpu', "
        "weights_only=True).numpy())."
    )
    np.save(folder / "feat_v.npy", features(4))
    assert import_mmgcn(folder).modalities == ("visual",)


def test_missing_and_double_parts(folder, refusal):
    (folder / "val_full.npy").unlink()
    (folder / "val.npy").write_bytes(b"")
    assert refusal(StorageError, import_mmgcn, folder) == (
        f"{folder}: expected a file val_full.npy, found none. Check the path and the format."
    )
    for name in ("val_full_a.npy", "val_full_b.npy"):
        (folder / name).write_bytes(b"")
    assert refusal(DataError, import_mmgcn, folder) == (
        f"{folder}: expected one file val_full.npy, found val_full_a.npy, val_full_b.npy. "
        "Rename the one that is wanted to val_full.npy."
    )
    assert refusal(ConfigError, import_mmgcn, folder, columns={"user_id": "u"}) == (
        "columns: expected no columns, found user_id. These files have none."
    )
