"""The server as an application: what stands around its routes, and what an error looks like."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from reelmix.errors import ReelmixError, RunError, StorageError, UnknownIdError
from reelmix.server import schemas
from reelmix.server.config import ServerConfig
from reelmix.server.guard import Guard
from reelmix.server.measures import Measures
from reelmix.server.routes import about, reads, writes
from reelmix.server.service import Service

logger = logging.getLogger("reelmix.server")

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/problem+json": {"schema": schemas.Problem.model_json_schema()}},
    }
    for status, text in (
        (401, "A token is needed."),
        (403, "The server was started without a token: nothing can be written."),
        (404, "There is no such user, item or run."),
        (413, "The question is too large."),
        (421, "The question is for another host."),
        (422, "The question cannot be answered as it is; the body says why."),
        (503, "The server is busy or not ready; ask again."),
    )
}


def make_app(service: Service, config: ServerConfig) -> Callable[..., Awaitable[None]]:
    """The server as an ASGI application.

    Args:
        service: what it answers from.
        config: the bounds of every request.
    """
    measures = Measures()

    @asynccontextmanager
    async def watching(_: FastAPI) -> AsyncGenerator[None]:
        # more threads than cores would only take turns, and the loop that refuses what is too much its turns
        to_thread.current_default_thread_limiter().total_tokens = config.threads
        task = asyncio.create_task(_watch(service, config.watch_seconds))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="reelmix",
        version=version("reelmix"),
        summary="Recommendations with reasons, by look, sound and words.",
        lifespan=watching,
        docs_url=None,  # its page would come from elsewhere
        redoc_url=None,
        responses=PROBLEMS,
    )
    _errors(app)
    about(app, service, measures)
    reads(app, service)
    writes(app, service)
    page = files("reelmix.server") / "page"
    if (index := Path(str(page))).joinpath("index.html").is_file():
        app.mount("/", StaticFiles(directory=index, html=True))
    return Guard(app, config, measures)


async def _watch(service: Service, seconds: float) -> None:
    """Reads the runs again when a folder, or what a link points to, is another."""
    one = CapacityLimiter(1)
    while True:
        await asyncio.sleep(seconds)
        if await to_thread.run_sync(lambda: service.stale, limiter=one):
            try:
                await to_thread.run_sync(service.reload, limiter=one)
                logger.info("another run is served")
            except ReelmixError as error:  # the old one is served on
                logger.warning("not reloaded: %s", error)


# Errors


def _errors(app: FastAPI) -> None:
    @app.exception_handler(ReelmixError)
    async def ours(_: Request, error: ReelmixError) -> Response:
        status = (
            404
            if isinstance(error, UnknownIdError)
            else 503
            if isinstance(error, StorageError | RunError)
            else 422
        )
        if status == 503:
            logger.error("%s", error)
            return problem(503, "What is kept cannot be read or written now; the server's log says why.")
        return problem(status, str(error), **vars(error))

    @app.exception_handler(RequestValidationError)
    async def misunderstood(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem(422, f"{place}: {first['msg']}", where=place, expected=first["msg"])

    @app.exception_handler(StarletteHTTPException)
    async def refused(_: Request, error: StarletteHTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def ours_to_mend(_: Request, error: Exception) -> Response:
        logger.exception("not answered", exc_info=error)
        return problem(500, "A fault of the server; its log says which.")


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **words: str) -> Response:
    """An answer that says what is wrong, for programs and people (RFC 9457)."""
    content = schemas.Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        **{key: value for key, value in words.items() if value},
    )
    return JSONResponse(
        content.model_dump(exclude_none=True),
        status,
        headers,
        media_type="application/problem+json",
    )
