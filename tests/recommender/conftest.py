"""One small simulated world, and one run trained on it whose dataset is gone."""

import shutil
from pathlib import Path

import pytest
from hand_made import COMMAND

import postgres as servers
from reelmix.data import Dataset
from reelmix.data.sample import sample
from reelmix.models import DualGNN
from reelmix.recommender import Recommender, Run
from reelmix.recommender.fit import fit


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELMIX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return sample(n_users=120, n_items=80).dataset


@pytest.fixture(scope="session")
def split(dataset):
    return dataset.split(rng=3)


@pytest.fixture(scope="session")
def trained(dataset, tmp_path_factory) -> tuple[Run, Path]:
    """The run as training returned it, and its folder; the dataset folder that it was trained on is gone."""
    folder = tmp_path_factory.mktemp("trained")
    read = Dataset.read(dataset.write(folder / "data"))
    model = DualGNN(embedding_size=8, neighbours=5, missing="mask")
    run = fit(model, read.split(rng=3), epochs=3, rng=3, out=folder / "run", command=COMMAND)
    shutil.rmtree(folder / "data")
    return run, folder / "run"


@pytest.fixture(scope="session")
def recommender(trained) -> Recommender:
    return Recommender(trained[1])


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    """A run folder to be harmed."""
    return Path(shutil.copytree(trained[1], tmp_path / "run"))


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL with pgvector."""
    with servers.running() as server:
        yield server
