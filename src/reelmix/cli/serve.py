"""``reelmix serve``: the HTTP API and the explorer, from a run folder alone."""

from __future__ import annotations

import os
import socket
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from reelmix.cli.terminal import count, say, warn
from reelmix.errors import ConfigError, RunError
from reelmix.extras import optional
from reelmix.server.config import TOKEN_LENGTH, ServerConfig
from reelmix.server.service import Service
from reelmix.server.store import IN_MEMORY, Store

TOKEN = "REELMIX_TOKEN"


def command(
    run: Annotated[Path, typer.Argument(help="Run folder, or a link to one.", show_default=False)],
    beside: Annotated[
        Path | None, typer.Option(help="Another run, to be shown beside it.", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    media: Annotated[
        Path | None,
        typer.Option(help="Folder of the items' files, which `media` names.", show_default=False),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            help="Database that keeps what is added: sqlite:///added.sqlite, or a URL of PostgreSQL. By "
            "default it is kept until the server ends."
        ),
    ] = IN_MEMORY,
    index_from: Annotated[
        int,
        typer.Option(
            min=0,
            help="Items from which on lists come from an approximate index, which finds 96 % of the best "
            "ten; 0 never builds one.",
        ),
    ] = 200_000,
    concurrent: Annotated[
        int, typer.Option(min=1, help="Requests at a time; one more is answered 503 at once.")
    ] = 32,
    seconds: Annotated[float, typer.Option(help="Time until a request is answered 503.")] = 10.0,
    show: Annotated[bool, typer.Option("--open", help="Open the explorer in a browser.")] = False,
) -> None:
    """Answer over HTTP, and show the explorer, from a run folder alone: no data, no torch.

    The explorer is at `/`, what can be asked at `/openapi.json`. Only this machine can ask, and nothing can
    be written, unless `REELMIX_TOKEN` holds a secret of at least 16 characters: then whoever sends it as a
    bearer token can. Point a link at another run, or post to `/v1/reload`, and that is served from the next
    request on.
    """
    optional("fastapi", "serve")
    uvicorn: Any = optional("uvicorn", "serve")
    from reelmix.server.app import make_app

    given = {"host": host, "port": port, "token": _token()}
    config = ServerConfig.read({**given, "concurrent": concurrent, "seconds": seconds}, where="serve")
    config.require_safe()
    folders = {"main": run} | ({"beside": beside} if beside else {})
    secret = None if config.local else config.token
    service = Service(folders, Store(store), media, index_from or None, secret)
    listening = _listen(config)
    one = service[None]
    say(
        f"{one.run.manifest['model']} from {run}: {count(len(one.run.users), 'user')}, "
        f"{count(len(one.run.items), 'item')}"
    )
    if service.left_out:
        warn(f"{count(service.left_out, 'addition')} of the store do not fit this run, and are left out.")
    index = one.recommender.index
    if index is not None:
        say(f"approximate index: finds {index.found:.1%} of the best ten")
    if one.run.map is None:
        warn("this run has no map; reelmix train draws one.")
    if config.token is None:
        warn(f"nothing can be written: {TOKEN} is not set.")
    address = f"http://{_name(config)}:{listening.getsockname()[1]}"
    say(f"explorer and API: {address}  (Ctrl-C ends it)")
    if show:
        webbrowser.open(address)
    # requests are worked out side by side: within one, threads would only be waited for
    optional("threadpoolctl", "serve").threadpool_limits(1)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service, config),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
    )
    try:
        server.run(sockets=[listening])
    finally:
        service.close()
        listening.close()


def _token() -> str | None:
    token = os.environ.get(TOKEN) or None
    if token is not None and len(token) < TOKEN_LENGTH:
        raise ConfigError(
            expected=f"a secret of at least {TOKEN_LENGTH} characters",
            found=str(len(token)),  # and not the secret
            where=TOKEN,
            fix="Make one, such as by: openssl rand -hex 24",
        )
    return token


def _name(config: ServerConfig) -> str:
    return f"[{config.host}]" if ":" in config.host else config.host


def _listen(config: ServerConfig) -> socket.socket:
    """A socket that listens, or the reason why not, before anything else is said."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # named TCP: without the name asyncio leaves its delay on, and answers wait 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen(128)  # whoever asks from now on is answered, if a moment later
    except socket.gaierror:
        listening.close()
        raise ConfigError(
            expected="an address of this machine",
            found=repr(config.host),
            where="--host",
            fix="Such as 127.0.0.1, or 0.0.0.0 for all of them.",
        ) from None
    except OSError as error:
        listening.close()
        raise RunError(
            expected="a free port",
            found=(error.strerror or str(error)).lower(),
            where=f"{config.host}:{config.port}",
            fix="Give another --port; 0 takes any that is free.",
        ) from None
    listening.set_inheritable(True)
    return listening
