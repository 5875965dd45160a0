"""What an event said, in a sentence, with the author's own text apart from ours.

Decides the wording for each kind of event. Names inside a sentence are isolated, so that none
changes the direction of what stands around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.case.organization import card_from_json
from steelyard.disclosure.case.permissions import load_kinds
from steelyard.disclosure.states import load_tables
from steelyard.kernel import exact_instant
from steelyard.server.web.moments import moment
from steelyard.server.web.words import TIERS, count_words, isolated, role_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from steelyard.disclosure.case.event import Event
    from steelyard.disclosure.case.view import View

_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Said:
    """What an event said.

    Attributes:
        text: Our sentence, which the author's name precedes.
        quote: The author's own words; empty for none.
        objects: Ids of sealed objects that it brings.
    """

    text: str
    quote: str = ""
    objects: tuple[str, ...] = ()


def said(event: Event, view: View, now: datetime) -> Said:
    """What an event said, with the names of the case as it stands.

    Args:
        event: What is told.
        view: The case, for names.
        now: The instant of the page.
    """
    body = cast("dict[str, Any]", event.body)
    write = _WRITERS.get(event.kind)
    text = write(body, view, now) if write else load_kinds()[event.kind].meaning
    quote = next((str(body[name]) for name in _QUOTED if body.get(name)), "")
    brings = event.kind != "hazard" and "object" in body
    objects = (str(body["object"]["id"]),) if brings else ()
    return Said(text, quote, objects)


_QUOTED: Final = ("reason", "text", "evidence", "note", "facts", "abstract")


def _names(organizations: list[str], view: View) -> str:
    if len(organizations) == 1:
        return isolated(view.named(organizations[0]))
    return count_words(len(organizations), "organization")


def _terms(digest: str, view: View) -> str:
    for terms in (view.table, view.terms):
        if terms is not None and terms.digest == digest:
            return f"the terms of {isolated(view.named(terms.by))}"
    return f"terms {digest[:_SHORT]}"


def _until(text: str, now: datetime) -> str:
    return moment(exact_instant(text), now).text


def _judge(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    return f"says of the report: {load_tables().machine('RM').events[body['event']]}"


def _fix(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    return f"says: {load_tables().machine('VFD').events[body['event']]}"


def _world(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    return f"says: {load_tables().machine('PXA').events[body['event']]}"


def _invite(body: Mapping[str, Any], _view: View, now: datetime) -> str:
    card = card_from_json(body["card"])
    roles, until = role_words(body["roles"]), _until(body["answer_by"], now)
    return f"invites {isolated(card.name)} as {roles}, to answer by {until}"


def _card(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    card = card_from_json(body["card"])
    return f"shows card {card.sequence} of {isolated(card.name)}"


def _report(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    return f"sends the report to {_names(body['to'], view)}"


def _propose(body: Mapping[str, Any], _view: View, now: datetime) -> str:
    return f"proposes an embargo until {_until(body['until'], now)}"


def _target(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    guard = f", guardrail {isolated(body['guardrail'])}" if body["guardrail"] else ""
    return f"names the target {body['handle']}, version {isolated(body['version'])}{guard}"


def _query(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    return f"asks {_names(body['to'], view)} whether they are affected"


def _progress(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    done = {"acknowledge": "acknowledges the query for", "run": "begins a run on"}
    return f"{done[body['event']]} {body['target']}"


def _counts(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    return f"tells counts of {count_words(body['answers'], 'answer')}"


def _hazard(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    known = view.payloads.get(body["object"])
    tier = f", now {TIERS[known.tier]}" if known else ""
    moved = {
        "lower": "agrees to lower",
        "raise_to_h2": "raises to H2",
        "raise_to_h3": "raises to H3",
    }
    return f"{moved[body['event']]} payload {body['object'][:_SHORT]}{tier}"


def _note(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    return f"writes a sealed note to {_names(body['object']['recipients'], view)}"


def _ruling(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    found = [d for d in view.publication.dissents if d.digest == body["dissent"]]
    whose = f"the dissent of {isolated(view.named(found[0].author))}" if found else "a dissent"
    return f"{'upholds' if body['upheld'] else 'does not uphold'} {whose}"


def _emergency(body: Mapping[str, Any], _view: View, _now: datetime) -> str:
    told = ", ".join(isolated(name) for name in body["told"]) or "no authority"
    return f"calls an emergency; told: {told}"


def _transfer(body: Mapping[str, Any], view: View, _now: datetime) -> str:
    whose = isolated(view.named(body["to"]))
    return f"agrees that {whose} orders the case from entry {body['size']}"


_WRITERS: Final[Mapping[str, Callable[[Mapping[str, Any], View, datetime], str]]] = {
    "open": lambda body, _view, _now: f"opens the case {isolated(body['title'])}",
    "invite": _invite,
    "card": _card,
    "leave": lambda _body, _view, _now: "leaves the case",
    "report": _report,
    "judge": _judge,
    "fix": _fix,
    "attest": lambda body, view, _now: (
        f"has deployed the fix of {isolated(view.named(body['developer']))}"
    ),
    "world": _world,
    "propose": _propose,
    "accept": lambda body, view, _now: f"accepts {_terms(body['terms'], view)}",
    "reject": lambda body, view, _now: f"rejects {_terms(body['terms'], view)}, for everybody",
    "lapse": lambda body, view, _now: (
        f"{isolated(view.named(body['organization']))} did not answer in time whether it consents"
    ),
    "decline": lambda body, view, _now: f"declines {_terms(body['terms'], view)}, for itself",
    "terminate": lambda _body, _view, _now: "ends the embargo",
    "target": _target,
    "query": _query,
    "progress": _progress,
    "answer": lambda body, _view, _now: f"sends a sealed answer about {body['target']}",
    "status": lambda body, _view, _now: f"sends a sealed step of {body['target']}",
    "counts": _counts,
    "hazard": _hazard,
    "note": _note,
    "draft": lambda body, _view, _now: f"puts up draft {body['advisory'][:_SHORT]} of the advisory",
    "approve": lambda body, _view, _now: f"agrees with draft {body['advisory'][:_SHORT]}",
    "dissent": lambda body, _view, _now: f"dissents from draft {body['advisory'][:_SHORT]}",
    "ruling": _ruling,
    "publish": lambda body, _view, _now: f"publishes advisory {body['advisory'][:_SHORT]}",
    "emergency": _emergency,
    "transfer": _transfer,
}
