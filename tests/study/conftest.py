"""A world in which a training takes a few hundredths of a second."""

from pathlib import Path

import pytest

from reelmix.data import Dataset
from reelmix.data.sample import sample


@pytest.fixture(scope="session")
def world() -> Dataset:
    return sample(n_users=40, n_items=30).dataset


@pytest.fixture(scope="session")
def data(world, tmp_path_factory) -> Path:
    return world.write(tmp_path_factory.mktemp("study") / "data")
