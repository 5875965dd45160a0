"""Running a node: one process, one worker, until it is told to stop.

Decides how the server speaks TLS and how it ends: no new connection, what was begun is answered,
then what was submitted is on disk. What was acknowledged is there in any case.
"""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from steelyard.kernel.errors import ConfigurationError, UsageError
from steelyard.server.web.app import make_app
from steelyard.server.web.connections import HEADER_LIMIT_BYTES, Doors, protocol
from steelyard.server.web.guard import ACCESS, FAILURES
from steelyard.server.web.pauses import short_pauses

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from steelyard.server.node import Node
    from steelyard.server.web.settings import Settings

_GRACE_S: Final = 20
_KEEP_ALIVE_S: Final = 30
_LOG_FORMAT: Final = "%(asctime)s %(name)s %(message)s"


def serve(node: Node, settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Serve a node until SIGTERM or SIGINT.

    Args:
        node: Closed by whoever opened it.
        settings: Checked.
        on_ready: Called with the port once requests are taken.

    Raises:
        UsageError: the address is taken, or none of this machine.
        ConfigurationError: no usable certificate.
    """
    set_up_logs(access=settings.access_log)
    listening = _listening(settings)
    try:
        bound = replace(settings, port=listening.getsockname()[1])
        server = _Server(config(node, bound), on_ready)
    except BaseException:
        listening.close()
        raise
    # The server raises the signal again when it has stopped; here it has done its work by then.
    before = {sig: signal.signal(sig, _stopped) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        with short_pauses():
            server.run(sockets=[listening])
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
        listening.close()


def config(node: Node, settings: Settings) -> uvicorn.Config:
    """How uvicorn runs a node."""
    quotas = settings.quotas
    per_address = 0 if settings.behind_proxy else quotas.connections_per_address
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "http": protocol(Doors(quotas.connections, per_address)),
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _GRACE_S,
        "h11_max_incomplete_event_size": HEADER_LIMIT_BYTES,
    }
    if settings.tls_certificate:
        context = _tls(settings)

        def chosen(*_: object) -> ssl.SSLContext:
            return context

        options["ssl_context_factory"] = chosen
    return uvicorn.Config(make_app(node, settings), **options)


def set_up_logs(*, access: bool) -> None:
    """Failures go to stderr, and, where asked for, a line for each request."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    for logger, level in (
        (ACCESS, logging.INFO if access else logging.WARNING),
        (FAILURES, logging.INFO),
        (logging.getLogger("uvicorn"), logging.ERROR),
    ):
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)


class _Server(uvicorn.Server):
    def __init__(self, chosen: uvicorn.Config, on_ready: Callable[[int], None]) -> None:
        super().__init__(chosen)
        self._on_ready = on_ready

    async def startup(self, sockets: Any = None) -> None:  # noqa: ANN401 - uvicorn's
        """Say where it listens, once it does."""
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio does not switch Nagle's algorithm off, which costs 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "no name of a host"
        where = f"{settings.host[:80]}:{settings.port}"
        hint = "choose another --host or --port"
        listening.close()
        raise UsageError(f"cannot listen: {detail}", where=where, hint=hint) from error
    return listening


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except OSError as error:
        message = f"cannot use for TLS: {error.strerror or error}"
        raise ConfigurationError(message, where=settings.tls_certificate) from error
    return context


def _stopped(_sig: int, _frame: FrameType | None) -> None:
    """The server has stopped by the time that it raises its signal again."""
