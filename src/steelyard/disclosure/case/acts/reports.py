"""The report and what becomes of it: who has it, what they make of it, fixes, the world.

Decides nothing but how events become acts of the state machines (spec/disclosure-case.md,
section Reports and fixes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.case.acts.payloads import register
from steelyard.disclosure.states.answers import forward

if TYPE_CHECKING:
    from steelyard.disclosure.case.acts.step import Step


def report(step: Step) -> None:
    """The report goes to organizations that may lack it; a vendor among them is aware."""
    to = step.body["to"]
    missing = [name for name in to if name not in step.body["object"]["recipients"]]
    if missing:
        raise step.refuse(f"{step.view.named(missing[0])} cannot decrypt what is sent to it")
    register(step, step.body["object"])
    for name in to:
        sent, answered = forward(step.view.states, step.author, name)
        step.follow(sent)
        step.follow(answered.outcome)


def judge(step: Step) -> None:
    """What the author makes of the report."""
    if step.body["event"] in {"invalidate", "defer"} and not step.body["reason"].strip():
        raise step.refuse("a report is put off or refused with a reason")
    step.move("RM", step.body["event"])


def fix(step: Step) -> None:
    """The author's fix is ready, or deployed; open weights need their deployers' word."""
    attesters = step.view.attested.get(step.author, frozenset[str]())
    step.move("VFD", step.body["event"], attesters=attesters)


def attest(step: Step) -> None:
    """A deployer of open weights says that it runs with the fix."""
    developer = step.body["developer"]
    step.view.member(developer)
    if not step.view.states.participant(developer).open_weights:
        raise step.refuse(f"the weights of {step.view.named(developer)} are not open")
    if step.view.states.participant(developer).vfd not in {"VFd", "VFD"}:
        raise step.refuse(f"{step.view.named(developer)} has no fix ready")
    known = step.view.attested.get(developer, frozenset[str]())
    step.set(attested={**step.view.attested, developer: known | {step.author}})


def world(step: Step) -> None:
    """What the world knows, by who has the report and gives the evidence."""
    step.move("PXA", step.body["event"])
