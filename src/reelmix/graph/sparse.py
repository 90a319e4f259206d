"""The sparse product that every graph model is made of, with its exact gradient."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn import functional

Rows = tuple[Tensor, Tensor, Tensor]
"""Compressed rows: the columns and values of all entries row by row, and where each row starts."""


class Chosen(NamedTuple):
    """Some rows of a table, where the table is and on the CPU: there they are counted, and nobody waits."""

    there: Int[Tensor, " chosen"]
    here: Int[Tensor, " chosen"]

    @classmethod
    def sent(cls, here: Int[Tensor, " chosen"], device: torch.device) -> Chosen:
        """Rows on the CPU, and sent to where the table is."""
        return cls(sent(here, device), here)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device that is not waited for: a GPU reads it from pinned memory."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


class SparseMatrix(nn.Module):
    """A constant sparse matrix S, for products S @ x that are differentiable in x.

    Both S and its transpose are kept as compressed rows: the forward pass adds up rows of x with
    ``embedding_bag``, the fastest kernel for it on a CPU, and the backward pass is the same kernel on the
    transpose. Each output row is summed by one thread in a fixed order, so results repeat bit for bit.

    Args:
        matrix: S, of shape (row, column), any real dtype; stored in torch's default dtype.

    Attributes:
        mixed: in training mode read numbers of 16 bits (bfloat16), half the bytes, and add up in 32. A
            product is then right to about 0.3 %; in evaluation mode it is always exact.
    """

    mixed = False

    def __init__(self, matrix: csr_array) -> None:
        super().__init__()
        self.n_rows, self.n_columns = cast(tuple[int, int], matrix.shape)
        for name, half in (("forward", csr_array(matrix)), ("transpose", csr_array(matrix.T))):
            half.sort_indices()
            index = (
                np.int32 if max(half.nnz, self.n_rows, self.n_columns) <= np.iinfo(np.int32).max else np.int64
            )
            values = torch.from_numpy(half.data).to(torch.get_default_dtype())
            self.register_buffer(f"{name}_columns", _tensor(half.indices, index), persistent=False)
            self.register_buffer(f"{name}_values", values, persistent=False)
            self.register_buffer(f"{name}_starts", _tensor(half.indptr, index), persistent=False)
        starts = cast(Tensor, self.forward_starts)
        self._starts_here = starts  # stays on the CPU, wherever the others go

    def forward(self, x: Float[Tensor, "column dim"]) -> Float[Tensor, "row dim"]:
        """S @ x."""
        return cast(Tensor, _Product.apply(x, self._half("forward"), self._half("transpose"), self._reads))

    def transposed(self, x: Float[Tensor, "row dim"]) -> Float[Tensor, "column dim"]:
        """S.T @ x."""
        return cast(Tensor, _Product.apply(x, self._half("transpose"), self._half("forward"), self._reads))

    def rows(
        self, chosen: Chosen, x: Float[Tensor, "column dim"], *, less: Chosen | None = None
    ) -> Float[Tensor, "chosen dim"]:
        """(S @ x)[chosen], or that less x[less], at the cost of these rows alone, forwards and backwards.

        A row may be chosen more than once, in any order: it is computed once.

        Args:
            chosen: rows of S.
            x: the table.
            less: for each of them a row of x that is taken off.
        """
        starts, device = self._starts_here, chosen.there.device
        here, places = chosen.here.unique(return_inverse=True)
        n_entries = int((starts[here + 1] - starts[here]).sum())
        off = None if less is None else _TakenOff.of(less)
        once, rest = _DistinctRows.apply(
            x, sent(here, device), n_entries, self._half("forward"), self._reads, off
        )
        found = functional.embedding(sent(places, device), cast(Tensor, once))
        return found if off is None else found - cast(Tensor, rest)

    @property
    def _reads(self) -> torch.dtype | None:
        return torch.bfloat16 if self.mixed and self.training else None

    def scipy(self) -> csr_array:
        """S as a SciPy matrix."""
        columns, values, starts = (part.cpu().numpy() for part in self._half("forward"))
        return csr_array((values, columns, starts), shape=(self.n_rows, self.n_columns))

    def _half(self, name: str) -> Rows:
        return (
            getattr(self, f"{name}_columns"),
            getattr(self, f"{name}_values"),
            getattr(self, f"{name}_starts"),
        )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Rows, transpose: Rows, reads: torch.dtype | None) -> Tensor:
        ctx.transpose, ctx.reads = transpose, reads
        return _multiply(matrix, x, reads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _multiply(ctx.transpose, gradients[0].contiguous(), ctx.reads), None, None, None


class _TakenOff(NamedTuple):
    """Rows of a table that are taken off, and how their gradients are added up: in order, row by row."""

    rows: Tensor
    distinct: Tensor
    order: Tensor
    starts: Tensor

    @classmethod
    def of(cls, less: Chosen) -> _TakenOff:
        device = less.there.device
        ascending, order = less.here.sort(stable=True)
        distinct, lengths = ascending.unique_consecutive(return_counts=True)
        starts = functional.pad(lengths.cumsum(0), (1, 0))
        return cls(less.there, *(sent(part, device) for part in (distinct, order, starts)))

    def add_gradient(self, of_x: Tensor, gradient: Tensor) -> None:
        """Adds the gradient of the rows that are taken off to that of the table, in place."""
        ones = gradient.new_ones(len(self.order))
        of_x.index_add_(0, self.distinct, _multiply((self.order, ones, self.starts), gradient, None))


class _DistinctRows(torch.autograd.Function):
    """Rows that ascend, each once: their gradients are then added up in the order of the whole product's.

    Beside them the rows of x that are taken off, if any: one gradient for both spares a table of zeros.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        chosen: Tensor,
        n_entries: int,
        matrix: Rows,
        reads: torch.dtype | None,
        off: _TakenOff | None,
    ) -> tuple[Tensor, Tensor | None]:
        selected = _select(matrix, chosen, n_entries)
        ctx.save_for_backward(*selected)
        ctx.n_columns, ctx.reads, ctx.off = len(x), reads, off
        return _multiply(selected, x, reads), None if off is None else x.index_select(0, off.rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None, None, None, None]:
        of_rows, of_off = gradients
        of_x = _multiply(_transposed(ctx.saved_tensors, ctx.n_columns), of_rows.contiguous(), ctx.reads)
        if ctx.off is not None:
            ctx.off.add_gradient(of_x, of_off.contiguous())
        return of_x, None, None, None, None, None


