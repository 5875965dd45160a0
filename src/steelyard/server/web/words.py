"""States, roles and kinds in words that a board has room for.

Decides the wording alone. What a state means stands in the tables of the machines, and is what
a page shows where there is room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.states import load_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNVERIFIED: Final = (
    "cannot be verified: what is stored of it was changed. Restore the database from a backup, "
    "as docs/how-to/run-a-node.md says under Keep it safe."
)
"""Of a case."""
REPORT: Final[Mapping[str, str]] = {
    "start": "has no report",
    "received": "received, not judged",
    "invalid": "says: no flaw",
    "valid": "says: a flaw",
    "deferred": "put off",
    "accepted": "working on it",
    "closed": "closed",
}
CONSENT: Final[Mapping[str, str]] = {
    "no_embargo": "no consent asked",
    "invited": "consent asked",
    "signatory": "consents",
    "declined": "declines",
    "lapsed": "consent lapsed",
}
FIX: Final[Mapping[str, str]] = {
    "": "makes no fix",
    "vfd": "not aware",
    "Vfd": "aware, no fix",
    "VFd": "fix ready",
    "VFD": "fix deployed",
}
EMBARGO: Final[Mapping[str, str]] = {
    "none": "no embargo",
    "proposed": "embargo proposed",
    "active": "embargo in force",
    "revise": "embargo in force, other terms proposed",
    "exited": "embargo ended",
}
AFFECTED: Final[Mapping[str, str]] = {
    "unknown": "not asked",
    "notified": "silent",
    "acked": "not checked",
    "retest": "not checked since a new version",
    "running": "checking",
    "answered": "answered",
    "affected": "affected",
    "not_affected": "not affected",
    "undetermined": "undetermined",
    "mitigating": "mitigating",
    "verified": "mitigation verified",
    "risk_accepted": "risk accepted",
}
TIERS: Final[Mapping[str, str]] = {
    "h0": "H0 public",
    "h1": "H1 participants",
    "h2": "H2 named people",
    "h3": "H3 sealed",
}
SHORT: Final[Mapping[str, Mapping[str, str]]] = {
    "RM": REPORT,
    "PEC": CONSENT,
    "VFD": FIX,
    "EM": EMBARGO,
    "AM": AFFECTED,
}
"""Words of each machine's states, by its name."""
MACHINES: Final[Mapping[str, str]] = {
    "RM": "report",
    "PEC": "consent",
    "VFD": "fix",
    "EM": "case",
    "PXA": "the world",
    "AM": "affected",
}
_WORLD: Final = (
    ("P", "the flaw is public"),
    ("X", "an exploit is public"),
    ("A", "attacks are known"),
)


def state_words(machine: str, state: str) -> str:
    """A state of a machine in words."""
    return world_words(state) if machine == "PXA" else SHORT[machine][state]


def world_facts(pxa: str) -> tuple[str, ...]:
    """What the world knows, a fact each; empty where it knows nothing."""
    return tuple(text for letter, text in _WORLD if letter in pxa)


def world_words(pxa: str) -> str:
    """What the world knows, in one line."""
    return ", ".join(world_facts(pxa)) or "nothing is public"


def meanings(machine: str) -> tuple[tuple[str, str], ...]:
    """Short words and meaning of each state of a machine, as a legend."""
    found = load_tables().machine(machine)
    return tuple((state_words(machine, item.id), item.meaning) for item in found.states)


def role_words(roles: Iterable[str]) -> str:
    """Roles in alphabetical order."""
    return ", ".join(sorted(role.replace("-", " ") for role in roles))


def count_words(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def isolated(text: str) -> str:
    """Foreign text inside a sentence of ours: its direction changes nothing around it (UAX 9)."""
    return f"\u2068{text}\u2069"
