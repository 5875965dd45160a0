"""What a message does to whom it reaches, and what is sent back.

Decides, from the replies of the data file, which row fits the states of sender, receiver and
case, what moves, and the answer (spec/disclosure-states.md, section Answers). Reading, signing
and ordering messages is for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.disclosure.states.rules import Act, Advice, Outcome, apply, refused_by
from steelyard.disclosure.states.standing import IN_FORCE
from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel.errors import UnknownName

if TYPE_CHECKING:
    from steelyard.disclosure.states.model import Reply
    from steelyard.disclosure.states.standing import Case

_ERRORS = {"RM": ("RE",), "EM": ("EE",), "CS": ("CE",), "AM": ("GE",), "general": ("GE",)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a message led to.

    Attributes:
        error: Whether the message should not have come.
        reply: Messages that go back to its sender.
        outcome: The case after it, and what moved.
    """

    error: bool
    reply: tuple[str, ...]
    outcome: Outcome


def answer(case: Case, message: str, *, sender: str, receiver: str) -> Answer:
    """What happens when a message of `sender` reaches `receiver`.

    Raises:
        UnknownName: no such message or participant.
    """
    tables = load_tables()
    if message not in tables.messages:
        hint = f"known: {', '.join(tables.messages)}"
        raise UnknownName(f"no message {message!r}", hint=hint)
    states = {
        "RM": case.participant(receiver).rm,
        "PEC": case.participant(sender).pec,
        "EM": case.em,
        "PXA": case.pxa,
    }
    for row in tables.replies:
        if message in row.messages and all(states[name] in row.when[name] for name in row.when):
            return _follow(case, row, message, {"sender": sender, "receiver": receiver})
    return _error(case, message)


def forward(case: Case, sender: str, receiver: str) -> tuple[Outcome, Answer]:
    """The sender's report reaches somebody who may lack it: what moves at both.

    Raises:
        NotSatisfied: the sender has not accepted the report.
        UnknownName: no such participant.
    """
    sent = apply(case, Act("RM", "forward", sender))
    consents = case.participant(receiver).pec == "signatory"
    if case.em in IN_FORCE and not consents:
        rule = "consent_before_report"
        advice = (*sent.advice, Advice(rule, load_tables().agreement[rule]))
        sent = Outcome(sent.case, sent.effects, advice)
    return sent, answer(sent.case, "RS", sender=sender, receiver=receiver)


def _follow(case: Case, row: Reply, message: str, names: dict[str, str]) -> Answer:
    if not row.moves:
        return Answer(row.error, row.reply, Outcome(case))
    machine, event, whose = row.moves
    act = Act(machine, event, names[whose])
    if refused_by(case, act) is not None:
        return _error(case, message)
    return Answer(row.error, row.reply, apply(case, act))


def _error(case: Case, message: str) -> Answer:
    model = load_tables().messages[message].model
    return Answer(error=True, reply=_ERRORS[model], outcome=Outcome(case))
