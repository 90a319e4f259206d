"""Processes that train one model together: each with a share of every batch, or with some of the columns.

What they say to each other goes through ``torch.distributed``, whose process group whoever starts them has
set up: torchrun, Ray, or a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, distributed

from reelmix.errors import ConfigError
from reelmix.models.base import Batch, Embeddings, Model
from reelmix.models.columns import Columns, keep_columns

Parallel = Literal["data", "columns"]


class Team:
    """A process by itself.

    Attributes:
        rank: this process among ``size``; 0 leads: it validates, writes and tells how it goes.
        sent: bytes that this process has given to sums over the team, in training steps alone.
    """

    rank, size = 0, 1
    whole = True
    """Whether every process holds the whole model."""

    def __init__(self) -> None:
        self.sent = 0

    @property
    def leads(self) -> bool:
        """Whether this process speaks for all."""
        return self.rank == 0

    def settle(self, model: Model) -> None:
        """Makes of a built model what this process trains."""

    def backward(self, model: Model, batch: Batch) -> Tensor:
        """The gradient of a batch's loss, in the parameters' ``grad``; returns what ``total`` adds up."""
        loss = model.loss(batch)
        loss.backward()
        return loss.detach()

    def total(self, losses: Tensor) -> Tensor:
        """The loss of the whole team."""
        return losses

    def judge(self, validate: Callable[[Model | Embeddings], float], model: Model) -> float:
        """The validation metric of the whole model, the same for every process."""
        return validate(model)

    def gathered(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Whole tensors where this process leads, elsewhere what it has; names end in a parameter's."""
        return tensors

    def part(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of whole tensors, what this process holds."""
        return tensors

    def agreed(self, value: Any) -> Any:
        """The leader's value, everywhere."""
        return value


class _Several(Team):
    """What both ways of sharing have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def judge(self, validate: Callable[[Model | Embeddings], float], model: Model) -> float:
        judged = self._judged(model)
        return cast(float, self.agreed(validate(judged) if self.leads else None))

    def _judged(self, model: Model) -> Model | Embeddings:
        return model

    def agreed(self, value: Any) -> Any:
        held = [value]
        distributed.broadcast_object_list(held, src=0)
        return held[0]

    def _sum(self, tensor: Tensor) -> Tensor:
        """The sum over the team, in place."""
        self.sent += tensor.nbytes
        distributed.all_reduce(tensor)
        return tensor


class DataParallel(_Several):
    """Every process holds the whole model and takes its share of each batch; gradients are summed.

    A step sends one number for each parameter.
    """

    def backward(self, model: Model, batch: Batch) -> Tensor:
        """See :meth:`Team.backward`; returns this share's part of the loss."""
        rows = slice(self.rank, None, self.size)
        share = batch.share(rows)
        part = torch.zeros((), device=batch.users.device)
        if len(share.users):  # the last batch may have fewer triples than there are processes
            loss = model.loss(share) * (len(share.users) / len(batch.users))
            loss.backward()
            part = loss.detach()
        for parameter in model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self._sum(parameter.grad)
        return part

    def total(self, losses: Tensor) -> Tensor:
        """See :meth:`Team.total`."""
        summed = losses.clone()
        distributed.all_reduce(summed)
        return summed

    def bytes_a_step(self, model: Model, triples: int) -> int:
        """What a step sends: every parameter's gradient."""
        return sum(parameter.nbytes for parameter in model.parameters())


class ColumnParallel(_Several):
    """Every process holds the graph and some columns of every table, and sees the whole batch.

    Columns meet in the scores alone: a step sends a partial margin (one score less the other) a triple and
    one number for the L2 term; and the gradient of what all columns share, which of DualGNN is alpha.
    """

    whole = False

    def settle(self, model: Model) -> None:
        """Leaves the model its columns.

        Raises:
            ConfigError: the model's columns mix, or there are fewer of them than processes.
        """
        self.axes = dict(model.column_axes())
        size: int = cast(Any, model.config).embedding_size
        if size < self.size:
            raise ConfigError(
                expected=f"at most as many workers as columns, {size}",
                found=str(self.size),
                where="workers",
                fix=f"Start {size}, or set embedding_size larger.",
            )
        self.ends = [size * rank // self.size for rank in range(self.size + 1)]
        keep_columns(model, self.axes, self.ends[self.rank], self.ends[self.rank + 1])
        model.columns = _Exchanged(self._sum)

    def _judged(self, model: Model) -> Model | Embeddings:
        with torch.no_grad():
            found = model.embed()
        return Embeddings(self._whole(found.users, 1), self._whole(found.items, 1))

    def gathered(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See :meth:`Team.gathered`."""
        return {name: self._whole(tensor, self._axis(name, tensor)) for name, tensor in tensors.items()}

    def part(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """See :meth:`Team.part`."""
        first, last = self.ends[self.rank : self.rank + 2]
        found = dict(tensors)
        for name, tensor in tensors.items():
            axis = self._axis(name, tensor)
            if axis is not None:
                found[name] = tensor.narrow(axis, first, last - first).clone()
        return found

    def _axis(self, name: str, tensor: Tensor) -> int | None:
        # an optimiser's moments bear their parameter's name after a slash; its count of steps has no axis
        return self.axes.get(name.rpartition("/")[2]) if tensor.dim() else None

    def _whole(self, tensor: Tensor, axis: int | None) -> Tensor:
        """All columns, where this process leads; the rest send theirs."""
        if axis is None:
            return tensor
        if not self.leads:
            distributed.send(tensor.contiguous(), dst=0)
            return tensor
        parts = [tensor]
        for rank in range(1, self.size):
            shape = list(tensor.shape)
            shape[axis] = self.ends[rank + 1] - self.ends[rank]
            parts.append(tensor.new_empty(shape))
            distributed.recv(parts[-1], src=rank)
        return torch.cat(parts, dim=axis)

    def bytes_a_step(self, model: Model, triples: int) -> int:
        """What a step sends: a margin a triple and the L2 term, and gradients that no axis splits."""
        shared = (p.nbytes for name, p in model.named_parameters() if name not in self.axes)
        return 4 * (triples + 1) + sum(shared)


class _Exchanged(Columns):
    """Columns that meet those of other processes."""

    def __init__(self, add_up: Callable[[Tensor], Tensor]) -> None:
        self._add_up = add_up

    def summed(self, partial: Tensor) -> Tensor:
        return cast(Tensor, _Summed.apply(partial, self._add_up))

    def shared(self, parameter: Tensor) -> Tensor:
        return cast(Tensor, _Shared.apply(parameter, self._add_up))


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, partial: Tensor, add_up: Callable[[Tensor], Tensor]) -> Tensor:
        return add_up(partial.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, add_up: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.add_up = add_up
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.add_up(gradients[0].contiguous().clone()), None


TEAMS: Mapping[Parallel, type[DataParallel | ColumnParallel]] = {
    "data": DataParallel,
    "columns": ColumnParallel,
}
"""The ways of sharing, by the name that settings have for them."""
