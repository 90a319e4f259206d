from __future__ import annotations

from collections.abc import Iterator

import pytest

from reelmix.data import storage, stretches
from reelmix.data.formats import table


@pytest.fixture(scope="module", params=["whole", "stretches"])
def whole_or_in_stretches(request: pytest.FixtureRequest) -> Iterator[str]:
    """Interactions are read whole, as small files are; or as large ones, two rows at a time."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "stretches":
            for module in (storage, table):
                patch.setattr(module, "is_large", lambda path: True)
            for module in (storage, stretches, table):
                patch.setattr(module, "ROWS", 2)
            patch.setattr(stretches, "SORTED_ROWS", 3)
        yield request.param
