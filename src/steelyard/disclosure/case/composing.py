"""A draft of the advisory from what a case knows.

Decides what of a case stands in the draft (spec/disclosure-case.md, section Publication): each
target with its verdict and no rate, who was asked and is silent, and every dissent with its ruling.
What people write themselves, such as the summary, is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.affected import ANSWERED
from steelyard.kernel import format_instant
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.case.findings import Findings
    from steelyard.disclosure.case.view import Dissent, Target, View
    from steelyard.kernel import JsonObject
    from steelyard.kernel.canonical import JsonValue

_VERDICTS: Final = {
    "affected": "affected",
    "mitigating": "affected",
    "risk_accepted": "affected",
    "not_affected": "not_affected",
    "undetermined": "undetermined",
    "verified": "fixed",
    "unknown": "not_checked",
    "acked": "not_checked",
    "running": "not_checked",
    "retest": "not_checked",
    "notified": "silent",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """What people say in the advisory.

    Attributes:
        id: Of the advisory.
        category: Of the publisher, as CSAF has it: coordinator, vendor, discoverer.
        namespace: https address under the publisher's control.
        description: Of the flaw, without a payload.
    """

    id: str
    publisher: str
    category: str
    namespace: str
    summary: str
    description: str
    flaw_class: str = ""


def compose_advisory(view: View, findings: Findings, wording: Wording, at: datetime) -> JsonObject:
    """The document of an advisory, in the form of spec/disclosure-advisory.md.

    Args:
        view: The case.
        findings: As the coordinator opened them.
        wording: What people say.
        at: When the draft is made.

    Raises:
        NotSatisfied: an answer that was not opened, which the draft could only misstate.
    """
    named = [item for item in view.targets.values() if item.handle]
    ids = {(item.organization, item.handle): f"T{place}" for place, item in enumerate(named, 1)}
    rows: list[JsonValue] = []
    for item in named:
        key = (item.organization, item.handle)
        found = findings.targets.get(key)
        if found is not None and found.state == ANSWERED:
            message = f"an answer of {view.named(item.organization)} was not opened"
            hint = "let a coordinator who can read every answer draft the advisory"
            raise NotSatisfied(message, where=item.handle, hint=hint)
        rows.append(_row(ids[key], item, found.state if found else item.state))
    finding: JsonObject = {
        "id": "F1",
        "title": view.title,
        "description": wording.description,
        "affectedness": rows,
    }
    if wording.flaw_class:
        finding["flaw_class"] = wording.flaw_class
    document: JsonObject = {
        "schema": "steelyard/advisory/1",
        "id": wording.id,
        "title": view.title,
        "status": "final",
        "tlp": "CLEAR",
        "publisher": {
            "name": wording.publisher,
            "category": wording.category,
            "namespace": wording.namespace,
        },
        "revisions": [{"number": 1, "at": format_instant(at), "summary": "First publication"}],
        "summary": wording.summary,
        "targets": [_target(ids[item.organization, item.handle], item, view) for item in named],
        "findings": [finding],
    }
    if view.publication.dissents:
        words = (_dissent(view, item) for item in view.publication.dissents)
        document["details"] = "\n\n".join(words)
    return document


def _target(name: str, target: Target, view: View) -> JsonObject:
    found: JsonObject = {
        "id": name,
        "kind": "model",
        "vendor": view.named(target.organization),
        "name": target.handle,
        "version": target.version,
    }
    if target.commitment is not None:
        uri = f"urn:steelyard:commitment:{target.commitment}"
        found["uris"] = [{"namespace": "https://steelyard.example/commitment", "uri": uri}]
    return found


def _row(name: str, target: Target, state: str) -> JsonObject:
    row: JsonObject = {"target": name, "verdict": _VERDICTS[state]}
    if row["verdict"] == "silent":
        row["asked_at"] = format_instant(target.since)
    if row["verdict"] == "not_affected":
        row["why"] = "The reproducer was run, and its rate is below what counts as affected."
    if row["verdict"] == "undetermined":
        row["why"] = "Too few tries to say."
    return row


def _dissent(view: View, item: Dissent) -> str:
    who = view.named(item.author)
    said = f"{who} disagrees: {item.text}"
    if item.upheld is None:
        return said
    decided = "upheld" if item.upheld else "not upheld"
    return f"{said}\nThe adjudicator: {decided}. {item.ruling}"
