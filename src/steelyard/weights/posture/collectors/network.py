"""What listens beyond the host, and whether traffic out of it is denied unless allowed.

Sees the network namespace of the process named. A firewall elsewhere on the way is not seen:
where nothing on the host denies, egress is unknown, and somebody has to attest the rest.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any, Final, cast

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
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

# States of /proc/net: listening for TCP, and bound but not connected for UDP.
_LISTENING: Final = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_FIELDS, _WORD_DIGITS, _V4_DIGITS = 4, 8, 8
_FINAL_RULES: Final = ("-j DROP", "-j REJECT")
_FIREWALLS: Final = (
    ("ip", ("iptables", "-S", "OUTPUT")),
    ("ip6", ("ip6tables", "-S", "OUTPUT")),
)


def listening_services(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Sockets that other machines can reach, save the ports that are meant to be reached."""
    found: set[tuple[str, str, int]] = set()
    seen: list[str] = []
    for table, state in _LISTENING.items():
        try:
            text = machine.read(f"{scope.network}/{table}")
        except Unreadable:
            continue
        seen.append(table)
        found.update((table, *socket) for socket in bound_sockets(text, state))
    if "tcp" not in seen:
        return unknown("the sockets of this host cannot be read")
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
    return {line.partition(":")[0].strip() for line in lines if ":" in line} <= {"lo"}


def _without_ipv6(machine: Machine, scope: Scope) -> bool:
    try:
        return not machine.read(f"{scope.network}/if_inet6").strip()
    except Unreadable:
        return True


def _nftables(machine: Machine, facts: JsonObject) -> set[str]:
    """Families for which nftables denies what leaves, by the policy of an output chain."""
    try:
        output = machine.command(("nft", "-j", "list", "chains"))
        found = json.loads(output.text) if output.status == 0 else None
    except (Unreadable, ValueError):
        return set()
    match found:
        case {"nftables": list()}:
            items = cast("dict[str, list[object]]", found)["nftables"]
            chains = [chain for item in items if (chain := _output_chain(item))]
        case _:
            return set()
    facts["nftables_output_chains"] = [f"{c['family']} {c.get('policy', '')}" for c in chains]
    denied = {chain["family"] for chain in chains if chain.get("policy") == "drop"}
    return {"ip", "ip6"} if "inet" in denied else denied & {"ip", "ip6"}


def _output_chain(item: object) -> dict[str, Any] | None:
    match item:
        case {"chain": {"hook": "output", "type": "filter", "family": str()}}:
            return cast("dict[str, dict[str, Any]]", item)["chain"]
        case _:
            return None


def _iptables(machine: Machine, facts: JsonObject) -> set[str]:
    """Families whose output chain ends in a refusal, by policy or by its last rule."""
    denied: set[str] = set()
    for family, command in _FIREWALLS:
        try:
            output = machine.command(command)
        except Unreadable:
            continue
        if output.status != 0:
            continue
        rules = [line.strip() for line in output.text.splitlines() if line.strip()]
        facts[command[0]] = {"rules": len(rules), "policy": rules[0] if rules else ""}
        last = rules[-1].removeprefix("-A OUTPUT ") if rules else ""
        if "-P OUTPUT DROP" in rules or last.startswith(_FINAL_RULES):
            denied.add(family)
    return denied


COLLECTORS: Final = (
    Collector("listening-services", "EXAMINE", listening_services),
    Collector("egress-rules", "TEST", egress_rules),
)
