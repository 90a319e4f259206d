"""Importers: what people hold becomes a dataset. A new format is one new file and a line in ``FORMATS``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from reelmix.data.dataset import Dataset
from reelmix.data.formats.mmgcn import import_mmgcn as import_mmgcn
from reelmix.data.formats.mmrec import import_mmrec as import_mmrec
from reelmix.data.formats.recbole import import_recbole as import_recbole
from reelmix.data.formats.table import import_table as import_table
from reelmix.errors import ConfigError, nearest


@runtime_checkable
class Importer(Protocol):
    """Reads files of one format; its docstring describes them."""

    def __call__(
        self, path: str | Path, *, name: str | None = None, columns: Mapping[str, str] | None = None
    ) -> Dataset:
        """The dataset.

        Args:
            path: the folder or file.
            name: of the dataset; by default that of the folder or file.
            columns: our column name to the file's, where it is another than the format's own.
        """
        ...


FORMATS: dict[str, Importer] = {
    "table": import_table,
    "mmrec": import_mmrec,
    "mmgcn": import_mmgcn,
    "recbole": import_recbole,
}


def importer(name: str) -> Importer:
    """The importer of a format.

    Raises:
        ConfigError: there is no such format.
    """
    if name not in FORMATS:
        raise ConfigError(
            expected="a format that can be imported",
            found=repr(name),
            where="format",
            fix=nearest(name, FORMATS),
        )
    return FORMATS[name]
