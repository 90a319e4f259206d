"""On a device of its own every model trains to the same weights, and its steps do not wait for the device."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import elsewhere
import numpy as np
import pytest
from elsewhere_member import EPOCHS, VARIANTS, counted, told_apart, trained, trained_elsewhere

pytestmark = pytest.mark.skipif(not elsewhere.POSSIBLE, reason="torch too old for a device made in Python")

ASKED = ["aten._local_scalar_dense.default"] * (EPOCHS + 2)
"""An epoch's loss; and before and after training, whether all vectors are finite."""

DRAWN_ON_THE_CPU = {"star_gcn"}
"""What it hides, alike for every device."""

COUNTED_ON_THE_CPU = {"mmgcn", "vbpr", "dualgnn", "reelmix"}
"""The distinct users or items of a batch, which these compute alone; by softmax, which sampled items are a
triple's own."""


@pytest.fixture(scope="module")
def there():
    """Calls a function in a process that knows the device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context, initializer=elsewhere.register) as pool:
            yield lambda function, *arguments: pool.submit(function, *arguments).result()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_device_trains_the_weights_of_the_cpu_without_waiting(there, variant):
    weights, metrics, *few = there(trained_elsewhere, variant, 1000)
    *_, waits, brought, sent, fetched = there(trained_elsewhere, variant, 100)
    expected_weights, expected_metrics = trained(variant, 1000)
    assert metrics == pytest.approx(expected_metrics)
    for name, expected in expected_weights.items():
        np.testing.assert_allclose(weights[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)
    assert waits == few[0] == ASKED
    assert (brought, fetched) == (few[1], few[3])
    plain = variant.removesuffix(" by softmax")
    counted = plain != variant or plain.partition(",")[0] in COUNTED_ON_THE_CPU
    assert (sent > few[2]) == (counted or variant in DRAWN_ON_THE_CPU)


def test_tensors_of_two_places_are_told_apart(there):
    same, mixed, by_list = there(told_apart)
    assert same == "elsewhere"
    assert mixed == "AssertionError: aten.add.Tensor on tensors of two places"
    assert by_list.startswith("NotImplementedError")  # a list as index is sent to the device at each use


def test_what_waits_is_counted(there):
    waits, brought, sent, fetched = there(counted)
    assert waits == [
        "aten.index.Tensor",
        "aten.nonzero.default",
        "aten._local_scalar_dense.default",
        "aten.repeat_interleave.Tensor",
    ]
    assert (brought, sent, fetched) == (3, 1, 1)
