"""What can be evaluated: anything that scores every item for a block of users."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from reelmix.errors import DataError


@runtime_checkable
class Scorer(Protocol):
    """Scores all items for some users; higher is better, and only the order within a user matters.

    A model with user and item vectors is a ``VectorScorer``; one without them (popularity, an item-item
    matrix) writes these three members itself.
    """

    @property
    def n_users(self) -> int:
        """Number of users."""
        ...

    @property
    def n_items(self) -> int:
        """Number of items."""
        ...

    def score(self, users: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block item"]:
        """The scores of all items for these user rows.

        Args:
            users: user rows.

        Returns:
            float32 or float64, without NaN; -inf marks an item that must never be recommended. The array is
            only read, so it may be a view of the scorer's own data.
        """
        ...


class VectorScorer:
    """Scores by the dot product of a user's and an item's vector (eq. 9 of the DualGNN paper), in float32.

    The last bits of a product depend on the processor's matrix kernel and on the shape of the block, so items
    with equal vectors may score a rounding apart.

    Args:
        user_vectors: one row a user, finite; converted to float32.
        item_vectors: one row an item, finite; converted to float32.

    Raises:
        DataError: the vectors differ in length, or hold NaN or an infinity (after conversion to float32).
    """

    user_vectors: Float32[np.ndarray, "user embedding"]
    item_vectors: Float32[np.ndarray, "item embedding"]

    def __init__(
        self, user_vectors: Float[np.ndarray, "user _"], item_vectors: Float[np.ndarray, "item _"]
    ) -> None:
        if user_vectors.shape[1] != item_vectors.shape[1]:
            raise DataError(
                expected=f"item vectors of the users' length {user_vectors.shape[1]}",
                found=f"length {item_vectors.shape[1]}",
                where="item_vectors",
                fix="Take both from the same model.",
            )
        self.user_vectors = _finite_float32(user_vectors, "user_vectors")
        self.item_vectors = _finite_float32(item_vectors, "item_vectors")

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_vectors)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_vectors)

    def score(self, users: Int[np.ndarray, " block"]) -> Float32[np.ndarray, "block item"]:
        """The dot products of these users' vectors with all items' vectors.

        Args:
            users: user rows.

        Returns:
            A new array.
        """
        return self.user_vectors[users] @ self.item_vectors.T


def _finite_float32(
    vectors: Float[np.ndarray, "row embedding"], where: str
) -> Float32[np.ndarray, "row embedding"]:
    """The vectors in float32 and in row order; refuses what is not finite."""
    with np.errstate(over="ignore"):  # a number that float32 cannot hold becomes inf and is refused below
        converted = np.ascontiguousarray(vectors, np.float32)
    finite = np.isfinite(converted).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        bad = converted[row][~np.isfinite(converted[row])][0]
        raise DataError(
            expected="finite float32 numbers",
            found=str(bad),
            where=f"{where}, row {row}",
            fix="Look at the training loss: training may have diverged.",
        )
    return converted
