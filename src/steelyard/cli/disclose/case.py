"""`steelyard disclose case`: open a case, look at it, invite, exchange it without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.disclose.here import (
    DEFAULT_NODE,
    Case,
    NodeFolder,
    case_named,
    opened,
    organization_named,
    read_text,
)
from steelyard.cli.output import one_line, say, write, write_json

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.case import Chain
    from steelyard.disclosure.case.view import View
    from steelyard.server.node.saying import Said

app = typer.Typer(name="case", help="Cases: open, follow and act in them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@app.command("open")
def open_(
    title: Annotated[str, typer.Option(help="Title, without a payload.")],
    role: Annotated[list[str], typer.Option(help="Your role in the case; repeatable.")],
    abstract: Annotated[str, typer.Option(help="What it is about, without a payload.")] = "",
    abstract_file: Annotated[Path | None, typer.Option(help="File with the abstract.")] = None,
    level: Annotated[str, typer.Option(help="What answers tell: verdict, band or counts.")] = (
        "verdict"
    ),
    silent_days: Annotated[
        int, typer.Option(min=1, max=730, help="Days of silence until a host may be replaced.")
    ] = 14,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Open a case that your node hosts."""
    from steelyard.server.node import saying

    words = read_text(abstract, abstract_file, "--abstract")
    opening = saying.Opening(title, words, tuple(role), level=level, silent_days=silent_days)
    with opened(node) as here:
        said = here.run(lambda connection: saying.open_case(here, connection, opening))
    write(said.case)


