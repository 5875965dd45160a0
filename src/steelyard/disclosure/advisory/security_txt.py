"""security.txt (RFC 9116): whom to tell of a flaw, and until when the file may be believed.

Decides which fields are written, and in which order. Signing it as a clear-text message is for
whoever holds an OpenPGP key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.escape import check_url
from steelyard.kernel import format_instant
from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

# RFC 9116, 2.5.5: less than a year is recommended, so that no stale contact is believed.
_LONGEST: Final = timedelta(days=366)
_NEEDS_HTTPS: Final = frozenset({"Canonical", "CSAF"})


@dataclass(frozen=True, slots=True)
class SecurityText:
    """What a security.txt says.

    Attributes:
        contacts: Addresses, the preferred one first; at least one.
        expires_at: Until when it may be believed.
        canonical: Where this file lies, as https addresses.
        csaf: Address of provider-metadata.json; empty for none.
    """

    contacts: tuple[str, ...]
    expires_at: datetime
    canonical: tuple[str, ...] = ()
    csaf: str = ""


def security_txt(text: SecurityText, at: datetime) -> bytes:
    """The file, with lines ended by CRLF.

    Args:
        text: What it says.
        at: When it is made; the expiry lies after it, by a year at most.

    Raises:
        UsageError: no contact, an expiry that is past or too far, or a web address without TLS.
        MalformedEvidence: an address that is none.
    """
    if not text.contacts:
        raise UsageError("security.txt needs a contact", hint="add --contact mailto:NAME@HOST")
    if not at < text.expires_at <= at + _LONGEST:
        message = "security.txt expires after it is made, and within a year"
        raise UsageError(message, where="--expires", hint="renew the file every few months")
    fields = [
        *(("Contact", contact) for contact in text.contacts),
        ("Expires", format_instant(text.expires_at)),
        *(("Canonical", address) for address in text.canonical),
        ("CSAF", text.csaf),
    ]
    lines = [_line(name, value) for name, value in fields if value]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _line(name: str, value: str) -> str:
    if name == "Expires":
        return f"{name}: {value}"
    check_url(value, where=f"security.txt, {name}")
    is_plain = value.startswith("http:") or (name in _NEEDS_HTTPS and value[:6] != "https:")
    if is_plain:
        message = f"{name} needs an https address, found {value[:80]!r}"
        raise UsageError(message, where="security.txt")
    return f"{name}: {value}"
