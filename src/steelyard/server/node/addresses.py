"""Where a request may go: public addresses only, checked after the name was resolved.

Decides which addresses a node connects to. The address that was checked is the one that is
connected to, so a name that changes its mind in between gains nothing; redirects are not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4 ones (RFC 6052)."""
_ASSIGNED: Final = ipaddress.IPv4Network("192.0.0.0/24")
"""For protocols (RFC 6890); some hosts tell their secrets there."""


_NAMES: Final = ThreadPoolExecutor(16, "names")
"""Threads of their own: a name that is answered slowly must not hold those that do all else."""


class AddressDenied(Exception):
    """A destination that a node does not connect to."""


class NameUnknown(Exception):
    """A destination whose name does not resolve."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was checked, of the host of a URL.

    Attributes:
        asked: The URL.
        netloc: Address and port as a URL writes them.
    """

    asked: str
    netloc: str

    @property
    def url(self) -> str:
        """The same URL with the address in the place of the name."""
        parts = urlsplit(self.asked)
        return urlunsplit((parts.scheme, self.netloc, parts.path or "/", parts.query, ""))

    @property
    def host(self) -> str:
        """What the field `Host` says: the name."""
        return urlsplit(self.asked).netloc.lower()

    @property
    def extensions(self) -> dict[str, str]:
        """What `httpx` is told, so that TLS asks for the name."""
        return {"sni_hostname": urlsplit(self.asked).hostname or ""}


async def resolve(url: str, *, allow_private: bool) -> Target:
    """The address of a URL's host, if a node may connect to it.

    Args:
        url: http or https; http only where private addresses are allowed.
        allow_private: Whether loopback and private networks are allowed.

    Raises:
        AddressDenied: another scheme, or an address that is not public.
        NameUnknown: the name does not resolve.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_private):
        raise AddressDenied(f"{parts.scheme or 'no'} scheme: need https")
    try:
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise AddressDenied("no port") from error
    if not host or parts.username or parts.password:
        raise AddressDenied("no host, or a password in the address")
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(_NAMES, look_up)
    except OSError as error:
        raise NameUnknown(f"{host} does not resolve") from error
    addresses = [ipaddress.ip_address(item[4][0]) for item in found]
    if not allow_private:
        for address in addresses:
            if not _is_public(address):
                raise AddressDenied(f"{host} is at {address}, which is not public")
    first = addresses[0]
    shown = f"[{first}]" if first.version == 6 else str(first)  # noqa: PLR2004 - IP version
    return Target(url, f"{shown}:{port}")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address, and the one that a gateway would make of it, is public."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not _is_public(inner):
            return False
    return address.is_global and not address.is_multicast and address not in _ASSIGNED
