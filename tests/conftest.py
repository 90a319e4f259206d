"""Shapes and types of the whole package are checked while the tests run; how a refusal reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
import torch
from jaxtyping import install_import_hook

from one_process import one_after_the_other

# beartype knows typing.Self only where it decorates a whole class; here it decorates function by function.
install_import_hook(
    "reelmix",
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True, hint_overrides="
    "beartype.FrozenDict({__import__('typing').Self: object})))",
)


class Refusal(Protocol):
    """Calls a function that must raise exactly this kind of error, and gives its text."""

    def __call__(
        self, kind: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> str: ...


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs are kept on disk: in the tests in a folder that nobody else reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELMIX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """For matrices this small a second thread is only waited for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches and studies do their work here, and not in processes that take seconds to start."""
    monkeypatch.setattr("reelmix.study.tune.work_through", one_after_the_other)
    monkeypatch.setattr("reelmix.study.cells.work_through", one_after_the_other)


@pytest.fixture(scope="session")
def refusal() -> Refusal:
    def text(kind: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        with pytest.raises(kind) as caught:
            function(*args, **kwargs)
        assert type(caught.value) is kind
        return str(caught.value)

    return text
