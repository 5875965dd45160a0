"""`steelyard disclose consent` and `transfer`: what answers say together, and of whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json
from steelyard.cli.places import require_absent, signing_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from steelyard.attest import PublicKey
    from steelyard.disclosure.reproducer.matrix import Told
    from steelyard.disclosure.reproducer.query import Query
    from steelyard.disclosure.reproducer.transfer import Victim
    from steelyard.kernel import JsonObject

_LIMIT_BYTES = 1 << 20
_SHOWN = 5


def consent(
    answer: Annotated[Path, typer.Argument(help="A signed answer of your own.")],
    query: Annotated[Path, typer.Option(help="The signed query that it answers.")],
    asker: Annotated[Path, typer.Option(help="Public key (PEM) of whoever asked.")],
    target: Annotated[str, typer.Option(help="The handle that it is about.")],
    out: Annotated[Path, typer.Option(help="New file for the signed consent.")],
    key: Annotated[
        Path | None, typer.Option(help="Key of the answer; your own by default.")
    ] = None,
) -> None:
    """Consent, signed, to the publication of what one answer of your own told."""
    from steelyard.disclosure.reproducer.consent import give_consent
    from steelyard.kernel import utc_now, write_atomically

    require_absent(out)
    [asked], [data] = _queries([query], asker).values(), _read([answer])
    signed = give_consent(data, target, asked, signing_key(key), now=utc_now())
    write_atomically(out, signed)
    say(f"case {asked.case}: the cell of {target} may be published: {out}")


def transfer(
    answers: Annotated[list[Path], typer.Argument(help="Signed answers, of level counts.")],
    query: Annotated[list[Path], typer.Option(help="Signed query that they answer.")],
    reproducer: Annotated[list[Path], typer.Option(help="Reproducer that they are about.")],
    asker: Annotated[Path, typer.Option(help="Public key (PEM) of whoever asked.")],
    signer: Annotated[list[Path], typer.Option(help="Public key (PEM) of whoever answered.")],
    agreed: Annotated[
        list[Path] | None, typer.Option("--consent", help="Signed consent to one answer's cell.")
    ] = None,
    above: Annotated[
        float, typer.Option(min=0.001, max=0.999, help="Rate over which a target is affected.")
    ] = 0.2,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Confidence of intervals.")
    ] = 0.9,
    out: Annotated[Path | None, typer.Option(help="New file for the published matrix.")] = None,
    embargo_end: Annotated[str | None, typer.Option(help="When the embargo ended.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ranking as JSON.")] = False,
) -> None:
    """Fold answers into a transfer matrix: who is likely next, and what may be published."""
    from steelyard.disclosure.reproducer.gathering import Asked, gather
    from steelyard.disclosure.reproducer.matrix import rank_targets
    from steelyard.kernel.errors import UsageError

    if (out is None) != (embargo_end is None):
        message = "a matrix is published with --out and --embargo-end"
        raise UsageError(message, hint="without both, next victims are ranked and nothing else")
    asked = Asked(_queries(query, asker), _classes(reproducer), _keys(signer))
    gathered = gather(_read(answers), _read(agreed or ()), asked)
    told = gathered.told
    if gathered.unused:
        say("note: a consent is to none of these answers, or is not of the answer's key")
    if out is not None and embargo_end is not None:
        _publish(told, out, embargo_end, confidence)
    ranking = rank_targets(told, above)
    if as_json:
        write_json(_ranking_json(ranking, above))
    else:
        _show(ranking, above)


def _read(paths: Iterable[Path]) -> list[bytes]:
    from steelyard.kernel import read_bytes

    return [read_bytes(path, limit_bytes=_LIMIT_BYTES) for path in paths]


def _queries(paths: Sequence[Path], asker: Path) -> dict[str, Query]:
    from steelyard.attest import load_public_key
    from steelyard.disclosure.reproducer.query import open_past_query

    key = load_public_key(asker)
    found = [open_past_query(data, {key.key_id: key}) for data in _read(paths)]
    return {query.digest: query for query in found}


def _classes(paths: Sequence[Path]) -> dict[str, str]:
    """Flaw class by digest of the document."""
    from steelyard.disclosure.reproducer.document import SIZE_LIMIT_BYTES, read_reproducer
    from steelyard.kernel import read_bytes

    found = [
        read_reproducer(read_bytes(path, limit_bytes=SIZE_LIMIT_BYTES), where=str(path))
        for path in paths
    ]
    return {document.digest: document.flaw_class for document in found}


def _keys(paths: Sequence[Path]) -> dict[str, PublicKey]:
    from steelyard.attest import load_public_key

    return {key.key_id: key for key in map(load_public_key, paths)}


def _publish(told: Sequence[Told], out: Path, embargo_end: str, confidence: float) -> None:
    from steelyard.disclosure.reproducer.matrix import published_matrix
    from steelyard.kernel import canonical_json, parse_instant, utc_now, write_atomically

    require_absent(out)
    ended = parse_instant(embargo_end, where="--embargo-end")
    matrix = published_matrix(told, embargo_end=ended, now=utc_now(), confidence=confidence)
    write_atomically(out, canonical_json(matrix) + b"\n")
    withheld = sum(not one.is_published for one in told)
    say(f"published: {out}; {withheld} of {len(told)} answers have no cell in it")


def _ranking_json(ranking: Mapping[str, list[Victim]], above: float) -> JsonObject:
    return {
        "schema": "steelyard/transfer-ranking/1",
        "above": above,
        "next": [
            {
                "flaw_class": name,
                "target": victim.target,
                "chance": round(victim.chance, 4),
                "rate": round(victim.rate, 4),
            }
            for name, victims in ranking.items()
            for victim in victims
        ],
    }


def _show(ranking: Mapping[str, list[Victim]], above: float) -> None:
    from steelyard.disclosure.advisory.escape import terminal_text

    for name, victims in ranking.items():
        write(f"{name}: {len(victims)} not tested" if victims else f"{name}: all were tested")
        for victim in victims[:_SHOWN]:
            write(f"  {terminal_text(victim.target)}  {victim.chance:.0%} above {above:g}")
    say("note: nothing about a target follows from this; it says whom to ask first")
