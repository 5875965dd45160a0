"""`steelyard disclose import`: a foreign report in the common form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.disclose.bundles import import_bundle, is_bundle
from steelyard.cli.disclose.here import DEFAULT_NODE, NodeFolder
from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from steelyard.disclosure.intake import ClaimedTarget, IntakeReport


def import_(
    file: Annotated[Path, typer.Argument(help="A report as JSON, in any known format.")],
    attachment: Annotated[
        list[Path] | None, typer.Option(help="File that came with the report.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Read a report of another tool (CSAF, AVID, OSV, GitHub, AI flaw report, VINCE or plain).

    A bundle that another node exported is taken into yours.
    """
    from steelyard.disclosure.advisory.escape import terminal_text
    from steelyard.disclosure.intake import read_intake
    from steelyard.disclosure.intake.attachments import ATTACHMENT_LIMIT_BYTES
    from steelyard.disclosure.intake.bounds import DOCUMENT_LIMIT_BYTES
    from steelyard.kernel import read_bytes

    if is_bundle(file):
        import_bundle(file, node)
        return
    files = tuple(
        (path.name, read_bytes(path, limit_bytes=ATTACHMENT_LIMIT_BYTES))
        for path in attachment or ()
    )
    data = read_bytes(file, limit_bytes=DOCUMENT_LIMIT_BYTES)
    report = read_intake(data, where=str(file), files=files)
    if as_json:
        write_json(report.to_json())
    else:
        _show(report)
    for sentence in report.dropped:
        say(terminal_text(f"dropped: {sentence}"))
    say("note: everything above is the sender's claim")


def _show(report: IntakeReport) -> None:
    from steelyard.disclosure.advisory.escape import terminal_text

    def line(text: str) -> None:
        # A paragraph of the sender's must not look like lines of ours.
        write(terminal_text(text).replace("\n", "\\n"))

    line(f"{report.format}  {report.title}")
    for flaw in report.flaws:
        known_as = f"  {', '.join(flaw.ids)}" if flaw.ids else ""
        line(f"  flaw{known_as}  {flaw.title}")
        for weakness in flaw.weaknesses:
            line(f"    weakness {weakness}")
        for target in flaw.targets:
            line(f"    {_target(target)}")
    for entry in report.attachments:
        line(f"  attachment {entry.name}: {entry.kind}, {entry.size_bytes:,} bytes")
    if report.sharing:
        line(f"  sharing: {report.sharing}")


def _target(target: ClaimedTarget) -> str:
    parts = [part for part in (target.vendor, target.version) if part and part not in target.name]
    name = f"{target.name} ({', '.join(parts)})" if parts else target.name
    return f"{name}: {target.status}" if target.status else name
