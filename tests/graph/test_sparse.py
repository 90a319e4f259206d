"""The sparse product against dense float64 arithmetic, forwards and backwards."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from reelmix.graph.sparse import Chosen, SparseMatrix


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def with_holes(n_rows=7, n_columns=5, seed=0):
    """Random numbers of both signs; row 2, the last row and column 3 are empty."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.6)
    dense[[2, -1]] = 0
    dense[:, 3] = 0
    return dense


def uneven():
    """One row is many times as long as the others."""
    dense = np.zeros((7, 9))
    dense[4] = np.arange(1, 10)
    dense[[0, 2, 6], [8, 0, 5]] = [2.0, -1.0, 0.5]
    return dense


SHAPES = {
    "wide and long": with_holes(),
    "one entry": np.array([[0.0, 0.0], [0.0, -2.5], [0.0, 0.0]]),
    "first row empty": np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 4.0]]),
    "no entry": np.zeros((4, 3)),
    "no row": np.zeros((0, 4)),
    "no column": np.zeros((4, 0)),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def dense(request):
    return request.param


def columns(dense, dim=3, seed=1):
    return np.random.default_rng(seed).normal(size=(dense.shape[1], dim))


def rows(dense, dim=3, seed=2):
    return np.random.default_rng(seed).normal(size=(dense.shape[0], dim))


def picked(chosen):
    where = torch.as_tensor(chosen, dtype=torch.int64)
    return Chosen(where, where)


def test_product(dense):
    found = SparseMatrix(csr_array(dense))(torch.tensor(columns(dense)))
    np.testing.assert_allclose(found, dense @ columns(dense), rtol=1e-13, atol=1e-13)


def test_product_with_the_transpose(dense):
    found = SparseMatrix(csr_array(dense)).transposed(torch.tensor(rows(dense)))
    np.testing.assert_allclose(found, dense.T @ rows(dense), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("made", [with_holes, uneven])
@pytest.mark.parametrize("chosen", [[0], [6, 2, 2, 0, 6, 5, 2], [2, 6], [], list(range(7)) * 3])
def test_chosen_rows(chosen, made):
    dense = made()
    found = SparseMatrix(csr_array(dense)).rows(picked(chosen), torch.tensor(columns(dense)))
    np.testing.assert_allclose(found, (dense @ columns(dense))[chosen], rtol=1e-13, atol=1e-13)


def test_chosen_rows_of_a_matrix_without_entries():
    found = SparseMatrix(csr_array((4, 3))).rows(picked([1, 1, 3]), torch.ones(3, 2))
    np.testing.assert_array_equal(found, np.zeros((3, 2)))


def test_entries_in_any_order_and_repeated_entries_are_added_up():
    columns_of, starts = np.array([2, 0, 1, 1]), np.array([0, 2, 4])
    matrix = csr_array((np.array([5.0, 1.0, 2.0, 3.0]), columns_of, starts), shape=(2, 3))
    assert not matrix.has_sorted_indices
    sparse, dense = SparseMatrix(matrix), np.array([[1.0, 0.0, 5.0], [0.0, 5.0, 0.0]])
    np.testing.assert_array_equal(sparse(torch.eye(3)), dense)
    np.testing.assert_array_equal(sparse.transposed(torch.eye(2)), dense.T)
    np.testing.assert_array_equal(sparse.rows(picked([1, 0]), torch.eye(3)), dense[[1, 0]])


@pytest.mark.parametrize("shape", [name for name, dense in SHAPES.items() if 0 not in dense.shape])
def test_gradients_of_both_products(shape):
    dense = SHAPES[shape]
    matrix = SparseMatrix(csr_array(dense))
    torch.autograd.gradcheck(matrix, torch.tensor(columns(dense), requires_grad=True))
    torch.autograd.gradcheck(matrix.transposed, torch.tensor(rows(dense), requires_grad=True))


@pytest.mark.parametrize("made", [with_holes, uneven])
@pytest.mark.parametrize("chosen", [[0, 3], [5, 2, 2, 0, 5, 5], [2, 6]])
def test_gradient_of_chosen_rows(chosen, made):
    dense = made()
    matrix = SparseMatrix(csr_array(dense))
    x = torch.tensor(columns(dense), requires_grad=True)
    torch.autograd.gradcheck(lambda x: matrix.rows(picked(chosen), x), x)


@pytest.mark.parametrize("less", [[0, 3, 0, 0, 2, 3], [1, 1, 1, 1, 1, 1]])
def test_chosen_rows_less_rows_of_the_table(less):
    dense, chosen = with_holes(), [5, 2, 2, 0, 5, 6]
    matrix, x = SparseMatrix(csr_array(dense)), torch.tensor(columns(dense), requires_grad=True)
    found = matrix.rows(picked(chosen), x, less=picked(less))
    expected = (dense @ columns(dense))[chosen] - columns(dense)[less]
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-13, atol=1e-13)
    torch.autograd.gradcheck(lambda x: matrix.rows(picked(chosen), x, less=picked(less)), x)


