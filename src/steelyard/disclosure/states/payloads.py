"""The hazard tier of a payload, and who must agree before it falls.

Decides one step of HM (spec/disclosure-states.md, section Hazard tiers). No embargo is looked
at: what is dangerous stays so when the flaw is public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states.machines import step
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody who agrees that a tier is lowered: in which role, of which organization."""

    role: str
    organization: str


def move_payload(tier: str, event: str, approvals: Collection[Approval] = ()) -> str:
    """The tier after an event; raising needs nobody's agreement.

    Raises:
        NotSatisfied: the machine forbids it, or too few roles of different organizations agree.
        UnknownName: no such tier or event.
    """
    tables = load_tables()
    after = step(tables.machine("HM"), tier, event)
    need = tables.lowering_approvals
    if event == "lower" and distinct_approvals(approvals) < need:
        raise NotSatisfied(
            f"lowering {tier} needs {need} roles of {need} organizations, "
            f"found {distinct_approvals(approvals)}",
            where="HM",
            hint="have another role of another organization approve",
        )
    return after


def distinct_approvals(approvals: Collection[Approval]) -> int:
    """The most approvals of which no two share a role or an organization.

    A greatest matching of roles to organizations (Kuhn): counting roles and organizations
    apart would let one person with two hats meet one with none.
    """
    offered: dict[str, list[str]] = {}
    for item in sorted(set(approvals), key=lambda item: (item.role, item.organization)):
        offered.setdefault(item.role, []).append(item.organization)
    taken: dict[str, str] = {}

    def place(role: str, tried: set[str]) -> bool:
        for organization in offered[role]:
            if organization in tried:
                continue
            tried.add(organization)
            if organization not in taken or place(taken[organization], tried):
                taken[organization] = role
                return True
        return False

    return sum(place(role, set()) for role in offered)
