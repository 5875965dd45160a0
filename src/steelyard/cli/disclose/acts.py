"""What an organization says in a case, one command for each kind of event.

Every command signs one event with the node's key; where another node hosts the case it goes into
the outbox, for the server or a bundle to carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.disclose.case import app, show_said
from steelyard.cli.disclose.here import (
    DEFAULT_NODE,
    Case,
    NodeFolder,
    case_named,
    opened,
    organization_named,
    read_text,
)
from steelyard.cli.output import say, write

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.kernel import JsonObject

_OBJECT_LIMIT_BYTES = 12 << 20

Reason = Annotated[str, typer.Option(help="Why.")]
Text = Annotated[str, typer.Option("--text", help="The text.")]
TextFile = Annotated[Path | None, typer.Option("--text-file", help="File with the text.")]
Target = Annotated[str, typer.Argument(help="Your handle of the target.")]
Terms = Annotated[str, typer.Option(help="The terms; those on the table by default.")]
Tier = Annotated[str, typer.Option(help="Hazard tier: h0, h1, h2 or h3.")]
To = Annotated[
    list[str] | None, typer.Option("--to", help="Who reads it; everybody by default; repeatable.")
]
MediaType = Annotated[str, typer.Option(help="Media type of the file.")]


@app.command()
def report(
    case: Case,
    file: Annotated[Path, typer.Argument(help="The report, or a reproducer.")],
    to: To = None,
    tier: Tier = "h1",
    media_type: MediaType = "text/plain",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Send the report to participants, encrypted to each."""
    _say_object(node, case, "report", _Sealed(file, media_type, tier, tuple(to or ())))


