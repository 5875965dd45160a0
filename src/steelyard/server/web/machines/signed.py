"""Requests that an organization signed: by whose key, fresh, and for this node.

Decides whether the signature is of a key of an organization whose card is here
(spec/disclosure-node.md, section Signatures), and who is more than a stranger. The parcel inside
says who sent it; this keeps strangers from having much read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from steelyard.attest.http_signatures import (
    HttpRequest,
    ReplayGuard,
    content_digest,
    normal_authority,
    verify_head,
)
from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel.errors import BrokenSeal, CannotVerify
from steelyard.server.storage import followers
from steelyard.server.storage import organizations as cards
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection
    from starlette.types import Scope

    from steelyard.attest import PublicKey
    from steelyard.server.node import Node

_FIELDS: Final = ("host", "signature", "signature-input", "content-digest")
_CHALLENGE: Final[Mapping[str, str]] = {"www-authenticate": "Signature"}
_UNKNOWN: Final = "not signed by an organization whose card is here, over this very request"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request.

    Attributes:
        organizations: Whose card names the key; more than one where a card names another's.
        is_trusted: Whether a person here has compared the fingerprint of one of them.
        digest: What the signature says of the body, as its header field does.
    """

    key_id: str
    organizations: frozenset[str]
    is_trusted: bool
    digest: str

    def require_body(self, body: bytes) -> None:
        """Refuse another body than was signed.

        Raises:
            HTTPException: 401.
        """
        if content_digest(body) != self.digest:
            raise _unsigned()


@dataclass(slots=True)
class Signatures:
    """Verifies requests.

    Args:
        node: Knows the cards.
        base: Under which others reach the node; what they sign names it.
        guard: Remembers requests.
    """

    node: Node
    base: str
    guard: ReplayGuard
    _sequences: tuple[tuple[str, int, bool], ...] = ()
    _cards: tuple[cards.Known, ...] = ()
    _once: threading.Lock = field(default_factory=threading.Lock)

    def verify_head(self, scope: Scope) -> Caller:
        """Who signed a request that did not come before, told before its body is read.

        Raises:
            HTTPException: 401, or 421 where the request is for another node.
            Expired: signed too long ago, or before this node remembers; to be signed anew.
        """
        fields = self._fields(scope)
        self._require_own(fields)
        owners = self._owners()
        keys = {name: key for name, (key, _) in owners.items()}
        try:
            signed = verify_head(self._request(scope), fields, keys)
            # Requests are verified in several threads, and one of two alike is refused.
            with self._once:
                self.guard.accept(signed, self.node.now().timestamp())
        except BrokenSeal as error:
            raise _unsigned() from error
        _, known = owners[signed.key_id]
        return Caller(
            signed.key_id,
            frozenset(item.card.organization for item in known),
            any(item.trusted for item in known),
            fields["content-digest"],
        )

    def verify(self, scope: Scope, body: bytes) -> Caller:
        """Who signed a request, its body included.

        Raises:
            HTTPException, Expired: as `verify_head`; 401 also for another body.
        """
        caller = self.verify_head(scope)
        caller.require_body(body)
        return caller

    def is_familiar(self, caller: Caller) -> bool:
        """Whether somebody here let a caller in: it is trusted, or in a case that this node orders.

        A stranger can open a case, and have this node made its host; that is no introduction. So
        the case is one that this organization or a trusted one has opened.
        """
        if caller.is_trusted:
            return True
        with self.node.database.reading() as connection:
            opened = followers.openings(connection, caller.organizations)
            return any(_is_of_trusted(connection, event) for event in opened)

    def _request(self, scope: Scope) -> HttpRequest:
        parts = urlsplit(self.base)
        return HttpRequest(
            scope["method"],
            normal_authority(parts.netloc, parts.scheme),
            parts.path + scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
        )

    def _require_own(self, fields: Mapping[str, str]) -> None:
        parts = urlsplit(self.base)
        own = normal_authority(parts.netloc, parts.scheme)
        if normal_authority(fields.get("host", ""), parts.scheme) != own:
            raise refusal(HTTPStatus.MISDIRECTED_REQUEST, "this node has another address")

    def _fields(self, scope: Scope) -> dict[str, str]:
        """The header fields that are signed or sign, each once."""
        found: dict[str, str] = {}
        for raw, value in scope["headers"]:
            name = raw.decode("latin-1")
            if name not in _FIELDS:
                continue
            if name in found:
                raise refusal(HTTPStatus.BAD_REQUEST, f"the field {name} is there twice")
            found[name] = value.decode("latin-1")
        return found

    def _owners(self) -> dict[str, tuple[PublicKey, list[cards.Known]]]:
        """Keys that speak for known organizations now, read anew when a card has changed."""
        with self.node.database.reading() as connection:
            sequences = cards.sequences(connection)
            if sequences != self._sequences:
                self._cards = cards.all_known(connection)
                self._sequences = sequences
        found: dict[str, tuple[PublicKey, list[cards.Known]]] = {}
        for known in self._cards:
            for name, key in known.card.keys_at(self.node.now()).items():
                found.setdefault(name, (key, []))[1].append(known)
        return found


def _is_of_trusted(connection: Connection, event: bytes) -> bool:
    """Whether a stored event is of an author that is trusted."""
    try:
        known = cards.find(connection, claimed_event(event).author)
    except CannotVerify:
        return False  # its row was changed, which keeps nobody from the other cases
    return known is not None and known.trusted


def _unsigned() -> Exception:
    return refusal(HTTPStatus.UNAUTHORIZED, _UNKNOWN, _CHALLENGE)
