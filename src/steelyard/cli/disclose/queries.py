"""`steelyard disclose case query` and on: asking who is affected, answering, verified fixes."""

from __future__ import annotations

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
    from steelyard.disclosure.case.view import Publication
    from steelyard.server.node.queries import Asked

Level = Annotated[str, typer.Option(help="What is told: verdict, band or counts.")]
Target = Annotated[str, typer.Argument(help="Your handle of the target.")]


@app.command()
def query(
    case: Case,
    reproducer: Annotated[Path, typer.Argument(help="The reproducer: JSON or strict YAML.")],
    to: Annotated[
        list[str] | None, typer.Option(help="Who is asked; every developer by default.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it lapses.")] = 14,
    level: Level = "verdict",
    tier: Annotated[str, typer.Option(help="Hazard tier of the reproducer.")] = "h1",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Ask organizations whether they are affected, and send them the reproducer."""
    from steelyard.disclosure.reproducer.document import SIZE_LIMIT_BYTES, read_reproducer
    from steelyard.kernel import days_after, read_bytes
    from steelyard.server.node import queries

    data = read_bytes(reproducer, limit_bytes=SIZE_LIMIT_BYTES)
    document = read_reproducer(data, where=str(reproducer))
    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            named = tuple(organization_named(connection, text) for text in to or ())
        until = days_after(here.now(), days)
        asking = queries.Asking(data, document, level, until, tier, named)
        asked: Asked = here.run(lambda c: queries.ask(here, c, name, asking))
    write(asked.query)
    say(f"asked {asked.organizations} organizations")


@app.command()
def answer(
    case: Case,
    target: Target,
    run: Annotated[Path, typer.Argument(help="Folder of `reproduce`.")],
    asked: Annotated[
        str, typer.Option("--query", help="Digest of the query; the latest one by default.")
    ] = "",
    level: Level = "verdict",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Answer a query from a finished run, sealed for the coordinator."""
    from steelyard.pipeline.reproduction import read_reproduction, require_whole
    from steelyard.server.node import queries

    ran = require_whole(read_reproduction(run), str(run)).ran(target)
    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
        given = queries.Given(target, asked, level)
        show_said(here.run(lambda c: queries.answer(here, c, name, given, ran)))
    say(f"keep for an audit: {run / 'records.jsonl'}, {run / 'private'}, {run / 'logs'}")


@app.command()
def status(
    case: Case,
    target: Target,
    event: Annotated[
        str, typer.Argument(help="mitigate, verify, fail_verification or accept_risk.")
    ],
    note: Annotated[str, typer.Option(help="For the coordinator.")] = "",
    evidence: Annotated[
        Path | None, typer.Option(help="The check of `verify-fix`, as evidence.")
    ] = None,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Tell the coordinator a sealed step of your target."""
    from steelyard.kernel import read_bytes, sha256_hex
    from steelyard.server.node import queries

    digest = sha256_hex(read_bytes(evidence, limit_bytes=1 << 24)) if evidence else None
    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
        update = queries.Update(target, event, note, digest)
        show_said(here.run(lambda c: queries.update(here, c, name, update)))


@app.command()
def counts(
    case: Case,
    asked: Annotated[
        str, typer.Option("--query", help="Digest of the query; the latest one by default.")
    ] = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """As the coordinator, tell everybody how many answered what, never fewer than three."""
    from steelyard.server.node import queries

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            counted = queries.count_answers(here, connection, name, asked)
        show_said(here.run(lambda c: queries.tell_counts(here, c, counted)))


@app.command()
def draft(
    case: Case,
    file: Annotated[
        Path | None, typer.Argument(help="The advisory in YAML; composed from the case without.")
    ] = None,
    advisory_id: Annotated[str, typer.Option("--id", help="Id, where it is composed.")] = "",
    namespace: Annotated[str, typer.Option(help="Your https address, where it is.")] = "",
    summary: Annotated[str, typer.Option(help="Summary, where it is composed.")] = "",
    summary_file: Annotated[Path | None, typer.Option(help="File with the summary.")] = None,
    category: Annotated[
        str, typer.Option(help="What you are: coordinator, vendor or discoverer.")
    ] = "coordinator",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Show everybody a draft of the advisory."""
    from steelyard.disclosure.advisory.reading import FILE_LIMIT_BYTES
    from steelyard.disclosure.case.composing import Wording
    from steelyard.kernel import read_bytes
    from steelyard.server.node import publishing
    from steelyard.server.node.checking import check

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            if file is not None:
                document = read_bytes(file, limit_bytes=FILE_LIMIT_BYTES)
            else:
                words = read_text(summary, summary_file, "--summary")
                publisher = here.identity.card.name
                wording = Wording(advisory_id, publisher, category, namespace, words, words)
                document = publishing.compose(here, connection, name, wording)
            checked = check(here, connection, name, document)
        show_said(here.run(lambda c: publishing.draft(here, c, name, checked)))


@app.command()
def approve(case: Case, node: NodeFolder = DEFAULT_NODE) -> None:
    """Agree with the draft that stands."""
    _about_draft(node, case, "approve", {})


@app.command()
def dissent(
    case: Case,
    text: Annotated[str, typer.Option(help="What is published beside the advisory.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Disagree with the draft that stands."""
    _about_draft(node, case, "dissent", {"text": text})


@app.command()
def ruling(
    case: Case,
    dissent_digest: Annotated[str, typer.Argument(help="Digest of the dissent.")],
    text: Annotated[str, typer.Option(help="Why.")],
    upheld: Annotated[bool, typer.Option("--upheld/--not-upheld", help="Who is right.")] = False,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """As the adjudicator, decide a dissent."""
    from steelyard.server.node import saying

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
        body = {"dissent": dissent_digest, "upheld": upheld, "text": text}
        show_said(here.run(lambda c: saying.say(here, c, name, "ruling", {**body})))


@app.command()
def publish(
    case: Case,
    reference: Annotated[
        list[str] | None, typer.Option(help="Address of the advisory; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files of a CSAF provider.")
    ] = None,
    base_url: Annotated[str, typer.Option(help="https address that the folder will have.")] = "",
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Make the draft that stands public; nothing is published if it repeats a payload."""
    from steelyard.cli.disclose.trees import write_tree
    from steelyard.disclosure.advisory import Site
    from steelyard.disclosure.advisory.provider import require_base
    from steelyard.kernel.errors import UsageError
    from steelyard.server.node import publishing

    if out is None and base_url:
        raise UsageError("--base-url belongs to --out", hint="--out FOLDER")
    if out is not None:
        require_base(base_url)
    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            is_public = publishing.is_public(here, connection, name)
            standing = here.chains.get(connection, name).view.publication
        links = tuple(reference or ())
        if is_public and out is not None:
            _require_published_with(standing, links)
            say("it is public: the files alone are written anew")
        else:
            with here.database.reading() as connection:
                checked = publishing.check_draft(here, connection, name)
            show_said(here.run(lambda c: publishing.publish(here, c, name, checked, links)))
        if out is not None:
            site = Site(base_url, key=here.identity.key)
            with here.database.reading() as connection:
                files = publishing.public_tree(here, connection, site)
                is_public = publishing.is_public(here, connection, name)
            write_tree(out, files)
            if not is_public:
                say("it has no files yet: its host has not ordered it; publish with --out then")


def _require_published_with(standing: Publication, links: tuple[str, ...]) -> None:
    """Refuse references that an advisory was not published with.

    Raises:
        UsageError: with those that it was.
    """
    from steelyard.kernel.errors import UsageError

    if links and set(links) != set(standing.references):
        found = ", ".join(standing.references) or "none"
        message = f"--reference: the advisory is public, and was published with {found}"
        raise UsageError(message, hint="leave --reference out")


def _about_draft(node: Path, case: str, kind: str, rest: dict[str, str]) -> None:
    from steelyard.server.node import publishing, saying

    with opened(node) as here:
        with here.database.reading() as connection:
            name = case_named(connection, case)
            advisory = publishing.draft_that_stands(here.chains.get(connection, name).view)
        body = {"advisory": advisory, **rest}
        show_said(here.run(lambda c: saying.say(here, c, name, kind, {**body})))
