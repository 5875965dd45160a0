"""Listening sockets and rules for what leaves, on recorded machines and on this one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.collectors.network import bound_sockets
from steelyard.weights.posture.machine import Machine

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

HEAD = "  sl  local_address rem_address   st tx_queue\n"
DEVICES = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\n"
DROP = {"chain": {"family": "inet", "hook": "output", "type": "filter", "policy": "drop"}}


def table(*rows: tuple[str, str]) -> str:
    return HEAD + "".join(f" 0: {local} 0:0 {state} 0\n" for local, state in rows)


def listening(where: Machine, *ports: int) -> tuple[str, str]:
    return said(look("listening-services", where, Scope(at=AT, services=frozenset(ports))))


def test_loopback_and_connections_are_no_services(tmp_path: Path) -> None:
    files = {
        "/proc/self/net/tcp": table(("0100007F:1F90", "0A"), ("0100000A:01BB", "01")),
        "/proc/self/net/udp": table(),
        "/proc/self/net/tcp6": table(
            ("00000000000000000000000001000000:1F90", "0A"),
            ("0000000000000000FFFF00000100007F:1F91", "0A"),
        ),
    }
    assert listening(machine(tmp_path, files)) == (
        "satisfied",
        "open to other machines: 0 ports, all named",
    )


def test_open_ports_are_told_unless_named(tmp_path: Path) -> None:
    files = {
        "/proc/self/net/tcp": table(("00000000:0016", "0A")),
        "/proc/self/net/udp": table(),
        "/proc/self/net/udp6": table(("00000000000000000000000000000000:0222", "07")),
    }
    where = machine(tmp_path, files)
    assert listening(where) == (
        "not_satisfied",
        "2 ports beyond those named, open to other machines",
    )
    assert listening(where, 22) == (
        "not_satisfied",
        "1 port beyond those named, open to other machines",
    )
    assert listening(where, 22, 546) == ("satisfied", "open to other machines: 2 ports, all named")
    found = look("listening-services", where)
    assert found.facts["surplus"] == {"count": 2, "first": ["tcp 0.0.0.0 22", "udp6 :: 546"]}


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert listening(machine(tmp_path)) == ("unknown", "the sockets of this host cannot be read")


def test_a_socket_of_this_process_is_seen() -> None:
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))  # noqa: S104 - what the collector is to find
        server.listen()
        port = server.getsockname()[1]
        found = look("listening-services", Machine())
        if found.outcome == "unknown":
            pytest.skip("no /proc/net here")
        assert any(str(row).endswith(f" {port}") for row in found.facts["surplus"]["first"])  # type: ignore[index,call-overload]


@given(st.text(alphabet="0123456789ABCDEFabcdef: \n\tXZ", max_size=300))
def test_any_table_is_read_or_left_out(text: str) -> None:
    for address, port in bound_sockets(HEAD + text, "0A"):
        assert address
        assert port >= 0


def egress(
    tmp_path: Path, commands: dict[str, tuple[int, str]], *, ipv6: str = "fe80 02\n"
) -> tuple[str, str]:
    files = {"/proc/self/net/dev": DEVICES, "/proc/self/net/if_inet6": ipv6}
    return said(look("egress-rules", machine(tmp_path, files, commands)))


DENIED = ("satisfied", "the rules of this host deny traffic out unless allowed")
OPEN = (
    "unknown",
    "the rules of this host deny nothing by default; a firewall elsewhere is not seen",
)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ({}, ("unknown", "the rules of this host cannot be read")),
        ({"nft": (1, "")}, ("unknown", "the rules of this host cannot be read")),
        ({"nft": (0, "not json")}, ("unknown", "the rules of this host cannot be read")),
        ({"nft": (0, json.dumps({"nftables": [{"metainfo": {}}, DROP]}))}, DENIED),
        ({"nft": (0, json.dumps({"nftables": []}))}, OPEN),
        (
            {"iptables": (0, "-P OUTPUT DROP\n"), "ip6tables": (0, "-P OUTPUT DROP\n")},
            DENIED,
        ),
        (
            {
                "iptables": (0, "-P OUTPUT ACCEPT\n-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -j DROP\n"),
                "ip6tables": (0, "-P OUTPUT DROP\n"),
            },
            DENIED,
        ),
        # A rule that drops some traffic denies nothing by default.
        (
            {
                "iptables": (0, "-P OUTPUT ACCEPT\n-A OUTPUT -d 10.0.0.0/8 -j DROP\n"),
                "ip6tables": (0, "-P OUTPUT DROP\n"),
            },
            OPEN,
        ),
        # Denied over IPv4 only, while IPv6 is there.
        ({"iptables": (0, "-P OUTPUT DROP\n")}, OPEN),
    ],
)
def test_egress(
    tmp_path: Path, commands: dict[str, tuple[int, str]], expected: tuple[str, str]
) -> None:
    assert egress(tmp_path, commands) == expected


def test_without_ipv6_rules_for_ipv4_are_enough(tmp_path: Path) -> None:
    assert egress(tmp_path, {"iptables": (0, "-P OUTPUT DROP\n")}, ipv6="") == DENIED


def test_a_namespace_with_loopback_only_has_no_way_out(tmp_path: Path) -> None:
    where = machine(tmp_path, {"/proc/7/net/dev": "a\nb\n    lo: 0 0\n"})
    assert said(look("egress-rules", where, Scope(at=AT, process="7"))) == (
        "satisfied",
        "the network namespace has no way out but loopback",
    )
