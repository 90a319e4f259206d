"""What stands before every request: who may ask, how much, how many at a time and for how long."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException

from reelmix.server.config import ServerConfig, is_loopback
from reelmix.server.links import Links
from reelmix.server.measures import Measures

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/health", "/ready")
"""What anybody may ask, token or not."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'self'; img-src 'self' data:; media-src 'self'; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'",
}


class Guard:
    """Refuses what is not allowed, too large or too much, before anything is worked out.

    A request that would be one too many at a time is answered 503 at once. One that takes too long is
    answered 503 as well; what it began is worked out to its end, and counts as running until then.

    Args:
        app: what answers.
        config: the bounds.
        measures: counts.
    """

    def __init__(self, app: App, config: ServerConfig, measures: Measures) -> None:
        self.app, self.config, self.measures = app, config, measures
        self.running = 0
        self._local, self._busy = config.local, measures.rejected.labels("busy")
        self._links = Links(config.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application around another."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await _problem(send, *refused)
            return
        if scope["path"] in OPEN:  # a server that is busy is healthy
            await self.app(scope, receive, _with_headers(send))
            return
        if self.running >= self.config.concurrent:
            self._busy.inc()
            await send(BUSY_START)
            await send(BUSY_BODY)
            return
        await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, late, started = False, False, time.perf_counter()

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if late:
                return
            if message["type"] == "http.response.start":
                begun = True
                self._timed(scope, message["status"], started)
            await _with_headers(send)(message)

        self.running += 1
        task = asyncio.ensure_future(self.app(scope, self._limited(receive), noted))
        task.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait({task}, timeout=self.config.seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done and not begun:
            late = True
            self.measures.rejected.labels("slow").inc()
            self._timed(scope, 503, started)
            await _problem(send, 503, "The answer took too long.", {"retry-after": "1"})
            return
        await task

    def _timed(self, scope: Scope, status: int, started: float) -> None:
        route = getattr(scope.get("route"), "path", "page")
        seconds = time.perf_counter() - started
        self.measures.seconds.labels(route, scope["method"], str(status)).observe(seconds)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self.running -= 1
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is warned of it later

    def _limited(self, receive: Receive) -> Receive:
        size = 0

        async def limited() -> MutableMapping[str, Any]:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.config.body_bytes:
                raise HTTPException(*self._too_large())
            return message

        return limited

    def _refused(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.config.body_bytes:
            return self._too_large()
        if self._local and not _names_this_machine(headers.get(b"host", b"").decode("latin-1")):
            # a page from elsewhere whose name was made to point here
            return 421, "This server answers to localhost alone.", {}
        return self._unauthorised(scope, headers.get(b"authorization", b""))

    def _too_large(self) -> tuple[int, str, dict[str, str]]:
        self.measures.rejected.labels("large").inc()
        return 413, f"A question may have {self.config.body_bytes:,} bytes at most.", {"connection": "close"}

    def _unauthorised(self, scope: Scope, given: bytes) -> tuple[int, str, dict[str, str]] | None:
        writes = scope["method"] not in ("GET", "HEAD", "OPTIONS") and scope["path"] in WRITES
        page = not scope["path"].startswith(("/v1/", "/media", "/metrics", "/openapi.json"))
        if (self._local and not writes) or scope["path"] in OPEN or (page and not writes):
            return None
        if scope["path"] == "/media" and self._links.opens(scope.get("query_string", b"")):
            return None
        if self.config.token is None:
            self.measures.rejected.labels("unauthorised").inc()
            return 403, "Nothing can be written: the server was started without REELMIX_TOKEN.", {}
        kind, _, token = given.partition(b" ")
        if kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self.config.token.encode()):
            return None
        self.measures.rejected.labels("unauthorised").inc()
        return 401, "A bearer token is needed.", {"www-authenticate": "Bearer"}


WRITES = ("/v1/items", "/v1/interactions", "/v1/reload")
"""What changes something when it is posted to."""


def _names_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return not name or is_loopback(name)


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *ENCODED]}
        await send(message)

    return sending


async def _problem(send: Send, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
    for message in _messages(status, detail, headers or {}):
        await send(message)


def _messages(status: int, detail: str, headers: dict[str, str]) -> tuple[MutableMapping[str, Any], ...]:
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = json.dumps(content).encode()
    fields = {
        "content-type": "application/problem+json",
        "content-length": str(len(body)),
        **headers,
    }
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    start = {"type": "http.response.start", "status": status, "headers": [*encoded, *ENCODED]}
    return start, {"type": "http.response.body", "body": body}


ENCODED = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())

BUSY_START, BUSY_BODY = _messages(
    503, "The server is busy: too many requests at a time.", {"retry-after": "1"}
)  # made once: it is sent when there is no time
