"""A real server on loopback that answers as badly as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listening:
    """Where it listens, and what it was asked."""

    answer: Answer
    port: int = 0
    asked: list[bytes] = field(default_factory=list[bytes])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: Answer) -> AsyncGenerator[Listening]:
    """A server for as long as the context lasts."""
    made = Listening(answer)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def plain(status: str, *fields: str, body: bytes = b"") -> Answer:
    """One whole answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = "".join(f"{field}\r\n" for field in (*fields, f"Content-Length: {len(body)}"))
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)
        await writer.drain()

    return answer


async def head_of_an_answer(writer: asyncio.StreamWriter) -> None:
    """The beginning of an answer whose end is not told."""
    writer.write(b"HTTP/1.1 500 Busy\r\n\r\n.")
    await writer.drain()


def endless(part: bytes) -> Answer:
    """An answer that never ends."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await head_of_an_answer(writer)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return answer
