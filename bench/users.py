"""The user graph of the paper's MovieLens, beside sparse_dot_topn called plainly and scipy in dense blocks.

Each in a process of its own, because peak memory is part of the promise. Run as a script, this file is that
process: it imports what the job needs and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, csr_matrix, load_npz, save_npz

from measure import Line, in_process, peak_megabytes, timed

USERS, ITEMS, EDGES, NEIGHBOURS, TENTH = 55_485, 5_986, 1_239_508, 40, 5_548
THREADS = 2
SECONDS, MEGABYTES, AS_FAST = 20.0, 300.0, 1.0


def lines(repeats: int, *, whole: bool = False) -> list[Line]:
    """Seconds and peak megabytes, medians of processes that take turns.

    Args:
        repeats: processes of each; the dense blocks run in one.
        whole: give the dense blocks all users, not a tenth of them.
    """
    from floor import user_graph_floor
    from worlds import movielens_shaped

    interactions = movielens_shaped(np.random.default_rng(0))
    found: dict[str, list[dict[str, float]]] = {"ours": [], "product": []}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "movielens.npz"
        save_npz(file, csr_matrix(interactions))
        for _ in range(repeats):
            for job, measured in found.items():
                measured.append(in_process("users.py", job, file))
        dense = in_process("users.py", "dense" if whole else "tenth", file)
    (ours, product) = (
        {key: float(np.median([one[key] for one in measured])) for key in measured[0]}
        for measured in found.values()
    )
    factor = 1 if whole else USERS / TENTH
    what = f"user graph {USERS:,} x {ITEMS:,}, 1.24 M"
    theirs = f"{product['peak']:.0f} MB, of which imports and data {product['before']:.0f}"
    imports = (
        f"imports and data {ours['before']:.0f} MB, the graph itself {ours['peak'] - ours['before']:.0f}"
    )
    of_a_tenth = f"{dense['peak']:.0f} MB" + ("" if whole else ", a tenth's time x 10")
    return [
        Line(what, ours["wall"], relation="at most", target=SECONDS, cpu=ours["cpu"]),
        Line(
            what,
            ours["wall"],
            "s",
            "sp_matmul_topn",
            product["wall"],
            "within",
            AS_FAST,
            theirs,
            ours["cpu"],
            product["cpu"],
        ),
        Line(
            what,
            ours["wall"],
            "s",
            "dense blocks",
            dense["wall"] * factor,
            "faster",
            None,
            of_a_tenth,
            ours["cpu"],
            dense["cpu"] * factor,
        ),
        Line(
            what,
            ours["wall"],
            "s",
            "floor",
            user_graph_floor(interactions),
            "within",
            None,
            "each pair counted once",
            ours["cpu"],
        ),
        Line(what + ", peak", ours["peak"], "MB", relation="at most", target=MEGABYTES, note=imports),
    ]


def _ours(interactions: csr_array) -> None:
    from reelmix.graph.cooccurrence import user_graph

    user_graph(interactions, NEIGHBOURS)


def _product(interactions: csr_array) -> None:
    """Counts of common items by the library alone, in single precision, ties and diagonal as they come."""
    from sparse_dot_topn import sp_matmul_topn

    matrix = csr_matrix(interactions, dtype=np.float32)
    sp_matmul_topn(matrix, csr_matrix(matrix.T), top_n=NEIGHBOURS + 1, sort=True, n_threads=THREADS)


def _dense(interactions: csr_array) -> None:
    _blocks(interactions, interactions.shape[0])


def _tenth(interactions: csr_array) -> None:
    _blocks(interactions, TENTH)


def _blocks(interactions: csr_array, n_users: int) -> None:
    from plain import plain_user_graph

    plain_user_graph(interactions, NEIGHBOURS, range(min(n_users, interactions.shape[0])))


JOBS = {"ours": _ours, "product": _product, "dense": _dense, "tenth": _tenth}


def main() -> None:
    """Measures one job: prints seconds, and peak megabytes of the process before and after."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("file", type=Path, help="interactions, as scipy writes them")
    arguments = parser.parse_args()
    interactions = csr_array(load_npz(arguments.file))
    job = JOBS[arguments.job]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["REELMIX_CACHE"] = cache
        job(interactions[:2])  # imports what it needs, which the user of a library has done before
        before = peak_megabytes()
        taken = timed(lambda: job(interactions))
    sys.stdout.write(f"wall={taken.wall} cpu={taken.cpu} before={before} peak={peak_megabytes()}\n")


if __name__ == "__main__":
    main()