@app.command()
def note(
    case: Case,
    file: Annotated[Path, typer.Argument(help="What is sent.")],
    to: To = None,
    tier: Tier = "h1",
    media_type: MediaType = "text/plain",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Send a sealed text or file to participants."""
    _say_object(node, case, "note", _Sealed(file, media_type, tier, tuple(to or ())))


@app.command()
def read(
    case: Case,
    name: Annotated[str, typer.Argument(help="Beginning of an object's id.")],
    out: Annotated[Path, typer.Option(help="New file for its content.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Open an object that was sealed to this organization."""
    from steelyard.cli.places import require_absent
    from steelyard.kernel.errors import NotSatisfied, UnknownName
    from steelyard.kernel.files import write_atomically
    from steelyard.server.node import saying

    require_absent(out)
    with opened(node) as here, here.database.reading() as connection:
        view = here.chains.get(connection, case_named(connection, case)).view
        found = [key for key in view.payloads if key.startswith(name.lower())]
        if len(found) != 1:
            raise UnknownName(f"{name[:80]!r} begins the id of {len(found)} objects, need one")
        if view.payloads[found[0]].tier == "h3":
            message = "a sealed payload is run where it is held, and seen by nobody"
            raise NotSatisfied(message, hint="steelyard disclose reproduce takes it as it is")
        opened_object = saying.read_object(here, connection, found[0])
    write_atomically(out, opened_object.plaintext, mode=0o600)
    write(f"{opened_object.media_type}, {len(opened_object.plaintext):,} bytes")


@app.command()
def judge(
    case: Case,
    event: Annotated[str, typer.Argument(help="validate, invalidate, accept, defer or close.")],
    reason: Reason = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Say what you make of the report."""
    _say(node, case, "judge", {"event": event, "reason": reason})


@app.command()
def propose(
    case: Case,
    until: Annotated[str, typer.Option(help="End of the embargo.")],
    text: Text = "",
    text_file: TextFile = None,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Propose an embargo, or other terms than those that stand."""
    from steelyard.kernel import format_instant, parse_instant

    words = read_text(text, text_file, "--text")
    instant = format_instant(parse_instant(until, where="--until"))
    _say(node, case, "propose", {"until": instant, "text": words})


@app.command()
def accept(case: Case, terms: Terms = "", node: NodeFolder = DEFAULT_NODE) -> None:
    """Consent to the terms on the table, or to those in force."""
    _say(node, case, "accept", {"terms": _terms(node, case, terms)})


@app.command()
def reject(
    case: Case, terms: Terms = "", reason: Reason = "", node: NodeFolder = DEFAULT_NODE
) -> None:
    """Make the terms on the table fall, for everybody."""
    _say(node, case, "reject", {"terms": _terms(node, case, terms), "reason": reason})


@app.command()
def decline(
    case: Case, terms: Terms = "", reason: Reason = "", node: NodeFolder = DEFAULT_NODE
) -> None:
    """Refuse consent or take it back, for yourself alone."""
    _say(node, case, "decline", {"terms": _terms(node, case, terms), "reason": reason})


@app.command()
def terminate(case: Case, reason: Reason = "", node: NodeFolder = DEFAULT_NODE) -> None:
    """End the embargo."""
    _say(node, case, "terminate", {"reason": reason})


@app.command()
def fix(
    case: Case,
    event: Annotated[str, typer.Argument(help="F for ready, D for deployed.")],
    note_text: Annotated[str, typer.Option("--note", help="What is fixed, and where.")] = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Say that your fix is ready, or deployed."""
    _say(node, case, "fix", {"event": event, "note": note_text})


@app.command()
def attest(
    case: Case,
    developer: Annotated[str, typer.Argument(help="Whose open weights they are.")],
    note_text: Annotated[str, typer.Option("--note", help="Where it is deployed.")] = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """As a deployer of open weights, say that you run them with the fix."""
    body: JsonObject = {"developer": _who(node, developer), "note": note_text}
    _say(node, case, "attest", body)


@app.command()
def world(
    case: Case,
    event: Annotated[str, typer.Argument(help="P public, X exploit public, A attacks.")],
    evidence: Annotated[str, typer.Option(help="How you know.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Say what the world knows, with the evidence."""
    _say(node, case, "world", {"event": event, "evidence": evidence})


@app.command()
def target(
    case: Case,
    handle: Target,
    version: Annotated[str, typer.Option(help="Version, or the date of a hosted model.")],
    commitment: Annotated[
        str | None, typer.Option(help="SHA-256 of the weights, or commitment to an endpoint.")
    ] = None,
    guardrail: Annotated[str, typer.Option(help="Version of the guardrail.")] = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Name a target of yours, or a new version of one."""
    body: JsonObject = {
        "handle": handle,
        "version": version,
        "commitment": commitment,
        "guardrail": guardrail,
    }
    _say(node, case, "target", body)


@app.command()
def hazard(
    case: Case,
    name: Annotated[str, typer.Argument(help="Id of the object.")],
    event: Annotated[str, typer.Argument(help="lower, raise_to_h2 or raise_to_h3.")],
    reason: Reason = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Raise the tier of a payload, or agree that it is lowered."""
    _say(node, case, "hazard", {"object": name, "event": event, "reason": reason})


@app.command()
def emergency(
    case: Case,
    facts: Annotated[str, typer.Option(help="Minimal facts, without a payload.")],
    told: Annotated[
        list[str] | None, typer.Option(help="Authority that was told; repeatable.")
    ] = None,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Skip negotiation: tell everybody at once."""
    _say(node, case, "emergency", {"facts": facts, "told": [*(told or ())]})


@app.command()
def vote(
    case: Case,
    to: Annotated[str, typer.Argument(help="Who shall order the case from here on.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Agree that another organization orders a case whose host is silent."""
    from steelyard.server.node import ownership

    with opened(node) as here:
        with here.database.reading() as connection:
            name, who = case_named(connection, case), organization_named(connection, to)
        write(here.run(lambda connection: ownership.vote(here, connection, name, who)))
    say("on its way to the organization that would take over")


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A file that is sealed for participants."""

    file: Path
    media_type: str
    tier: str
    to: tuple[str, ...]


def _say_object(node: Path, case: str, kind: str, sealed: _Sealed) -> None:
    from steelyard.kernel import read_bytes
    from steelyard.server.node import saying

    plaintext = read_bytes(sealed.file, limit_bytes=_OBJECT_LIMIT_BYTES)
    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            view = here.chains.get(connection, name).view
            everybody = [*view.present_members()]
            named = [organization_named(connection, text) for text in sealed.to] or everybody
        others = tuple(key for key in named if key != here.organization)
        material = saying.Material(plaintext, sealed.media_type, sealed.tier, others)

        def change(connection: Connection) -> saying.Said:
            reference = saying.put_object(here, connection, name, material)
            rest: JsonObject = {"to": [*others]} if kind == "report" else {"about": None}
            body: JsonObject = {"object": reference, **rest}
            return saying.say(here, connection, name, kind, body)

        show_said(here.run(change))


def _say(node: Path, case: str, kind: str, body: JsonObject) -> None:
    from steelyard.server.node import saying

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
        show_said(here.run(lambda connection: saying.say(here, connection, name, kind, body)))


def _terms(node: Path, case: str, terms: str) -> str:
    """The terms that are named, or those on the table, or those in force."""
    from steelyard.kernel.errors import NotSatisfied

    if terms:
        return terms
    with opened(node) as here, here.database.reading() as connection:
        view = here.chains.get(connection, case_named(connection, case)).view
    found = view.table or view.terms
    if found is None:
        raise NotSatisfied("no terms are on the table", hint="steelyard disclose case propose")
    return found.digest


def _who(node: Path, text: str) -> str:
    with opened(node) as here, here.database.reading() as connection:
        return organization_named(connection, text)
