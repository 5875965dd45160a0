"""One parcel over the wire: a signed HTTP request to an address that was checked.

Decides the request (RFC 9421, spec/disclosure-node.md, section 2), how much of an answer is
read and for how long, and by which name of the outbox's policy its end is called.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx

from steelyard.attest.http_signatures import NONCE_BYTES, HttpRequest, sign_request
from steelyard.server.node.addresses import AddressDenied, NameUnknown, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.server.node.node import Node

_WORDS: Final = 300
_ANSWER_LIMIT_BYTES: Final = 16 * 1024
_WHOLE_S: Final = 60.0


def bounded() -> asyncio.Timeout:
    """The time that one request and its answer may take, also where it comes in drops."""
    return asyncio.timeout(_WHOLE_S)


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended.

    Attributes:
        result: HTTP status, or the name of a failure in the policy of the outbox.
        words: What went wrong; empty for a success.
    """

    result: str
    words: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """Requests in the name of a node.

    Attributes:
        allow_private: Whether loopback, private networks and plain http are allowed.
        bounded: Begins the time that a request and what is read of its answer may take.
    """

    client: httpx.AsyncClient
    node: Node
    allow_private: bool
    bounded: Callable[[], asyncio.Timeout] = bounded

    async def post(self, endpoint: str, path: str, data: bytes) -> Reply:
        """Send bytes to a node; never raises for what the network or the other side does."""
        try:
            async with self.bounded():
                return await self._ask(await self._request(endpoint, path, data))
        except NameUnknown as error:
            return Reply("name-unknown", str(error))
        except AddressDenied as error:
            return Reply("address-denied", str(error))
        except TimeoutError:
            return Reply("timed-out", "no whole answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Reply(_failure(error), f"{type(error).__name__} {error}"[:_WORDS])

    async def _ask(self, request: httpx.Request) -> Reply:
        """Send a request; of what is answered, the beginning is read, as it came."""
        response = await self.client.send(request, stream=True)
        try:
            data = b""
            async for part in response.aiter_raw():
                data += part
                if len(data) > _ANSWER_LIMIT_BYTES:
                    break
        finally:
            await response.aclose()
        status = str(response.status_code)
        said = data.decode("utf-8", "replace")[:_WORDS]
        words = "" if response.is_success else f"{status} {said}"
        return Reply(status, words, response.headers.get("retry-after", ""))

    async def _request(self, endpoint: str, path: str, data: bytes) -> httpx.Request:
        parts = urlsplit(endpoint)
        whole = f"{parts.path.rstrip('/')}{path}"
        url = f"{parts.scheme}://{parts.netloc}{whole}"
        target = await resolve(url, allow_private=self.allow_private)
        return self.client.build_request(
            "POST",
            target.url,
            content=data,
            headers=self._headers(target.host, whole, data),
            extensions=target.extensions,
        )

    def _headers(self, authority: str, path: str, data: bytes) -> Mapping[str, str]:
        request = HttpRequest("POST", authority, path, body=data)
        created = int(self.node.now().timestamp())
        nonce = secrets.token_bytes(NONCE_BYTES)
        signed = sign_request(request, self.node.identity.key, created=created, nonce=nonce)
        plain = {"Accept-Encoding": "identity", "Content-Type": "application/octet-stream"}
        return {"Host": authority, **plain, **signed}


def _failure(error: Exception) -> str:
    """The name of a failed request in the policy of the outbox."""
    if isinstance(error, httpx.TimeoutException):
        return "timed-out"
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLError):
            return "certificate"
        reason = reason.__cause__ or reason.__context__
    cut = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return "cut-off" if cut else "unreachable"
