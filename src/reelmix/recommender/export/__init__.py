"""A run's vectors for other programs. A new format is one new file and a line in ``EXPORTS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from reelmix.recommender.export.arrays import to_npz as to_npz
from reelmix.recommender.export.arrays import to_parquet as to_parquet
from reelmix.recommender.export.arrays import to_safetensors as to_safetensors
from reelmix.recommender.export.lance import to_lancedb as to_lancedb
from reelmix.recommender.export.onnx import to_onnx as to_onnx
from reelmix.recommender.export.parts import Written as Written
from reelmix.recommender.export.pgvector import to_pgvector as to_pgvector
from reelmix.recommender.run import Run

EXPORTS: Mapping[str, Callable[[Run, Path], Written]] = {
    "npz": to_npz,
    "safetensors": to_safetensors,
    "parquet": to_parquet,
    "lancedb": to_lancedb,
    "pgvector": to_pgvector,
    "onnx": to_onnx,
}
"""Every export by the name it has on the command line."""

FOLDERS = frozenset({"lancedb"})
"""Those that write a folder."""