def _multiply(matrix: Rows, x: Tensor, reads: torch.dtype | None) -> Tensor:
    columns, values, starts = matrix
    if columns.numel() == 0:
        return x.new_zeros(len(starts) - 1, x.shape[1])
    dtype = reads or x.dtype
    return functional.embedding_bag(
        columns,
        x.detach().to(dtype),  # the gradient is ours: torch is not to prepare for one
        starts,
        mode="sum",
        per_sample_weights=values.to(dtype),
        include_last_offset=True,
    ).to(x.dtype)


def _select(matrix: Rows, chosen: Tensor, n_entries: int) -> Rows:
    columns, values, starts = matrix
    first = starts[chosen]
    lengths = starts[chosen + 1] - first
    new_starts = functional.pad(lengths.cumsum(0, dtype=starts.dtype), (1, 0))
    shift = torch.repeat_interleave(first - new_starts[:-1], lengths, output_size=n_entries)
    entries = torch.arange(n_entries, dtype=starts.dtype, device=starts.device) + shift
    # many times faster than columns[entries]
    return columns.index_select(0, entries), values.index_select(0, entries), new_starts


def _transposed(matrix: Rows, n_columns: int) -> Rows:
    columns, values, starts = matrix
    order = columns.argsort(stable=True)
    rows = torch.arange(len(starts) - 1, dtype=starts.dtype, device=starts.device)
    rows = torch.repeat_interleave(rows, starts.diff(), output_size=len(columns))
    bounds = torch.arange(n_columns + 1, dtype=columns.dtype, device=columns.device)
    new_starts = torch.searchsorted(columns.index_select(0, order), bounds).to(starts.dtype)
    return rows.index_select(0, order), values.index_select(0, order), new_starts


def _tensor(array: np.ndarray, dtype: type[np.signedinteger[Any]]) -> Tensor:
    return torch.from_numpy(array.astype(dtype))
