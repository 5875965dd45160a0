"""Connections before they carry a request: how many there are, and how soon a request is there.

Decides who is let in and who is cut off for sending its header too slowly, or too much of it;
bodies are for `guard`. Wraps whichever protocol of uvicorn is at hand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

HEADER_LIMIT_BYTES: Final = 32 * 1024
HEADER_S: Final = 10.0


@dataclass(slots=True)
class Doors:
    """Counts connections.

    Args:
        most: Open at once.
        most_per_address: The same from one address; 0 where a proxy stands before, from whose
            address everybody comes.
    """

    most: int
    most_per_address: int
    _open: Counter[str] = field(default_factory=Counter[str])

    def enter(self, address: str) -> bool:
        """Count a connection, if there is room for it."""
        per_address = self.most_per_address or self.most
        if self._open.total() >= self.most or self._open[address] >= per_address:
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Give a place back."""
        self._open[address] -= 1
        if self._open[address] <= 0:
            del self._open[address]


class _Bounded(asyncio.Protocol):
    """One connection; mixed into a protocol of uvicorn, whose attributes it reads."""

    doors: ClassVar[Doors]
    header_s: ClassVar[float]
    cycle: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or close it."""
        address = str((transport.get_extra_info("peername") or ("",))[0])
        super().connection_made(transport)
        if not self.doors.enter(address):
            self.transport.abort()
            return
        self._address = address
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Read what came, as long as it makes a request in time."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_waiting()
            return
        self._header_bytes += len(data)
        if self._header_bytes > HEADER_LIMIT_BYTES:
            self.transport.abort()
        elif self._timer is None:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place back."""
        self._end_waiting()
        if self._address is not None:
            self.doors.leave(self._address)
            self._address = None
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._timer = self.loop.call_later(self.header_s, self.transport.abort)

    def _end_waiting(self) -> None:
        self._header_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol(doors: Doors, *, header_s: float = HEADER_S) -> type[asyncio.Protocol]:
    """A protocol for uvicorn that keeps these limits."""
    limits = {"doors": doors, "header_s": header_s}
    return type("Bounded", (_Bounded, _protocol_at_hand()), limits)


def _protocol_at_hand() -> type[asyncio.Protocol]:
    """The fast protocol of uvicorn where its parser is installed, else the plain one."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415

        return H11Protocol
    return HttpToolsProtocol