def test_rows_taken_off_are_bit_for_bit_those_taken_off_afterwards():
    """In single precision, with rows that are taken off many times."""
    rng = np.random.default_rng(5)
    matrix = SparseMatrix(csr_array(rng.normal(size=(50, 40)) * (rng.random((50, 40)) < 0.4))).float()
    chosen, less = picked(rng.integers(0, 50, 200).tolist()), picked(rng.integers(0, 30, 200).tolist())
    outer = torch.tensor(rng.normal(size=(200, 8)), dtype=torch.float32)
    found = []
    for at_once in (True, False):
        x = torch.tensor(np.random.default_rng(4).normal(size=(40, 8)), dtype=torch.float32).requires_grad_()
        if at_once:
            rows = matrix.rows(chosen, x, less=less)
        else:
            rows = matrix.rows(chosen, x) - torch.nn.functional.embedding(less.there, x)
        (gradient,) = torch.autograd.grad((rows * outer).sum(), x)
        found.append((rows, gradient))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_chosen_rows_are_bit_for_bit_those_of_the_whole_product():
    """Forwards and backwards, in single precision: which way was taken changes no training."""
    rng = np.random.default_rng(3)
    matrix = SparseMatrix(csr_array(rng.normal(size=(50, 40)) * (rng.random((50, 40)) < 0.4))).float()
    chosen, outer = rng.integers(0, 50, 30), torch.tensor(rng.normal(size=(30, 8)), dtype=torch.float32)
    gradients = []
    for way in ("all", "some"):
        x = torch.tensor(np.random.default_rng(4).normal(size=(40, 8)), dtype=torch.float32).requires_grad_()
        where = torch.from_numpy(chosen)
        found = (
            torch.nn.functional.embedding(where, matrix(x))
            if way == "all"
            else matrix.rows(picked(chosen), x)
        )
        (found * outer).sum().backward()
        gradients.append((found.detach(), x.grad))
    for whole, some in zip(*gradients, strict=True):
        assert torch.equal(whole, some)


def test_gradients_equal_the_transposed_dense_product():
    dense = with_holes()
    matrix, outer = SparseMatrix(csr_array(dense)), rows(dense)
    x = torch.tensor(columns(dense), requires_grad=True)
    (matrix(x) * torch.tensor(outer)).sum().backward()
    np.testing.assert_allclose(x.grad, dense.T @ outer, rtol=1e-13, atol=1e-13)

    y = torch.tensor(outer, requires_grad=True)
    (matrix.transposed(y) * torch.tensor(columns(dense))).sum().backward()
    np.testing.assert_allclose(y.grad, dense @ columns(dense), rtol=1e-13, atol=1e-13)

    chosen = [4, 0, 4, 4, 2]
    x = torch.tensor(columns(dense), requires_grad=True)
    (matrix.rows(picked(chosen), x) * torch.tensor(outer[:5])).sum().backward()
    np.testing.assert_allclose(x.grad, dense[chosen].T @ outer[:5], rtol=1e-13, atol=1e-13)


