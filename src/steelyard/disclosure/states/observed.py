"""What was seen of a case's history, and which orders of its six facts remain possible.

Decides how an incomplete history is read (spec/disclosure-states.md, section Observed
histories). The order of facts in braces is unknown; facts after a tilde may have happened at
any time or not at all; facts not named had not happened when the case closed. What counts is
decided by the possible orders alone: nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import islice

from steelyard.disclosure.states.histories import FACTS, histories
from steelyard.kernel.errors import MalformedEvidence

_FORM = re.compile(r"((?:[VFDPXA]|\{[VFDPXA]+\})*)(?:~([VFDPXA]+))?")
_GROUP = re.compile(r"[VFDPXA]|\{[VFDPXA]+\}")
_HINT = "write VFDPXA, V{FP}D where the order of F and P is unknown, VFD~A where A is"


@dataclass(frozen=True, slots=True)
class Observed:
    """An observed history.

    Attributes:
        groups: Facts in the order in which they happened; the order inside a group is unknown.
        unknown: Facts of which nothing is known.
    """

    groups: tuple[frozenset[str], ...]
    unknown: frozenset[str] = frozenset()

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many facts each group has."""
        return tuple(map(len, self.groups))

    @property
    def text(self) -> str:
        """The history as it is written."""
        parts = ("".join(fact for fact in FACTS if fact in group) for group in self.groups)
        known = "".join(part if len(part) == 1 else f"{{{part}}}" for part in parts)
        lost = "".join(fact for fact in FACTS if fact in self.unknown)
        return f"{known}~{lost}" if lost else known


def read_history(text: str) -> Observed:
    """Read a history as people write it.

    Raises:
        MalformedEvidence: not of that form, a fact twice, or an order that cannot be.
    """
    found = _FORM.fullmatch(text[:40])
    if found is None:
        raise MalformedEvidence(f"{text[:40]!r} is no history", hint=_HINT)
    groups = tuple(frozenset(group.strip("{}")) for group in _GROUP.findall(found[1]))
    named = found[1].replace("{", "").replace("}", "") + (found[2] or "")
    twice = sorted({fact for fact in named if named.count(fact) > 1})
    if twice:
        raise MalformedEvidence(f"{text[:40]!r} names {twice[0]} twice", hint=_HINT)
    observed = Observed(groups, frozenset(found[2] or ""))
    if not possible_orders(observed):
        raise MalformedEvidence(
            f"{text[:40]!r} cannot have happened: F needs V, D needs F, "
            "V follows P at once and P follows X at once",
            hint="steelyard disclose states",
        )
    return observed


@cache
def possible_orders(observed: Observed) -> frozenset[str]:
    """The histories that agree with what was seen; what had not happened comes later."""
    return frozenset(
        order for order in histories() if _seen(order, observed.unknown, observed.sizes) == observed
    )


def seen_as(order: str, like: Observed) -> Observed:
    """What would have been seen of another history by whoever saw `like`."""
    return _seen(order, like.unknown, like.sizes)


def _seen(order: str, unknown: frozenset[str], sizes: tuple[int, ...]) -> Observed:
    known = iter([fact for fact in order if fact not in unknown])
    return Observed(tuple(frozenset(islice(known, size)) for size in sizes), unknown)


@cache
def decided(observed: Observed, first: str, second: str) -> bool | None:
    """Whether `first` came before `second`; None where the possible orders disagree.

    Neither having happened decides nothing, although one of them may be bound to come first.
    """
    if not ({first, second} & (_named(observed) | observed.unknown)):
        return None
    answers = {order.index(first) < order.index(second) for order in possible_orders(observed)}
    return answers.pop() if len(answers) == 1 else None


def _named(observed: Observed) -> frozenset[str]:
    return frozenset(fact for group in observed.groups for fact in group)
