"""What tests of models have in common."""

import pytest
import torch


@pytest.fixture
def double_precision():
    """Models are built in double precision: what differs from a reference then differs by a fault."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
