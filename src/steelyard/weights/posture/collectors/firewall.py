"""Whether a set of rules refuses what leaves, unless it was named.

Reads what `iptables -S` and `nft -j list ruleset` print, and follows it as the kernel does. A
rule that accepts is *narrow* where it names loopback, replies, or a destination that is no large
part of the network. One that accepts anything wider, or does something not known here, lets
traffic out: a policy of DROP behind it denies nothing.
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Action = Literal["accept", "refuse", "return", "jump", "goto", "pass", "other"]

_DEPTH: Final = 16
_REPLIES: Final = frozenset({"established", "related"})
_V4, _LEAST_V4, _LEAST_V6 = 4, 16, 48
_NEAR: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
                 "224.0.0.0/4", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8")
)  # fmt: skip
_TARGETS: Final[Mapping[str, Action]] = {
    "ACCEPT": "accept", "DROP": "refuse", "REJECT": "refuse", "RETURN": "return",
    "LOG": "pass", "NFLOG": "pass", "AUDIT": "pass",
}  # fmt: skip
_SAYS_NOTHING: Final = ("-j", "-g", "--comment", "--reject-with")
_WITHOUT_EFFECT: Final = frozenset({"counter", "log", "comment"})
_VERDICTS: Final[Mapping[str, Action]] = {
    "accept": "accept", "drop": "refuse", "reject": "refuse", "return": "return",
    "continue": "pass", "jump": "jump", "goto": "goto",
}  # fmt: skip


class _LetsOutError(Exception):
    """Traffic that no rule names can leave."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a chain.

    Attributes:
        action: What it does; `other` for what is not known here.
        target: The chain that it goes to.
        always: Whether it holds for every packet.
        narrow: Whether it holds only for loopback, replies, or destinations that it names.
    """

    action: Action
    target: str = ""
    always: bool = False
    narrow: bool = False


Chains = dict[str, list[Rule]]
Row = dict[str, Any]


def denies(chains: Mapping[str, Sequence[Rule]], base: str, *, refuses: bool) -> bool:
    """Whether a base chain refuses everything that it does not narrowly allow.

    Args:
        chains: Rules by the name of their chain.
        base: The chain that what leaves goes through.
        refuses: Whether its policy does.
    """
    try:
        return _closes(chains, base, ()) or refuses
    except _LetsOutError:
        return False


def read_iptables(text: str) -> tuple[Chains, bool]:
    """Chains of `iptables -S`, and whether the policy of OUTPUT refuses."""
    chains: Chains = {"OUTPUT": []}
    refuses = False
    for line in text.splitlines():
        words = _words(line)
        if words[:1] == ["-N"]:
            chains.setdefault(words[-1], [])
        elif words[:1] == ["-A"] and len(words) > 1:
            chains.setdefault(words[1], []).append(_iptables_rule(words[2:]))
        elif words == ["-P", "OUTPUT", "DROP"]:
            refuses = True
    return chains, refuses


def read_nftables(items: Sequence[object]) -> tuple[Chains, list[tuple[str, str, bool]]]:
    """Chains of a ruleset (libnftables-json(5)), and its output filters.

    Returns:
        The chains by family, table and name; and of each base chain its family, its key there,
        and whether its policy refuses.
    """
    chains: Chains = {}
    declared: set[str] = set()
    bases: list[tuple[str, str, bool]] = []
    for item in items:
        match item:
            case {"chain": dict()}:
                chain = cast("dict[str, Row]", item)["chain"]
                key = _nft_key(chain, "name")
                declared.add(key)
                if (chain.get("hook"), chain.get("type")) == ("output", "filter"):
                    bases.append((str(chain.get("family")), key, chain.get("policy") == "drop"))
            case {"rule": dict()}:
                rule = cast("dict[str, Row]", item)["rule"]
                chains.setdefault(_nft_key(rule, "chain"), []).append(_nft_rule(rule))
            case _:
                continue
    # A rule of a chain that is not there says that this was not read as it was meant.
    whole = not chains.keys() - declared
    return {key: chains.get(key, []) for key in declared}, bases if whole else []


def _closes(chains: Mapping[str, Sequence[Rule]], name: str, above: tuple[str, ...]) -> bool:
    """Whether nothing comes out of the end of a chain."""
    if name in above or name not in chains or len(above) > _DEPTH:
        raise _LetsOutError
    some_left = False
    for rule in chains[name]:
        match rule.action:
            case "accept" if not rule.narrow:
                raise _LetsOutError
            case "other":
                raise _LetsOutError
            case "refuse" if rule.always:
                return not some_left
            case "return":
                some_left = True
            case "jump" | "goto" if not rule.narrow:
                closed = _closes(chains, rule.target, (*above, name))
                if closed and rule.always:
                    return not some_left
                some_left = some_left or (rule.action == "goto" and not closed)
            case _:
                continue
    return False


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        # A quote without its end: no rule of which anything is known.
        return ["-A", "OUTPUT", "-j", ""] if line.startswith("-A") else []


def _iptables_rule(words: list[str]) -> Rule:
    options = list(_options(words))
    targets = [(name, values) for _, name, values in options if name in ("-j", "-g")]
    conditions = [
        one for one in options if one[1] not in _SAYS_NOTHING and one[1:] != ("-m", ["comment"])
    ]
    narrow = any(not negated and _is_narrow(name, values) for negated, name, values in conditions)
    if not targets:
        return Rule("pass")
    name, values = targets[0]
    target = values[0] if values else ""
    further: Action = "goto" if name == "-g" else "jump"
    action: Action = _TARGETS.get(target) or further
    return Rule(action, target, not conditions, narrow)


def _options(words: list[str]) -> Iterator[tuple[bool, str, list[str]]]:
    """Options with their values, and whether a `!` stands before them."""
    negated, at = False, 0
    while at < len(words):
        if words[at] == "!":
            negated, at = True, at + 1
            continue
        end = at + 1
        # The word behind an option is its value, whatever it looks like: a comment may be any.
        if end < len(words) and words[at] in ("--comment", "--log-prefix", "--nflog-prefix"):
            end += 1
        while end < len(words) and not words[end].startswith("-") and words[end] != "!":
            end += 1
        yield negated, words[at], words[at + 1 : end]
        negated, at = False, end


def _is_narrow(name: str, values: list[str]) -> bool:
    if name == "-o":
        return values == ["lo"]
    if name in ("--ctstate", "--state"):
        return {word for text in values for word in text.lower().split(",")} <= _REPLIES
    return name == "-d" and len(values) == 1 and _is_near(values[0])


def _is_near(text: str) -> bool:
    """Whether a destination is one that somebody named, and no large part of the network."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return False
    least = _LEAST_V4 if found.version == _V4 else _LEAST_V6
    return found.prefixlen >= least or any(
        found.version == near.version and found.subnet_of(cast("Any", near)) for near in _NEAR
    )


