"""What is shown of a person: what they watched, their emphasis, and who watched the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from reelmix.data.vocabulary import UserOrItemId
from reelmix.recommender.explain import emphasis_of
from reelmix.recommender.new_users import one_history
from reelmix.server import schemas
from reelmix.server.served import Served


def profile(served: Served, user: UserOrItemId) -> schemas.Profile:
    """What somebody watched, and their emphasis beside that of others.

    Raises:
        UnknownIdError: there is no such user.
    """
    history = served.history(user)
    return schemas.Profile(
        user_id=user, history=served.catalogue.cards(history), emphasis=_emphasis(served, user)
    )


def _emphasis(served: Served, user: UserOrItemId) -> list[schemas.Emphasis]:
    vectors = served.run.vectors
    names = list(vectors.item_parts)
    if not names:
        return []
    own, shares = _alpha(served, user), served.recommender.shares_of(served.taste(user))
    everyone = (
        None if vectors.emphasis is None else vectors.emphasis[served.catalogue.lengths > 0].mean(axis=0)
    )
    others, common = _neighbours(served, user)
    theirs = None
    if vectors.emphasis is not None and len(others):
        theirs = np.average(vectors.emphasis[others], axis=0, weights=common)
    return [
        schemas.Emphasis(
            modality=name,
            weight=_at(own, place),
            share=0.0 if np.isnan(shares[place]) else float(shares[place]),
            neighbours=_at(theirs, place),
            everyone=_at(everyone, place),
        )
        for place, name in enumerate(names)
    ]


def _alpha(served: Served, user: UserOrItemId) -> Float[np.ndarray, " modality"] | None:
    if user in served.since:
        history = one_history(served.since[user].history, len(served.run.items))
        found = emphasis_of(served.run, history)
        if found is not None:
            return found[0]
    emphasis = served.run.vectors.emphasis
    return None if emphasis is None or user not in served.run.users else emphasis[served.run.users.row(user)]


def _neighbours(
    served: Served, user: UserOrItemId
) -> tuple[Int[np.ndarray, " neighbour"], Int[np.ndarray, " neighbour"]]:
    """Rows of the training users with items in common, most first, and how many."""
    training = served.recommender.training
    common = np.asarray(training[:, served.history(user)].sum(axis=1)).astype(np.int64)
    if user in served.run.users:
        common[served.run.users.row(user)] = 0
    rows = np.flatnonzero(common)
    order = np.lexsort((rows, served.catalogue.lengths[rows], -common[rows]))
    return rows[order], common[rows][order]


def neighbourhood(served: Served, user: UserOrItemId, n: int) -> schemas.Neighbourhood:
    """Who watched the same things, most in common first.

    Raises:
        UnknownIdError: there is no such user.
    """
    history = served.history(user)
    rows = _neighbours(served, user)[0][:n]
    training, names = served.recommender.training, list(served.run.vectors.item_parts)
    emphasis, found, shared = served.run.vectors.emphasis, [], set[int]()
    for row, identifier in zip(rows.tolist(), served.run.users.take(rows), strict=True):
        both = np.intersect1d(training[[row]].indices, history)
        shared.update(both.tolist())
        found.append(
            schemas.Neighbour(
                id=identifier,
                common=served.run.items.take(both),
                watched=int(served.catalogue.lengths[row]),
                emphasis=_named(names, None if emphasis is None else emphasis[row]),
            )
        )
    return schemas.Neighbourhood(
        user_id=user,
        emphasis=_named(names, _alpha(served, user)),
        neighbours=found,
        items=served.catalogue.cards(sorted(shared)),
    )


def _named(names: Sequence[str], values: np.ndarray | None) -> dict[str, float]:
    return {} if values is None else {name: float(v) for name, v in zip(names, values, strict=True)}


def _at(values: np.ndarray | None, place: int) -> float | None:
    return None if values is None else float(values[place])
