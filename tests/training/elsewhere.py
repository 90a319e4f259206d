"""A device that is none: it computes on the CPU, but keeps its tensors apart as a GPU does.

What runs on it never mixes tensors of two places, and says how often a GPU would have made it wait. How fast
it is, and whether a GPU rounds alike, only a GPU can say.
"""

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

POSSIBLE = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
"""Whether this version of torch lets a device be made in Python."""

aten = torch.ops.aten
OF_UNKNOWN_SIZE = {
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_dim.default,
}
ASKED = {aten._local_scalar_dense.default, aten.equal.default}
MOVED = {aten._to_copy.default, aten.copy_.default}


def register():
    """Makes the device known to torch, until this process ends: let it be one of its own."""
    torch.set_num_threads(1)
    backend_registration._setup_privateuseone_for_python_backend("elsewhere")


class _There(Tensor):
    """A tensor of the device."""

    @staticmethod
    def __new__(cls, here):
        return Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device("elsewhere:0"),
        )

    def __init__(self, here):
        self.here = here

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        raise AssertionError(f"{operation} outside of Elsewhere()")


class Elsewhere(TorchDispatchMode):
    """While it lasts, ``device="elsewhere"`` is one.

    Attributes:
        waits: operations for whose result, or its size, the CPU would have waited.
        brought: how often tensors went from the CPU to the device, single numbers aside, and were waited for.
        sent: how often they went without being waited for.
        fetched: how often they came back.
    """

    def __init__(self):
        super().__init__()
        self.waits, self.brought, self.sent, self.fetched = [], 0, 0, 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in given if isinstance(tensor, _There)]
        here = [tensor for tensor in given if not isinstance(tensor, _There)]
        wanted = kwargs.get("device")
        if wanted is not None:
            to_there = torch.device(wanted).type == "elsewhere"
        else:
            to_there = bool(there) and (operation is not aten.copy_.default or isinstance(args[0], _There))
        if operation in MOVED:
            goes = to_there and any(tensor.dim() for tensor in here)
            at_once = kwargs.get("non_blocking", False)
            self.brought += goes and not at_once
            self.sent += goes and at_once
            self.fetched += bool(there) and not to_there
        elif there and any(tensor.dim() for tensor in here):  # a single number may come along
            raise AssertionError(f"{operation} on tensors of two places")
        if there and self._waits(operation, args, kwargs):
            self.waits.append(str(operation))
        result = operation(
            *tree_map_only(_There, lambda tensor: tensor.here, args),
            **tree_map_only(
                torch.device,
                lambda device: torch.device("cpu"),
                tree_map_only(_There, lambda tensor: tensor.here, kwargs),
            ),
        )
        if not to_there:
            return args[0] if operation is aten.copy_.default else result
        known = {id(tensor.here): tensor for tensor in there}  # what was changed in place stays itself
        return tree_map_only(
            Tensor, lambda tensor: known[id(tensor)] if id(tensor) in known else _There(tensor), result
        )

    def _waits(self, operation, args, kwargs):
        by_mask = operation in {aten.index.Tensor, aten.index_put.default, aten.index_put_.default} and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        repeats = operation is aten.repeat_interleave.Tensor and kwargs.get("output_size") is None
        return by_mask or repeats or operation in OF_UNKNOWN_SIZE | ASKED