@app.command("list")
def list_(node: NodeFolder = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """List the cases of the node, the one with the latest entry first."""
    from steelyard.kernel import format_instant
    from steelyard.server.storage import cases, organizations

    with opened(node) as here, here.database.reading() as connection:
        rows = cases.list_cases(connection)
        names = {
            item.card.organization: item.card.name for item in organizations.all_known(connection)
        }
    if as_json:
        write_json(
            [
                {"case": row.id, "title": row.title, "host": row.host, "entries": row.size,
                 "head": row.head, "ordered": format_instant(row.ordered)}
                for row in rows
            ]
        )  # fmt: skip
        return
    for row in rows:
        host = names.get(row.host, row.host[:20])
        write(f"{row.id[:12]}  {row.title}  {row.size} entries, host {host}")


@app.command()
def show(case: Case, node: NodeFolder = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """Show where a case stands: participants, embargo, targets, advisory."""
    from steelyard.server.node import saying

    with opened(node) as here, here.database.reading() as connection:
        chain = here.chains.get(connection, case_named(connection, case))
        found = _found(here.organization, chain, saying.readable(here, connection, chain.view))
        now = here.now()
    if as_json:
        write_json(_case_json(chain, found))
        return
    view = chain.view
    write(f"{view.title}")
    write(f"  case {view.case}")
    write(f"  {view.size} entries, head {view.head[:16]}, host {view.named(view.host)}")
    write(f"  embargo {view.states.em}{_until(view)}; the world {view.states.pxa}")
    for name, member in view.members.items():
        item = view.states.participant(name)
        roles, fix = ", ".join(sorted(member.roles)), f", {item.vfd}" if item.vfd else ""
        left = " (left)" if member.left else ""
        write(f"  {member.card.name}{left}: {roles}; report {item.rm}, consent {item.pec}{fix}")
    _warn_of_look_alikes(view)
    _show_targets(view, found, now)
    publication = view.publication
    if publication.advisory:
        state = "public" if publication.published else f"draft, {len(publication.approved)} agree"
        write(f"  advisory {publication.advisory[:16]}: {state}")
    for item in publication.dissents:
        write(f"  dissent of {view.named(item.author)}: {one_line(item.text)}")


@app.command()
def timeline(case: Case, node: NodeFolder = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """List the entries of a case: when, who, what, and what it moved."""
    from steelyard.kernel import format_instant

    with opened(node) as here, here.database.reading() as connection:
        chain = here.chains.get(connection, case_named(connection, case))
    rows = [
        {
            "index": item.entry.index,
            "ordered": format_instant(item.entry.ordered),
            "author": item.event.author,
            "name": chain.view.named(item.event.author),
            "kind": item.event.kind,
            "hash": item.hash,
            "moved": [
                f"{effect.machine} {effect.before} to {effect.after}" for effect in item.effects
            ],
        }
        for item in chain.ordered
    ]
    if as_json:
        write_json(rows)
        return
    for row in rows:
        moved = row["moved"]
        told = f": {'; '.join(moved)}" if isinstance(moved, list) and moved else ""
        write(f"{row['index']:>5}  {row['ordered']}  {row['name']}  {row['kind']}{told}")


@app.command()
def invite(
    case: Case,
    organization: Annotated[str, typer.Argument(help="Name or id; its card must be here.")],
    role: Annotated[list[str], typer.Option(help="Its role in the case; repeatable.")],
    open_weights: Annotated[
        bool, typer.Option("--open-weights", help="Anybody may hold the weights.")
    ] = False,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Invite an organization."""
    from steelyard.server.node import saying

    with opened(node) as here:
        with here.database.reading() as connection:
            name, who = case_named(connection, case), organization_named(connection, organization)
        invitation = saying.Invitation(who, tuple(role), open_weights)
        show_said(here.run(lambda connection: saying.invite(here, connection, name, invitation)))


@app.command("forget-refused")
def forget_refused(case: Case, node: NodeFolder = DEFAULT_NODE) -> None:
    """Give up events of yours that the host refused."""
    from steelyard.server.node import saying

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
        count = here.run(lambda connection: saying.forget_refused(here, connection, name))
    write(str(count))


@app.command()
def verify(case: Case, node: NodeFolder = DEFAULT_NODE) -> None:
    """Verify every entry of a case anew, and the latest checkpoint with who cosigned it."""
    from steelyard.disclosure.case import replay
    from steelyard.disclosure.case.checkpoint import cosigned_by
    from steelyard.kernel.errors import BrokenSeal
    from steelyard.server.storage import cases

    with opened(node) as here, here.database.reading() as connection:
        name = case_named(connection, case)
        chain = replay(name, cases.entries(connection, name))
        notes = cases.latest_notes(connection, name)
    write(f"{chain.size} entries verified, head {chain.head}")
    for note in notes:
        for member in chain.view.members.values():
            keys = {item.key.key_id: item.key for item in member.card.keys}
            try:
                at = cosigned_by(note, member.card.organization, keys)
            except BrokenSeal:
                continue
            write(f"  cosigned by {member.card.name} at {at:%Y-%m-%dT%H:%M:%SZ}")


def show_said(said: Said) -> None:
    """Print what was said, and whether it stands in the case."""
    write(said.digest)
    if said.index is None:
        say("on its way to the host of the case")
    else:
        say(f"entry {said.index}")


def _found(own: str, chain: Chain, opened_objects: dict[str, bytes]) -> dict[str, str]:
    """States of targets that this node may see, by `organization/handle`."""
    from steelyard.disclosure.case.findings import find

    found = find(chain, opened_objects)
    is_coordinator = "coordinator" in chain.view.members[own].roles
    return {
        f"{organization}/{handle}": item.state
        for (organization, handle), item in found.targets.items()
        if is_coordinator or organization == own
    }


def _warn_of_look_alikes(view: View) -> None:
    from steelyard.disclosure.case.organization import look_alike_names

    names = {name: member.card.name for name, member in view.members.items()}
    for name, others in look_alike_names(names).items():
        say(f"warning: {names[name]} ({name[:20]}) looks like {', '.join(others)}")


def _show_targets(view: View, found: dict[str, str], now: datetime) -> None:
    from steelyard.disclosure.states.silence import shown

    for item in view.targets.values():
        state = found.get(f"{item.organization}/{item.handle}", item.state)
        text = state if state == "answered" else shown(state, item.since, now).text
        label = item.handle or "(no target named)"
        write(f"  target {view.named(item.organization)} {label} {item.version}: {text}")


def _until(view: View) -> str:
    from steelyard.kernel import format_instant

    return f" until {format_instant(view.terms.until)}" if view.terms else ""


def _case_json(chain: Chain, found: dict[str, str]) -> dict[str, object]:
    from steelyard.kernel import format_instant

    view = chain.view
    table, terms = view.table, view.terms
    return {
        "case": view.case,
        "title": view.title,
        "host": view.host,
        "entries": view.size,
        "head": view.head,
        "ordered": format_instant(view.ordered),
        "em": view.states.em,
        "pxa": view.states.pxa,
        "terms_on_table": table.digest if table else None,
        "terms": {"digest": terms.digest, "until": format_instant(terms.until)} if terms else None,
        "participants": [
            {
                "organization": name,
                "name": member.card.name,
                "roles": sorted(member.roles),
                "rm": view.states.participant(name).rm,
                "pec": view.states.participant(name).pec,
                "vfd": view.states.participant(name).vfd or None,
                "left": member.left,
            }
            for name, member in view.members.items()
        ],
        "targets": [
            {
                "organization": item.organization,
                "handle": item.handle,
                "version": item.version,
                "state": found.get(f"{item.organization}/{item.handle}", item.state),
                "since": format_instant(item.since),
            }
            for item in view.targets.values()
        ],
        "objects": [
            {"id": item.id, "media_type": item.media_type, "tier": item.tier,
             "author": item.author, "recipients": list(item.recipients)}
            for item in view.payloads.values()
        ],
        "queries": sorted(view.queries),
        "advisory": view.publication.advisory or None,
        "approved": len(view.publication.approved),
        "published": format_instant(view.publication.published)
        if view.publication.published
        else None,
        "dissents": [
            {"digest": item.digest, "author": item.author, "text": item.text}
            for item in view.publication.dissents
        ],
    }  # fmt: skip
