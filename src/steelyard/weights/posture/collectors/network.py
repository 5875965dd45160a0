"""What listens beyond the host, and whether traffic out of it is denied unless allowed.

Sees the network namespace of the process named. A firewall elsewhere on the way is not seen:
where nothing on the host denies, egress is unknown, and somebody has to attest the rest.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Final, cast

from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.posture.collectors.firewall import denies, read_iptables, read_nftables
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

# States of /proc/net: listening for TCP, and bound but not connected for UDP.
_LISTENING: Final = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_FIELDS, _WORD_DIGITS, _V4_DIGITS = 4, 8, 8
# A kernel without IPv6 has none of these.
_OF_IPV6: Final = ("tcp6", "udp6")
_FIREWALLS: Final = (("ip", ("iptables", "-S")), ("ip6", ("ip6tables", "-S")))


def listening_services(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Sockets that other machines can reach, save the ports that are meant to be reached."""
    found: set[tuple[str, str, int]] = set()
    seen: list[str] = []
    for table, state in _LISTENING.items():
        path = f"{scope.network}/{table}"
        if not machine.exists(path):
            if table in _OF_IPV6:
                continue
            return unknown("the sockets of this host cannot be read")
        seen.append(table)
        found.update((table, *socket) for socket in bound_sockets(machine.read(path), state))
    outside = sorted(item for item in found if not ipaddress.ip_address(item[1]).is_loopback)
    meant = [item for item in outside if item[2] in scope.services]
    surplus = [
        f"{t} {address} {port}" for t, address, port in outside if port not in scope.services
    ]
    facts: JsonObject = {
        "tables": list(seen),
        "meant": [f"{t} {address} {port}" for t, address, port in meant],
        "surplus": some(surplus),
    }
    if surplus:
        ports = {item[2] for item in outside} - scope.services
        return failing(
            f"{many(len(ports), 'port')} beyond those named, open to other machines", facts
        )
    named = len({item[2] for item in meant})
    return satisfied(f"open to other machines: {many(named, 'port')}, all named", facts)


def bound_sockets(text: str, state: str) -> Iterator[tuple[str, int]]:
    """Address and port of the sockets in a state, from a table of /proc/net (proc(5))."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _FIELDS or fields[3] != state:
            continue
        raw, colon, port = fields[1].partition(":")
        address = _address(raw)
        if colon and address is not None:
            yield address, int(port, 16)


def egress_rules(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether the kernel's own rules deny what leaves the host, or nothing can leave it."""
    if _isolated(machine, scope):
        return satisfied("the network namespace has no way out but loopback")
    if not _same_network(machine, scope):
        told = "the process has a network of its own, whose rules are not seen from here"
        return unknown(told)
    facts: JsonObject = {}
    denied = _nftables(machine, facts) | _iptables(machine, facts)
    if {"ip", "ip6"} <= denied or (denied == {"ip"} and _without_ipv6(machine, scope)):
        return satisfied("the rules of this host deny traffic out unless allowed", facts)
    if not facts:
        return unknown("the rules of this host cannot be read", facts)
    told = "the rules of this host deny nothing by default; a firewall elsewhere is not seen"
    return unknown(told, facts)


def _address(raw: str) -> str | None:
    """An address of /proc/net: 32-bit words in the order of the host, little-endian here."""
    try:
        words = [raw[i : i + _WORD_DIGITS] for i in range(0, len(raw), _WORD_DIGITS)]
        packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
        address = ipaddress.ip_address(packed)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _isolated(machine: Machine, scope: Scope) -> bool:
    """Whether loopback is the only interface: then there is no route either."""
    lines = machine.read(f"{scope.network}/dev").splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines if ":" in line} == {"lo"}


def _same_network(machine: Machine, scope: Scope) -> bool:
    """Whether the rules that can be listed here are those of the process named."""
    if not scope.process:
        return True
    try:
        own, other = (
            machine.place(f"/proc/{process}/ns/net").readlink()
            for process in ("self", scope.process)
        )
    except OSError:
        return False
    return own == other


def _without_ipv6(machine: Machine, scope: Scope) -> bool:
    path = f"{scope.network}/if_inet6"
    return not machine.exists(path) or not machine.read(path).strip()


def _nftables(machine: Machine, facts: JsonObject) -> set[str]:
    """Families for which an output chain of nftables refuses what leaves, unless named."""
    try:
        output = machine.command(("nft", "-j", "list", "ruleset"))
        found = json.loads(output.text) if output.status == 0 else None
    except (Unreadable, ValueError, RecursionError):
        return set()
    match found:
        case {"nftables": list()}:
            chains, bases = read_nftables(cast("dict[str, list[object]]", found)["nftables"])
        case _:
            return set()
    facts["nftables_output_chains"] = [f"{family} drop={refuses}" for family, _, refuses in bases]
    denied = {family for family, key, refuses in bases if denies(chains, key, refuses=refuses)}
    return {"ip", "ip6"} if "inet" in denied else denied & {"ip", "ip6"}


def _iptables(machine: Machine, facts: JsonObject) -> set[str]:
    """Families whose output chain refuses what leaves, unless named."""
    denied: set[str] = set()
    for family, command in _FIREWALLS:
        try:
            output = machine.command(command)
        except Unreadable:
            continue
        if output.status != 0:
            continue
        chains, refuses = read_iptables(output.text)
        facts[command[0]] = {"rules": len(chains["OUTPUT"]), "policy_drop": refuses}
        if denies(chains, "OUTPUT", refuses=refuses):
            denied.add(family)
    return denied


COLLECTORS: Final = (
    Collector("listening-services", "EXAMINE", listening_services),
    Collector("egress-rules", "TEST", egress_rules),
)
