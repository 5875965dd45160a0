"""How many bytes of bodies are held at once, and for whom.

Decides who has to come later: one sender has a bound, strangers together have one, and all have
one together. Who nobody has vouched for is known by its address alone, of IPv6 by the network,
as whoever has one address there has all of them.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_LATER: Final[Mapping[str, str]] = {"retry-after": "5", "connection": "close"}
_HOST_BITS: Final = 64
"""Of an IPv6 address, those that a network gives its hosts (RFC 4291, section 2.5.1)."""


class Sender(NamedTuple):
    """Whose body it is.

    Attributes:
        name: A key, or an address.
        is_vouched: Whether a route knows who it is.
    """

    name: str
    is_vouched: bool = False


class Held:
    """Counts bytes from when they come until their request is answered.

    Args:
        most: Of everybody.
        of_strangers: The part of it for senders that nobody has vouched for.
        of_one: Of one sender.
    """

    def __init__(self, most: int, of_strangers: int, of_one: int) -> None:
        self._most = most
        self._most_of_strangers = of_strangers
        self._most_of_one = of_one
        self._all = 0
        self._of_strangers = 0
        self._of_one: Counter[Sender] = Counter()

    def add(self, sender: Sender, size: int) -> None:
        """Count bytes, also those that are refused: `drop` is called for all of them.

        Raises:
            HTTPException: too many are held already.
        """
        if not size:
            return
        self._all += size
        self._of_strangers += 0 if sender.is_vouched else size
        self._of_one[sender] += size
        if self._of_one[sender] > self._most_of_one:
            detail = "too much is being received from the same sender already"
            raise refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, _LATER)
        crowded = not sender.is_vouched and self._of_strangers > self._most_of_strangers
        if crowded or self._all > self._most:
            detail = "too much is being received already"
            raise refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, _LATER)

    def drop(self, sender: Sender, size: int) -> None:
        """Let bytes go that were counted."""
        if not size:
            return
        self._all -= size
        self._of_strangers -= 0 if sender.is_vouched else size
        self._of_one[sender] -= size
        if not self._of_one[sender]:
            del self._of_one[sender]


def network_of(address: str) -> str:
    """What stands for an address: itself, or the network of one of IPv6."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    # How IPv4 is told by a socket for both.
    return str(found.ipv4_mapped or int(found) >> _HOST_BITS)
