"""`steelyard disclose mark` and `trace`: a copy of a text for each reader, and whose leaked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from steelyard.cli.disclose.here import (
    DEFAULT_NODE,
    NodeFolder,
    opened,
    organization_named,
    read_text,
)
from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from steelyard.disclosure.delivery.watermark import Tracing

_LIMIT_BYTES = 1 << 20
_MARKS = "marks.json"
_SCHEMA = "steelyard/marked-copies/1"


def mark(
    file: Annotated[Path, typer.Argument(help="Prose, plain or Markdown; never a reproducer.")],
    to: Annotated[list[str], typer.Option(help="Who gets a copy; repeatable.")],
    out: Annotated[Path, typer.Option(help="New folder for the copies and the secret.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Write a copy of a text for each reader; they differ in spaces alone."""
    import secrets

    from steelyard.cli.places import require_absent
    from steelyard.disclosure.delivery import watermark
    from steelyard.kernel import canonical_json, sha256_hex
    from steelyard.kernel.files import write_atomically

    require_absent(out)
    text = read_text("", file, "the text")
    secret = secrets.token_bytes(watermark.SECRET_BYTES)
    with opened(node) as here, here.database.reading() as connection:
        readers = {organization_named(connection, name): name for name in to}
    copies = {who: f"{who[-12:]}-{file.name}" for who in readers}
    for who, name in copies.items():
        write_atomically(out / name, watermark.mark(text, secret, who).encode(), mode=0o600)
        write(f"{readers[who]}: {out / name}")
    marks = {
        "schema": _SCHEMA,
        "secret": secret.hex(),
        "original": sha256_hex(text.encode()),
        "copies": copies,
    }
    write_atomically(out / _MARKS, canonical_json(marks), mode=0o600)
    places = watermark.capacity(text)
    say(f"{places} places to differ by; keep {out / _MARKS} and the original")
    if places < watermark.places_to_name(len(copies)):
        say("warning: too few to name anybody; a longer text has more")


def trace(
    leaked: Annotated[Path, typer.Argument(help="The text that leaked, or a part of it.")],
    marks: Annotated[Path, typer.Option(help="`marks.json` of `mark`.")],
    original: Annotated[Path, typer.Option(help="The text that was marked.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Say whose copy a leaked text was made from: status 1 where that is undecided."""
    from steelyard.disclosure.delivery import watermark
    from steelyard.kernel import sha256_hex
    from steelyard.kernel.errors import BrokenSeal

    kept, text = _marks(marks), read_text("", original, "the text")
    copy = read_text("", leaked, "the text")
    if sha256_hex(text.encode()) != kept["original"]:
        raise BrokenSeal("this is not the text that was marked", where=str(original))
    found = watermark.trace(copy, bytes.fromhex(kept["secret"]), kept["copies"], text)
    if as_json:
        write_json(_json(found))
    else:
        _show(found)
    if found.undecided:
        raise typer.Exit(1)


def _show(found: Tracing) -> None:
    for name in found.named:
        write(f"copy of {name}")
    if found.undecided:
        write("undecided")
    for score in found.scores:
        odds = f"{score.agree} of {found.places}, by chance {score.probability:.2g}"
        write(f"  {score.organization[:20]}: {odds}")
    say(f"a wrong name has a probability of at most {found.false_accusation:g}")
    if found.undecided:
        say(f"marks are removed by {'; '.join(found.removed_by)}")


def _json(found: Tracing) -> dict[str, object]:
    return {
        "named": list(found.named),
        "false_accusation": found.false_accusation,
        "places": found.places,
        "scores": [
            {
                "organization": score.organization,
                "agree": score.agree,
                "probability": score.probability,
            }
            for score in found.scores
        ],
    }


def _marks(path: Path) -> dict[str, Any]:
    from steelyard.kernel import parse_json_object, read_bytes
    from steelyard.standard import require_schema

    data = read_bytes(path, limit_bytes=_LIMIT_BYTES)
    found = parse_json_object(data, where=str(path))
    require_schema(found, "marked-copies", where=str(path))
    return cast("dict[str, Any]", found)
