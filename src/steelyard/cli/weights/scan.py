"""`steelyard weights inventory` and `scan`: what there is, and what loading it would do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.weights.inventory import Copy, Inventory
    from steelyard.weights.scan import Finding, Report

_UNKNOWN = 3
_SHOWN_DIGITS = 16


class HashChoice(StrEnum):
    """Hash of an inventory's digests."""

    SHA256 = "sha256"
    BLAKE3 = "blake3"


class Scanner(StrEnum):
    """Another scanner to ask."""

    FICKLING = "fickling"


def inventory(
    paths: Annotated[list[Path], typer.Argument(help="Folders and files to take stock of.")],
    hash_name: Annotated[
        HashChoice, typer.Option("--hash", help="Hash of the digests.")
    ] = HashChoice.SHA256,
    as_json: Annotated[bool, typer.Option("--json", help="Print the inventory as JSON.")] = False,
) -> None:
    """List every copy of weights: format, size, digest, parameters, and which are the same."""
    from steelyard.weights.inventory import take_inventory

    with progress_bar("reading") as progress:
        found = take_inventory(paths, hash_name.value, progress)
    if as_json:
        write_json(found.to_json())
    else:
        _show_inventory(found)
    for problem in found.problems:
        say(f"{problem.path}: {problem.text}")
    if found.problems:
        raise typer.Exit(_UNKNOWN)


def scan(
    path: Annotated[Path, typer.Argument(help="Folder or file of a model.")],
    signature: Annotated[
        Path | None, typer.Option(help="Signature whose coverage the load closure is held to.")
    ] = None,
    second_opinion: Annotated[
        Scanner | None, typer.Option(help="Another scanner to ask as well.")
    ] = None,
    sarif: Annotated[Path | None, typer.Option(help="File for the findings as SARIF.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what loading a model would run or fetch, and what in it could not be read."""
    import json

    from steelyard import __version__
    from steelyard.kernel import write_atomically
    from steelyard.weights.scan import ask_fickling, scan_model, to_sarif

    covered = _covered(signature, path) if signature else None
    # A name may hold bytes that are no text, which no terminal and no document can take.
    shown = path.name.encode("utf-8", "backslashreplace").decode()
    # Before the scan, which may take long: the other scanner may not be installed.
    ask = None if second_opinion is None else ask_fickling()
    with progress_bar(f"scanning {shown}") as progress:
        report = scan_model(path, covered, progress=progress, ask=ask)
    if sarif is not None:
        text = json.dumps(to_sarif(report, __version__), indent=2)
        write_atomically(sarif, f"{text}\n".encode())
    if as_json:
        write_json(report.to_json())
    else:
        _show_report(report)
    say(_summary(report))
    if covered is not None:
        say("note: the signature was read, not verified; steelyard weights verify does that")
    if report.verdict != "clean":
        raise typer.Exit(1 if report.verdict == "blocked" else _UNKNOWN)


def _covered(signature: Path, model: Path) -> frozenset[str]:
    """Names that a signature claims to cover, and its own where it lies in the model."""
    from steelyard.kernel import read_bytes
    from steelyard.weights.signing import BUNDLE_LIMIT_BYTES, resource_names

    data = read_bytes(signature, limit_bytes=BUNDLE_LIMIT_BYTES)
    names = resource_names(data, where=str(signature))
    own, root = signature.resolve(), model.resolve()
    return names | {own.relative_to(root).as_posix()} if own.is_relative_to(root) else names


def _show_inventory(found: Inventory) -> None:
    for copy in found.copies:
        write(_copy_line(copy))
    for link in found.links:
        write(f"{link.path}  link to {link.target}{'' if link.reaches else ', which is not there'}")
    for group in found.same_bytes():
        write(f"same bytes: {', '.join(group)}")
    for group in found.same_tensors():
        write(f"same tensors: {', '.join(group)}")


def _copy_line(copy: Copy) -> str:
    name, _, digits = copy.digest.partition(":")
    digest = f"  {name}:{digits[:_SHOWN_DIGITS]}" if digits else "  not read"
    total = sum(count for _, count in copy.parameters)
    kinds = ", ".join(f"{count:,} {dtype}" for dtype, count in copy.parameters)
    weights = f"  {total:,} parameters in {copy.tensors} tensors ({kinds})" if total else ""
    holes = f", {copy.hole_bytes:,} in holes" if copy.hole_bytes else ""
    return f"{copy.path}  {copy.format}  {copy.size_bytes:,} bytes{holes}{digest}{weights}"


def _show_report(report: Report) -> None:
    for finding in report.findings:
        write(_line(finding))
        if finding.rule.hint and finding.rule.severity.value != "note":
            write(f"  hint: {finding.rule.hint}")
    for opinion in report.opinions:
        write(f"{opinion.scanner}  {opinion.file}: {opinion.verdict}")


def _line(finding: Finding) -> str:
    severity = "unknown" if finding.rule.unscanned else finding.rule.severity.value
    return f"{severity}  {finding.code}  {finding.place}: {finding.text}"


def _summary(report: Report) -> str:
    blocking = sum(finding.blocks for finding in report.findings)
    unknown = sum(finding.rule.unscanned for finding in report.findings)
    return (
        f"{len(report.files)} files: {report.verdict}; {len(report.findings)} findings, "
        f"{blocking} blocking, {unknown} not scanned"
    )
