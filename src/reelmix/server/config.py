"""How the server is run: where it listens, who may do what, and what bounds every request."""

from __future__ import annotations

import ipaddress
import os

from pydantic import Field

from reelmix.errors import ConfigError
from reelmix.settings import Settings

TOKEN_LENGTH = 16
"""Characters of a token, at least."""


class ServerConfig(Settings):
    """Settings of the server. The defaults suit one machine, where only its own programs may ask."""

    host: str = "127.0.0.1"
    """Address to listen on. For any other than this machine's own a token is required."""

    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    token: str | None = Field(None, min_length=TOKEN_LENGTH)
    """Bearer token. Without one nothing can be written, and nobody but this machine may read."""

    body_bytes: int = Field(10_000_000, ge=1)
    """Size of a question, at most."""

    concurrent: int = Field(32, ge=1)
    """Requests at a time; one more is answered 503 at once, instead of waiting."""

    threads: int = Field(default_factory=lambda: max(2, os.cpu_count() or 2), ge=1)
    """Requests that are worked out side by side, as many as there are cores; the others wait their turn."""

    seconds: float = Field(10.0, gt=0)
    """Time until a request is answered 503, if there is no answer yet."""

    watch_seconds: float = Field(2.0, gt=0)
    """Time between two looks at the run folder: a link that points elsewhere now is another model."""

    @property
    def local(self) -> bool:
        """Whether the address is this machine's own."""
        return is_loopback(self.host)

    def require_safe(self) -> None:
        """Refuses an address that others reach, without a token.

        Raises:
            ConfigError: there is none.
        """
        if not self.local and self.token is None:
            raise ConfigError(
                expected=f"a token, since others reach {self.host}",
                found="none",
                where="serve",
                fix="Set REELMIX_TOKEN to a secret of at least 16 characters, or listen on 127.0.0.1.",
            )


def is_loopback(name: str) -> bool:
    """Whether a host is this machine, by a name or address that nobody else can give it."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
