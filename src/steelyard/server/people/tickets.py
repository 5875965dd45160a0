"""Signing in with a key: a ticket that says for which node, when, and in answer to what.

Decides the form of a ticket and for how long it is good. It names the address of the node, so
that a page elsewhere gains nothing by asking for one of its own; that it is used once is for
whoever takes it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.attest import PublicKey
from steelyard.disclosure.case import shapes
from steelyard.kernel import canonical_json, exact_instant, format_instant, parse_json_object
from steelyard.kernel.errors import BrokenSeal, Expired, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from steelyard.attest import PrivateKey
    from steelyard.kernel import JsonObject

GOOD_FOR: Final = timedelta(minutes=5)
LIMIT: Final = 2000
SIGN_IN_LINK: Final = "sign-in"
"""Kind of a link that signs an account in; made by who runs the node."""
_DOMAIN: Final = b"steelyard/sign-in/1\0"
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_FIELDS: Final[Mapping[str, shapes.Check]] = {
    "node": shapes.text(300),
    "key": shapes.pattern(r"[0-9a-f]{64}"),
    "nonce": shapes.pattern(r"[0-9a-f]{64}"),
    "made": shapes.instant,
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is signed.

    Attributes:
        node: Address of the node, without a slash at its end.
        key: Raw public key, in hex.
        nonce: The node's challenge, or one of the signer's own.
    """

    node: str
    key: str
    nonce: str
    made: datetime

    @property
    def public_key(self) -> PublicKey:
        """The key that signed it."""
        return PublicKey(bytes.fromhex(self.key))


def sign_ticket(key: PrivateKey, node: str, nonce: str, at: datetime) -> str:
    """A ticket as one word, for an address or to be pasted."""
    body: JsonObject = {
        "node": node.rstrip("/"),
        "key": key.public_key.raw.hex(),
        "nonce": nonce,
        "made": format_instant(at),
    }
    payload = canonical_json(body)
    return f"{_encoded(payload)}.{_encoded(key.sign(_DOMAIN + payload))}"


def open_ticket(text: str, node: str, at: datetime) -> Ticket:
    """A ticket, once its own key has signed it for this node, just now.

    Raises:
        MalformedEvidence: no ticket.
        BrokenSeal: another signature, or for another node.
        Expired: made more than five minutes from now.
    """
    word = text.strip()
    if len(word) > LIMIT or not _FORM.fullmatch(word):
        raise MalformedEvidence("this is no ticket", hint="paste the whole line")
    payload, signature = (_decoded(part) for part in word.split("."))
    content = parse_json_object(payload, where="ticket")
    shapes.require_fields(content, _FIELDS, "ticket")
    ticket = Ticket(
        str(content["node"]),
        str(content["key"]),
        str(content["nonce"]),
        exact_instant(str(content["made"])),
    )
    ticket.public_key.verify(signature, _DOMAIN + payload)
    if ticket.node != node.rstrip("/"):
        raise BrokenSeal("the ticket is for another node", hint=f"sign one for {node}")
    if abs(at - ticket.made) > GOOD_FOR:
        raise Expired("the ticket is too old, or a clock is wrong", hint="sign another one")
    return ticket


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise MalformedEvidence("this is no ticket", hint="paste the whole line") from error
