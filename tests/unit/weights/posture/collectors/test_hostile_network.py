"""Rules that seem to deny what leaves, and let it out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.weights.posture.collectors import Scope
from steelyard.weights.posture.machine import Unreadable

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above
from .machines import look, machine, said

DEVICES = "Inter-|   Receive\n face |bytes\n    lo: 1 2\n  eth0: 3 4\n"
FILES = {"/proc/self/net/dev": DEVICES, "/proc/self/net/if_inet6": "fe80 02\n"}
DENIED = ("satisfied", "the rules of this host deny traffic out unless allowed")
OPEN = (
    "unknown",
    "the rules of this host deny nothing by default; a firewall elsewhere is not seen",
)
DROP = "-P OUTPUT DROP\n"
REPLIES = "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"


def tables(root: Path, rules: str, other: str = DROP) -> tuple[str, str]:
    commands = {"iptables -S": (0, rules), "ip6tables -S": (0, other)}
    return said(look("egress-rules", machine(root, FILES, commands)))


@pytest.mark.parametrize(
    "rules",
    [
        DROP,
        DROP + "-A OUTPUT -o lo -j ACCEPT\n" + REPLIES,
        DROP + "-A OUTPUT -d 10.1.0.0/16 -p tcp -m tcp --dport 443 -j ACCEPT\n",
        DROP + "-A OUTPUT -d 10.0.0.0/8 -j ACCEPT\n-A OUTPUT -d 203.0.113.7/32 -j ACCEPT\n",
        DROP + '-A OUTPUT -j LOG --log-prefix "out -j ACCEPT"\n',
        "-P OUTPUT ACCEPT\n-A OUTPUT -j REJECT --reject-with icmp-port-unreachable\n",
        "-P OUTPUT ACCEPT\n-A OUTPUT -j DROP\n-A OUTPUT -j ACCEPT\n",
        "-P OUTPUT ACCEPT\n-N out\n-A OUTPUT -j out\n-A out -o lo -j ACCEPT\n-A out -j DROP\n",
        DROP + "-N near\n-A OUTPUT -d 10.0.0.0/8 -j near\n-A near -j ACCEPT\n",
        DROP + '-A OUTPUT -m comment --comment "-d 10.0.0.0/8" -j DROP\n',
    ],
)  # fmt: skip
def test_rules_that_deny_unless_allowed(tmp_path: Path, rules: str) -> None:
    assert tables(tmp_path, rules) == DENIED


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "-P OUTPUT ACCEPT\n",
        DROP + "-A OUTPUT -j ACCEPT\n",
        DROP + "-A OUTPUT -p tcp -j ACCEPT\n",
        DROP + "-A OUTPUT -o eth0 -j ACCEPT\n",
        DROP + "-A OUTPUT -s 10.0.0.5/32 -j ACCEPT\n",
        DROP + "-A OUTPUT -p tcp -m tcp --dport 443 -j ACCEPT\n",
        DROP + "-A OUTPUT ! -d 203.0.113.7/32 -j ACCEPT\n",
        DROP + "-A OUTPUT -d 0.0.0.0/1 -j ACCEPT\n-A OUTPUT -d 128.0.0.0/1 -j ACCEPT\n",
        DROP + "-A OUTPUT ! -o lo -j ACCEPT\n",
        DROP + "-A OUTPUT -o lo+ -j ACCEPT\n",
        DROP + "-A OUTPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\n",
        DROP + "-A OUTPUT -m conntrack ! --ctstate ESTABLISHED -j ACCEPT\n",
        DROP + '-A OUTPUT -m comment --comment "-d 10.0.0.0/8" -j ACCEPT\n',
        DROP + '-A OUTPUT -m comment --comment "-o lo" -j ACCEPT\n',
        DROP + "-A OUTPUT -j NFQUEUE --queue-num 0\n",
        DROP + "-N out\n-A OUTPUT -j out\n-A out -j ACCEPT\n",
        DROP + "-N out\n-A OUTPUT -p tcp -g out\n-A out -p tcp -j ACCEPT\n",
        DROP + "-N a\n-N b\n-A OUTPUT -j a\n-A a -j b\n-A b -j a\n",
        "-P OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n-A OUTPUT -p tcp -j DROP\n-A OUTPUT -j DROP\n",
        "-P OUTPUT ACCEPT\n-A OUTPUT -j DROP -d 1.1.1.1/32\n",
        "-P OUTPUT ACCEPT\n-A OUTPUT -j DROPPED\n",
        "-P OUTPUT ACCEPT\n-N out\n-A OUTPUT -j out\n-A out -p udp -j RETURN\n-A out -j DROP\n",
        "-P OUTPUT ACCEPT\n-N out\n-A OUTPUT -p tcp -j out\n-A out -j DROP\n",
        "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n",
    ],
)  # fmt: skip
def test_rules_that_let_something_out_that_nobody_named(tmp_path: Path, rules: str) -> None:
    assert tables(tmp_path, rules) == OPEN


def test_both_families_are_held_to_the_same(tmp_path: Path) -> None:
    last = "-P OUTPUT ACCEPT\n-A OUTPUT -j DROP -d 1::1/128\n"
    assert tables(tmp_path / "a", DROP, last) == OPEN
    narrow = DROP + "-A OUTPUT -d fe80::/10 -j ACCEPT\n-A OUTPUT -d 2001:db8::/48 -j ACCEPT\n"
    assert tables(tmp_path / "b", DROP, narrow) == DENIED
    assert tables(tmp_path / "c", DROP, DROP + "-A OUTPUT -d 2000::/3 -j ACCEPT\n") == OPEN


def chain(policy: str = "drop", family: str = "inet", name: str = "o") -> dict[str, object]:
    own = {"family": family, "table": "t", "name": name}
    return {"chain": {**own, "hook": "output", "type": "filter", "prio": 0, "policy": policy}}


def rule(*expr: object, name: str = "o", family: str = "inet") -> dict[str, object]:
    return {"rule": {"family": family, "table": "t", "chain": name, "expr": list(expr)}}


def match(left: object, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": left, "right": right}}


ACCEPT, DROPS = {"accept": None}, {"drop": None}
OUT, STATE = {"meta": {"key": "oifname"}}, {"ct": {"key": "state"}}
TO = {"payload": {"protocol": "ip", "field": "daddr"}}
PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
FROM = {"payload": {"protocol": "ip", "field": "saddr"}}
NEAR = {"prefix": {"addr": "10.0.0.0", "len": 8}}
HALF = {"prefix": {"addr": "128.0.0.0", "len": 1}}
TO_SUB = {"jump": {"target": "sub"}}
SUB = {"chain": {"family": "inet", "table": "t", "name": "sub"}}


def nft(root: Path, *items: object) -> tuple[str, str]:
    text = json.dumps({"nftables": [{"metainfo": {}}, *items]})
    commands = {"nft -j list ruleset": (0, text)}
    return said(look("egress-rules", machine(root, FILES, commands)))


@pytest.mark.parametrize(
    "items",
    [
        [chain()],
        [chain(), rule(match(OUT, "lo"), ACCEPT)],
        [chain(), rule(match(STATE, ["established", "related"], "in"), ACCEPT)],
        [chain(), rule(match(STATE, {"set": ["established"]}), {"counter": {}}, ACCEPT)],
        [chain(), rule(match(TO, NEAR), match(PORT, 443), ACCEPT)],
        [chain(), rule(match(TO, {"set": ["203.0.113.7", NEAR]}), ACCEPT)],
        [chain("accept"), rule(match(OUT, "lo"), ACCEPT), rule({"counter": {}}, DROPS)],
        [chain("accept"), rule({"reject": {"type": "icmpx"}})],
        [chain(), SUB, rule(TO_SUB), rule(match(OUT, "lo"), ACCEPT, name="sub")],
        [chain(), chain("accept", name="other")],
        [chain(family="ip"), chain(family="ip6")],
    ],
)  # fmt: skip
def test_nftables_that_deny_unless_allowed(tmp_path: Path, items: list[object]) -> None:
    assert nft(tmp_path, *items) == DENIED


@pytest.mark.parametrize(
    "items",
    [
        [],
        [chain("accept")],
        [chain(), rule(ACCEPT)],
        [chain(), rule(match(PORT, 443), ACCEPT)],
        [chain(), rule(match(FROM, NEAR), ACCEPT)],
        [chain(), rule(match(TO, NEAR, "!="), ACCEPT)],
        [chain(), rule(match(TO, HALF), ACCEPT)],
        [chain(), rule(match(TO, {"set": [HALF, NEAR]}), ACCEPT)],
        [chain(), rule(match(TO, "@named"), ACCEPT)],
        [chain(), rule(match(TO, {"range": ["1.0.0.0", "255.255.255.255"]}), ACCEPT)],
        [chain(), rule(match(OUT, "eth0"), ACCEPT)],
        [chain(), rule(match(STATE, ["new", "established"], "in"), ACCEPT)],
        [chain(), rule({"vmap": {"key": TO, "data": "@v"}})],
        [chain(), rule({"xt": None}, ACCEPT)],
        [chain(), rule({"queue": {"num": 0}})],
        [chain(), SUB, rule(TO_SUB), rule(ACCEPT, name="sub")],
        [chain(), {"rule": {"expr": [ACCEPT]}}],
        [chain(), rule(1)],
        [chain(), rule({})],
        [chain(), rule({"accept": None, "drop": None})],
        [chain(), rule({"match": 1}, ACCEPT)],
        [chain(), rule({"jump": 1})],
        [chain(), rule({"goto": {"target": "gone"}})],
        [chain("accept"), rule(match(TO, NEAR), DROPS)],
        [chain("accept"), rule(ACCEPT), rule(DROPS)],
        [chain(family="ip")],
        [chain(), {"rule": {"family": "inet", "table": "t", "chain": "o"}}],
    ],
)
def test_nftables_that_let_something_out(tmp_path: Path, items: list[object]) -> None:
    assert nft(tmp_path, *items) == OPEN


def test_the_rules_of_another_namespace_say_nothing(tmp_path: Path) -> None:
    files = {
        "/proc/7/net/dev": DEVICES, "/proc/7/net/if_inet6": "fe80\n", "/proc/7/ns/x": "",
        "/proc/self/ns/x": "",
    }  # fmt: skip
    commands = {"iptables -S": (0, DROP), "ip6tables -S": (0, DROP)}
    scope = Scope(at=AT, process="7")
    for own, other, expected in (
        ("net:[1]", "net:[1]", DENIED),
        (
            "net:[1]",
            "net:[2]",
            ("unknown", "the process has a network of its own, whose rules are not seen from here"),
        ),
    ):
        root = tmp_path / other[5]
        where = machine(root, files, commands)
        (root / "proc/self/ns/net").symlink_to(own)
        (root / "proc/7/ns/net").symlink_to(other)
        assert said(look("egress-rules", where, scope)) == expected


def test_tables_that_cannot_be_read_are_not_empty(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue\n"
    net = "/proc/self/net"
    whole = {f"{net}/{name}": head for name in ("tcp", "tcp6", "udp", "udp6")}
    assert look("listening-services", machine(tmp_path / "a", whole)).outcome == "satisfied"
    no_ipv6 = {f"{net}/{name}": head for name in ("tcp", "udp")}
    assert look("listening-services", machine(tmp_path / "b", no_ipv6)).outcome == "satisfied"
    no_udp = {f"{net}/{name}": head for name in ("tcp", "tcp6")}
    assert look("listening-services", machine(tmp_path / "c", no_udp)).outcome == "unknown"
    where = machine(tmp_path / "d", no_ipv6)
    (tmp_path / "d/proc/self/net/udp6").mkdir()
    with pytest.raises(Unreadable, match="udp6: is a directory"):
        look("listening-services", where)


def test_no_interface_at_all_is_no_answer(tmp_path: Path) -> None:
    where = machine(tmp_path / "a", {"/proc/self/net/dev": ""})
    assert look("egress-rules", where).outcome == "unknown"
    where = machine(tmp_path / "b", {"/proc/self/net/dev": "a\nb\n    lo: 0 0\n"})
    assert look("egress-rules", where).outcome == "satisfied"
    where = machine(tmp_path / "c", FILES, {"iptables -S": (0, DROP)})
    (tmp_path / "c/proc/self/net/if_inet6").unlink()
    (tmp_path / "c/proc/self/net/if_inet6").mkdir()
    with pytest.raises(Unreadable, match="if_inet6: is a directory"):
        look("egress-rules", where)
