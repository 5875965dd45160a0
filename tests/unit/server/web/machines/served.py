"""A node with its web application, asked without a socket, and those who ask it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
from fastapi import FastAPI
from tests.unit.server.node.federation import Federation

from steelyard.attest.http_signatures import HttpRequest, sign_request
from steelyard.attest.keys import PrivateKey
from steelyard.disclosure.case import Draft, sign_event
from steelyard.disclosure.delivery.parcel import Parcel, encrypt_parcel, sign_parcel
from steelyard.kernel.canonical import JsonValue
from steelyard.server.node import Node, saying
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.web.app import make_app
from steelyard.server.web.settings import Quotas, Settings

AUTHORITY = "node.example"
ROLES = {"host": "coordinator", "lab": "developer", "other": "observer"}


class Served:
    """The node `host`, which orders a case that `lab` is in and `other` is not."""

    def __init__(
        self, folder: Path, quotas: Quotas | None = None, urls: Mapping[str, str] | None = None
    ) -> None:
        self.federation = Federation(folder, {})
        for name, role in ROLES.items():
            self.federation.add(name, (role,), (urls or {}).get(name, ""))
        self.federation.introduce()
        self.public = folder / "public"
        settings = Settings(
            folder / "host",
            url=f"https://{AUTHORITY}",
            public=str(self.public),
            quotas=quotas or Quotas(),
        )
        self.app: FastAPI = make_app(self.host, settings)
        self.case = self.open_case()
        # A server refuses what was signed before it began.
        self.federation.clock.forward(seconds=10)

    @property
    def host(self) -> Node:
        return self.federation["host"]

    def open_case(self) -> str:
        opening = Opening("A flaw", "What was found.", ("coordinator",))
        case = self.host.run(lambda c: saying.open_case(self.host, c, opening)).case
        invited = Invitation(self.federation.id("lab"), ("developer",))
        self.host.run(lambda c: saying.invite(self.host, c, case, invited))
        return case

    def event(self, author: str = "lab", kind: str = "target", **body: JsonValue) -> bytes:
        """The next event of an author, as the host's chain stands."""
        node = self.federation[author]
        chain = self.host.chains.held(self.case)
        assert chain is not None
        member = chain.view.members.get(node.organization)
        sequence, previous = (member.sequence, member.previous) if member else (0, "0" * 64)
        if kind == "target":
            handle = f"model-{sequence}"
            body = {"handle": handle, "commitment": None, "version": "1", "guardrail": "", **body}
        draft = Draft(
            self.case,
            node.organization,
            sequence + 1,
            previous,
            chain.size,
            chain.head,
            self.federation.clock.at,
            kind,
            body,
        )
        return sign_event(draft, node.identity.key)

    def parcel(self, sender: str = "lab", kind: str = "fetch", **body: JsonValue) -> bytes:
        """A parcel for the host."""
        node = self.federation[sender]
        parcel = Parcel(
            node.organization,
            self.host.organization,
            kind,
            self.case,
            body or {"size": 0},
            self.federation.clock.at,
        )
        signed = sign_parcel(parcel, node.identity.key)
        return encrypt_parcel(signed, self.host.identity.card.recipient)

    def signature(
        self,
        method: str,
        address: str,
        key: PrivateKey,
        body: bytes = b"",
        *,
        ahead_s: int = 0,
        authority: str = AUTHORITY,
    ) -> dict[str, str]:
        path, _, query = address.partition("?")
        request = HttpRequest(method, authority, path, query, body)
        created = int(self.federation.clock.at.timestamp()) + ahead_s
        return sign_request(request, key, created=created, nonce=os.urandom(16))

    def ask(
        self,
        method: str,
        address: str,
        body: bytes | AsyncIterator[bytes] = b"",
        *,
        headers: dict[str, str] | None = None,
        by: str = "",
    ) -> httpx.Response:
        """Send a request, signed by a node where one is named."""
        given = dict(headers or {})
        if by:
            assert isinstance(body, bytes)
            given |= self.signature(method, address, self.federation[by].identity.key, body)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 40000))
            base = f"https://{AUTHORITY}"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, address, content=body, headers=given)

        return asyncio.run(send())

    def size(self) -> int:
        chain = self.host.chains.held(self.case)
        assert chain is not None
        return chain.size

    def close(self) -> None:
        self.federation.close()


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and detail of a refusal, which is a problem document."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code
    return response.status_code, document["detail"]
