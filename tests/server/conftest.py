"""Two small runs on one simulated world, and the server that answers from them, in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from access import TOKEN
from starlette.testclient import TestClient

from reelmix.data import Dataset
from reelmix.data.sample import sample
from reelmix.models import DualGNN, Reelmix
from reelmix.recommender import Recommender
from reelmix.recommender.fit import fit
from reelmix.server.app import make_app
from reelmix.server.config import ServerConfig
from reelmix.server.service import Service
from reelmix.server.store import Store


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return sample(n_users=120, n_items=80).dataset


@pytest.fixture(scope="session")
def run_folder(dataset, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "reelmix"
    fit(Reelmix(embedding_size=8), dataset.split(rng=3), epochs=4, rng=3, out=folder, draw=True)
    return folder


@pytest.fixture(scope="session")
def other_folder(dataset, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "dualgnn"
    fit(DualGNN(embedding_size=8, neighbours=5), dataset.split(rng=3), epochs=2, rng=3, out=folder)
    return folder


@pytest.fixture(scope="session")
def recommender(run_folder) -> Recommender:
    return Recommender(run_folder)


@pytest.fixture
def start(run_folder):
    """Starts a server, with a token unless told otherwise; gives a client of it."""
    services = []

    def started(folders=None, *, store="sqlite://", media=None, raises=True, **config) -> TestClient:
        config = ServerConfig(**{"token": TOKEN, **config})
        secret = None if config.local else config.token
        service = Service(folders or {"main": run_folder}, Store(store), media, token=secret)
        services.append(service)
        client = TestClient(
            make_app(service, config), base_url="http://localhost", raise_server_exceptions=raises
        )
        client.service = service
        return client

    yield started
    for service in services:
        service.close()


@pytest.fixture
def client(start) -> TestClient:
    return start()


@pytest.fixture
def copied(run_folder, tmp_path) -> Path:
    """The run in a folder that may be harmed."""
    return Path(shutil.copytree(run_folder, tmp_path / "copied"))