def test_gradient_that_arrives_as_an_expanded_view():
    # the gradient of .sum() is one number with strides of 0
    dense = with_holes()
    x = torch.tensor(columns(dense), requires_grad=True)
    SparseMatrix(csr_array(dense))(x).sum().backward()
    np.testing.assert_allclose(x.grad, np.repeat(dense.sum(axis=0)[:, None], 3, axis=1), rtol=1e-13)


def large():
    rng = np.random.default_rng(5)
    return csr_array(rng.normal(size=(400, 300)) * (rng.random((400, 300)) < 0.2))


def test_float32_is_as_close_as_float32_can_be():
    matrix = large()
    x = np.random.default_rng(6).normal(size=(300, 16))
    torch.set_default_dtype(torch.float32)
    single = SparseMatrix(matrix)
    found = single(torch.tensor(x, dtype=torch.float32))
    assert found.dtype == torch.float32
    # each output adds about 60 products: an error of a few units in the last place of their absolute sum
    bound = 1e-6 * (np.abs(matrix.toarray()) @ np.abs(x))
    assert (np.abs(found.double().numpy() - matrix.toarray() @ x) <= bound).all()


def all_results(matrix, x, y, chosen):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    parts = [matrix(x), matrix.transposed(y), matrix.rows(picked(chosen), x)]
    sum(part.square().sum() for part in parts).backward()
    return [*parts, x.grad, y.grad]


def test_results_repeat_bit_for_bit_with_any_number_of_threads():
    torch.set_default_dtype(torch.float32)
    matrix, rng = SparseMatrix(large()), np.random.default_rng(7)
    x, y = (torch.tensor(rng.normal(size=(n, 64)), dtype=torch.float32) for n in (300, 400))
    chosen = torch.tensor(rng.integers(0, 400, 1000))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = all_results(matrix, x, y, chosen)
        for n in (1, 2, 2, 4):
            torch.set_num_threads(n)
            for first, second in zip(expected, all_results(matrix, x, y, chosen), strict=True):
                assert torch.equal(first, second)
    finally:
        torch.set_num_threads(threads)


def test_constants_move_with_the_module_and_stay_out_of_saved_weights():
    matrix = SparseMatrix(csr_array(with_holes()))
    assert matrix.state_dict() == {}
    assert list(matrix.parameters()) == []
    assert matrix.float()(torch.ones(5, 2, dtype=torch.float32)).dtype == torch.float32
    assert {buffer.device.type for buffer in matrix.to("meta").buffers()} == {"meta"}


def test_mixed_precision_while_training_alone():
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(5)
    dense = rng.random((60, 5_000)) * (rng.random((60, 5_000)) < 0.8)  # 4,000 numbers add up in a row
    matrix, x = SparseMatrix(csr_array(dense)), torch.tensor(rng.random((5_000, 3)), dtype=torch.float32)
    weights, chosen = torch.tensor(rng.normal(size=(60, 3)), dtype=torch.float32), [7, 0, 7]
    products = {
        "product": lambda of: matrix(of),
        "rows": lambda of: matrix.rows(picked(chosen), of).repeat(20, 1),
        "transposed": lambda of: matrix.transposed(weights @ of[:3]),
    }
    for name, product in products.items():
        found = {}
        for mixed, training in ((False, True), (True, True), (True, False)):
            matrix.mixed = mixed
            matrix.train(training)
            of = x.clone().requires_grad_()
            result = product(of)
            assert result.dtype == torch.float32
            result.square().sum().backward()
            found[mixed, training] = torch.cat([result.flatten(), of.grad.flatten()]).detach()
        exact, rounded = found[False, True], found[True, True]
        assert torch.equal(found[True, False], exact), name
        assert not torch.equal(rounded, exact), name
        assert (rounded - exact).norm() < 0.01 * exact.norm(), name
