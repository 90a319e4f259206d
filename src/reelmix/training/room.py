"""Whether a training fits in the memory that there is, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from reelmix.data import Split
from reelmix.errors import ConfigError
from reelmix.models.base import Model
from reelmix.training.config import TrainingConfig
from reelmix.training.memory import ON_HOST, SETTLING, Footprint, Shape, settling, stages
from reelmix.training.team import Parallel

BLOCK_BYTES = 256 << 20


def free_memory() -> int | None:
    """Bytes of main memory that this process can still have; None where the system does not tell."""
    found = [*_of_the_machine(), *_of_the_group()]
    return min(found) if found else None


@dataclass(frozen=True)
class Place:
    """Where a training is to fit.

    Attributes:
        device: as torch names it.
        block: bound of the scores that are ranked at one time, bytes.
        workers: processes that train together on this machine.
        parallel: whether they share batches or columns.
    """

    device: str = "cpu"
    block: int = BLOCK_BYTES
    workers: int = 1
    parallel: Parallel = "data"


HERE = Place()


def footprint(model: Model, shape: Shape, training: TrainingConfig, place: Place = HERE) -> Footprint:
    """What the device's memory must still hold at the peak.

    The data are in main memory already, but that workers read them for themselves.
    """
    building, *others = stages(model, shape, training, place.block)
    if place.workers > 1:
        divided = place.parallel == "columns"
        each = [building.times(place.workers), *(stage.times(place.workers, divided) for stage in others)]
    else:
        each = [stage.without("data") for stage in (building, *others)]
    if place.device.startswith("cuda"):
        each = [stage.without(*ON_HOST, "validation scores") for stage in each[1:]]
    return max(each, key=lambda stage: stage.total)


def can_settle(model: Model, split: Split, training: TrainingConfig, place: Place = HERE) -> bool:
    """Whether there is memory to choose what is not trained, once the rest of the model is there.

    What is chosen is made in main memory, wherever the model is, and then held beside it.
    """
    stage = settling(model, Shape.of(split), training, place.block)
    needed = stage.without(*(part for part in stage.parts if part not in SETTLING)).total
    return all(free is None or needed <= free for free in (free_memory(), _free_on(place.device)))


def require_memory(model: Model, split: Split, training: TrainingConfig, place: Place = HERE) -> None:
    """Refuses a training that does not fit, and says what would.

    Raises:
        ConfigError: more memory is needed than there is.
    """
    device, free = place.device, _free_on(place.device)
    shape = Shape.of(split)
    needed = footprint(model, shape, training, place)
    if free is None or needed.total <= free:
        return
    parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in needed.largest().items())
    raise ConfigError(
        expected=f"{gigabytes(needed.total)} of memory for {needed.when} ({parts})",
        found=f"{gigabytes(free)}",
        where=f"{model.name} on {device}" + (f", {place.workers} workers" if place.workers > 1 else ""),
        fix=_advice(model, shape, training, place, free),
    )


def largest_size(
    model: Model, shape: Shape, training: TrainingConfig, free: int, place: Place = HERE
) -> int | None:
    """The largest embedding_size below the model's own that fits; None if there is none."""
    low, high = 0, int(getattr(model.config, "embedding_size", 1))
    while high - low > 1:
        middle = (low + high) // 2
        smaller = type(model)(model.config, embedding_size=middle)
        fits = footprint(smaller, shape, training, place).total <= free
        low, high = (middle, high) if fits else (low, middle)
    return low or None


def gigabytes(size: int) -> str:
    """A size as people say it."""
    return f"{size / 1e9:.1f} GB" if size >= 5e8 else f"{size / 1e6:.0f} MB"


def _advice(model: Model, shape: Shape, training: TrainingConfig, place: Place, free: int) -> str:
    size = largest_size(model, shape, training, free, place)
    advice = [f"set embedding_size = {size} or less"] if size else []
    batch = training.batch_size
    while batch > 64:
        batch //= 2
        smaller = training.model_copy(update={"batch_size": batch})
        if footprint(model, shape, smaller, place).total <= free:
            advice.append(f"set batch_size = {batch} or less")
            break
    advice += ["start fewer workers"] * (place.workers > 1)
    advice += ["take fewer modalities"] * (len(shape.modalities) > 1)
    advice += ["set item_ids = false"] * bool(getattr(model.config, "item_ids", False))
    advice.append("use a device with more memory")
    text = "; ".join(advice)
    return (
        f"{text[0].upper()}{text[1:]}. This is an estimate: --no-memory-check (check_memory=False) goes on."
    )


def _free_on(device: str) -> int | None:
    """Bytes that this process can still have where it computes."""
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else free_memory()


def _of_the_machine() -> list[int]:
    lines = _lines("/proc/meminfo")
    return [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]


def _of_the_group() -> list[int]:
    """What the limits of a container leave, by the second and the first version of control groups."""
    left: list[int] = []
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        numbers = [_lines(f"/sys/fs/cgroup/{name}") for name in (limit, used)]
        if all(found and found[0].isdigit() for found in numbers):  # the limit may be the word max
            stat = _lines(f"/sys/fs/cgroup/{Path(limit).parent}/memory.stat")
            dropped = sum(int(line.split()[1]) for line in stat if line.split()[0] == cache)
            left.append(max(int(numbers[0][0]) - int(numbers[1][0]) + dropped, 0))
    return left


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
