"""ONNX: the scoring function as a graph that any ONNX runtime computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reelmix.errors import ConfigError
from reelmix.extras import optional
from reelmix.files import write_atomic
from reelmix.recommender.export.parts import Part, Written, known_parts
from reelmix.recommender.run import Run

OPSET, IR_VERSION = 17, 8
"""Of 2022: every runtime since ONNX 1.12 reads them."""

MOST_BYTES = 1_500_000_000
"""Of vectors and ids; a file of protocol buffers ends at 2 GiB."""


def to_onnx(run: Run, file: Path) -> Written:
    """One ONNX file with the vectors, and how lists are made of them.

    Inputs are ``user`` (batch), rows of users, and ``k`` (1), the length of the lists; outputs ``scores``
    (batch, item), ``top_items`` (batch, k), rows of items, best first, and ``top_scores``. Lists are shorter
    if there are fewer items. The metadata hold ``user_ids`` and ``item_ids``, JSON lists of the caller's ids
    by row. What is not known is left out (:func:`known_parts`).

    Raises:
        ConfigError: onnx is not installed, or there is more than a file can hold.
        StorageError: the disk is full or the folder cannot be written; the old file is untouched.
    """
    onnx = optional("onnx", "export")
    users, items = known_parts(run)
    metadata = {
        "user_ids": json.dumps(users.ids.to_list()),
        "item_ids": json.dumps(items.ids.to_list()),
    }
    size = users.vectors.nbytes + items.vectors.nbytes + sum(map(len, metadata.values()))
    if size > MOST_BYTES:
        raise ConfigError(
            expected=f"at most {MOST_BYTES / 1e9:.1f} GB of vectors and ids for onnx",
            found=f"{size / 1e9:.1f} GB",
            where="export",
            fix="Export to lancedb or pgvector, or train with a smaller embedding_size.",
        )
    model = onnx.helper.make_model(
        _graph(users, items, onnx),
        producer_name="reelmix",
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString()
    onnx.checker.check_model(content, full_check=True)
    write_atomic(file, content)
    return Written(len(users), len(items))


def _graph(users: Part, items: Part, onnx: Any) -> Any:
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    whole, real = onnx.TensorProto.INT64, onnx.TensorProto.FLOAT
    from_array = onnx.numpy_helper.from_array
    constants = {"users": users.vectors, "items": items.vectors, "n_items": np.array([len(items)])}
    return onnx.helper.make_graph(
        [
            node("Gather", ["users", "user"], ["vectors"]),
            node("Gemm", ["vectors", "items"], ["scores"], transB=1),
            node("Min", ["k", "n_items"], ["length"]),
            node("TopK", ["scores", "length"], ["top_scores", "top_items"]),  # ties by rising row, as ours
        ],
        "reelmix",
        [value("user", whole, ["batch"]), value("k", whole, [1])],
        [
            value("scores", real, ["batch", len(items)]),
            value("top_items", whole, ["batch", "length"]),
            value("top_scores", real, ["batch", "length"]),
        ],
        [from_array(array, name) for name, array in constants.items()],
    )
