"""Shapes and types of the whole package are checked while the tests run; how a refusal reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest
from jaxtyping import install_import_hook

# beartype knows typing.Self only where it decorates a whole class; here it decorates function by function.
install_import_hook(
    "reelmix",
    "beartype.beartype(conf=beartype.BeartypeConf(hint_overrides="
    "beartype.FrozenDict({__import__('typing').Self: object})))",
)


class Refusal(Protocol):
    """Calls a function that must raise exactly this kind of error, and gives its text."""

    def __call__(
        self, kind: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> str: ...


@pytest.fixture(scope="session")
def refusal() -> Refusal:
    def text(kind: type[Exception], function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        with pytest.raises(kind) as caught:
            function(*args, **kwargs)
        assert type(caught.value) is kind
        return str(caught.value)

    return text