def _nft_key(row: Row, name: str) -> str:
    return "\0".join(str(row.get(part, "")) for part in ("family", "table", name))


def _nft_rule(row: Row) -> Rule:
    action: Action = "pass"
    target = ""
    always, narrow = True, False
    expressions = row.get("expr")
    if not isinstance(expressions, list):
        return Rule("other")
    for expression in cast("list[object]", expressions):
        name, value = _nft_pair(expression)
        if name == "match":
            always, narrow = False, narrow or _nft_narrow(value)
        elif name == "limit":
            always = False
        elif name not in _WITHOUT_EFFECT:
            action = _VERDICTS.get(name, "other")
            target = _nft_target(row, value)
        if action == "other":
            break
    return Rule(action, target, always, narrow)


def _nft_pair(expression: object) -> tuple[str, object]:
    """Name and value of an expression; an empty name for what is none."""
    pairs = list(cast("Row", expression).items()) if isinstance(expression, dict) else []
    return pairs[0] if len(pairs) == 1 else ("", None)


def _nft_target(row: Row, value: object) -> str:
    match value:
        case {"target": str(chain)}:
            return _nft_key({**row, "chain": chain}, "chain")
        case _:
            return ""


def _nft_narrow(condition: object) -> bool:
    parts = cast("Row", condition) if isinstance(condition, dict) else {}
    right: object = parts.get("right")
    if parts.get("op") not in ("==", "in"):
        return False
    match parts.get("left"):
        case {"meta": {"key": "oifname" | "oif"}}:
            return right == "lo"
        case {"ct": {"key": "state"}}:
            values = _nft_values(right)
            return bool(values) and all(value in _REPLIES for value in values)
        case {"payload": {"protocol": "ip" | "ip6", "field": "daddr"}}:
            values = _nft_values(right)
            return bool(values) and all(_is_near(_nft_address(value)) for value in values)
        case _:
            return False


def _nft_values(right: object) -> list[object]:
    inner = cast("Row", right).get("set") if isinstance(right, dict) else right
    return cast("list[object]", inner) if isinstance(inner, list) else [right]


def _nft_address(value: object) -> str:
    match value:
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return f"{address}/{length}"
        case str():
            return value
        case _:
            return ""
