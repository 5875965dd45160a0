"""Requests that an organization signed: by whose key, fresh, and for this node.

Decides whether the signature is of a key of an organization whose card is here
(spec/disclosure-node.md, section Signatures). The parcel inside says who sent it; this keeps
strangers from having anything read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from steelyard.attest.http_signatures import (
    HttpRequest,
    ReplayGuard,
    normal_authority,
    verify_head,
    verify_request,
)
from steelyard.kernel.errors import BrokenSeal
from steelyard.server.storage import organizations as cards
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """

    key_id: str
    organizations: frozenset[str]


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
    _sequences: tuple[tuple[str, int], ...] = ()
    _owners: dict[str, set[str]] = field(default_factory=dict[str, "set[str]"])
    _cards: tuple[cards.Known, ...] = ()

    def require_known(self, scope: Scope) -> None:
        """Refuse what no known key has signed, before its body is read.

        Raises:
            HTTPException: 401, or 421 where the request is for another node.
        """
        fields = self._fields(scope)
        self._require_own(fields)
        try:
            verify_head(self._request(scope, b""), fields, self._keys())
        except BrokenSeal as error:
            raise _unsigned() from error

    def verify(self, scope: Scope, body: bytes) -> Caller:
        """Who signed a request.

        Raises:
            HTTPException: 401, or 421 where the request is for another node.
            Expired: signed too long ago, or before this node remembers; to be signed anew.
        """
        fields = self._fields(scope)
        self._require_own(fields)
        keys = self._keys()
        try:
            signed = verify_request(self._request(scope, body), fields, keys)
            self.guard.accept(signed, self.node.now().timestamp())
        except BrokenSeal as error:
            raise _unsigned() from error
        return Caller(signed.key_id, frozenset(self._owners[signed.key_id]))

    def _request(self, scope: Scope, body: bytes) -> HttpRequest:
        parts = urlsplit(self.base)
        return HttpRequest(
            scope["method"],
            normal_authority(parts.netloc, parts.scheme),
            parts.path + scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            body,
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

    def _keys(self) -> dict[str, PublicKey]:
        """Keys that speak for known organizations now, read anew when a card has changed."""
        with self.node.database.reading() as connection:
            sequences = cards.sequences(connection)
            if sequences != self._sequences:
                self._cards = cards.all_known(connection)
                self._sequences = sequences
        keys: dict[str, PublicKey] = {}
        owners: dict[str, set[str]] = {}
        for known in self._cards:
            for name, key in known.card.keys_at(self.node.now()).items():
                keys[name] = key
                owners.setdefault(name, set()).add(known.card.organization)
        self._owners = owners
        return keys


def _unsigned() -> Exception:
    return refusal(HTTPStatus.UNAUTHORIZED, _UNKNOWN, _CHALLENGE)
