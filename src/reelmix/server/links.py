"""Addresses of items' files, which an element of a page can follow: it sends no token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from reelmix.data.vocabulary import UserOrItemId


@dataclass(frozen=True)
class Links:
    """Addresses that hold a key of their own where the server wants a token: for one item, from the token.

    Whoever was told such an address has the file, and nothing else, until the token is another.

    Attributes:
        token: None where whoever asks may read.
    """

    token: str | None = None

    def to(self, item: UserOrItemId) -> str:
        """Where the file of an item is."""
        query = {"item_id": str(item)} | ({} if self.token is None else {"key": self._key(str(item))})
        return f"/media?{urlencode(query)}"

    def opens(self, query: bytes) -> bool:
        """Whether a question holds the key of the item that it asks for."""
        given = parse_qs(query.decode("latin-1"))
        items, keys = given.get("item_id", []), given.get("key", [])
        if self.token is None or len(items) != 1 or len(keys) != 1:
            return False
        return hmac.compare_digest(keys[0].encode(), self._key(items[0]).encode())

    def _key(self, item: str) -> str:
        assert self.token is not None
        return hmac.new(self.token.encode(), f"media {item}".encode(), "sha256").hexdigest()
