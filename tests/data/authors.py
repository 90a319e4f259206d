"""The files of MMGCN's authors, three users and four items small."""

from __future__ import annotations

import numpy as np

# three users and four items, numbered from 3 on, as the authors do
TRAIN = [[0, 3], [0, 4], [1, 4], [2, 6]]
VALIDATION = [[0, 6], [1, 3, 6]]
TEST = [[0, 5], [1, 5], [2]]


def ragged(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = rows
    return array


def write(folder, train=TRAIN, validation=VALIDATION, test=TEST):
    folder.mkdir(exist_ok=True)
    np.save(folder / "train.npy", np.array(train))
    np.save(folder / "val_full.npy", ragged(validation), allow_pickle=True)
    np.save(folder / "test_full.npy", ragged(test), allow_pickle=True)
    return folder


def found(dataset):
    pairs = dataset.interactions
    return [
        (user, item, label)
        for user, item, label in zip(
            dataset.users.take(pairs.users),
            dataset.items.take(pairs.items),
            pairs.labels.tolist(),
            strict=True,
        )
    ]


EXPECTED = [
    (0, 0, 0),
    (0, 1, 0),
    (0, 2, 2),
    (0, 3, 1),
    (1, 0, 1),
    (1, 1, 0),
    (1, 2, 2),
    (1, 3, 1),
    (2, 3, 0),
]
