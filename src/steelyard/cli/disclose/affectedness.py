"""`steelyard disclose ask`, `answer` and `audit`: affectedness by signed files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import say, write, write_json
from steelyard.cli.places import require_absent, signing_key

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.audit import Audit
    from steelyard.disclosure.reproducer.query import Answer
    from steelyard.kernel import JsonObject

_NONCE_BYTES = 16
_LIMIT_BYTES = 1 << 20

Level = Annotated[str, typer.Option(help="What is told: verdict, band or counts.")]
SigningKey = Annotated[Path | None, typer.Option(help="Signing key; your own by default.")]
QueryFile = Annotated[Path, typer.Option(help="The signed query.")]


def ask(
    reproducer: Annotated[Path, typer.Argument(help="The reproducer: JSON or strict YAML.")],
    case: Annotated[str, typer.Option(help="Name of the case.")],
    out: Annotated[Path, typer.Option(help="New file for the signed query.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Days until it lapses.")] = 14,
    level: Level = "verdict",
    key: SigningKey = None,
) -> None:
    """Ask, signed, whether a target is affected."""
    import secrets

    from steelyard.disclosure.reproducer.document import SIZE_LIMIT_BYTES, read_reproducer
    from steelyard.disclosure.reproducer.query import Query, sign_query
    from steelyard.kernel import check_label, days_after, read_bytes, utc_now, write_atomically
    from steelyard.kernel.errors import UsageError

    require_absent(out)
    _require_level(level)
    try:
        check_label(case)
    except ValueError as error:
        raise UsageError(str(error), where="--case") from error
    data = read_bytes(reproducer, limit_bytes=SIZE_LIMIT_BYTES)
    document, now = read_reproducer(data, where=str(reproducer)), utc_now()
    nonce = secrets.token_hex(_NONCE_BYTES)
    query = Query(case, document.digest, level, nonce, now, days_after(now, days))
    write_atomically(out, sign_query(query, signing_key(key)))
    write(query.digest)


def answer(
    run: Annotated[Path, typer.Argument(help="Folder of `reproduce`.")],
    query: QueryFile,
    asker: Annotated[Path, typer.Option(help="Public key (PEM) of whoever asked.")],
    target: Annotated[str, typer.Option(help="Your handle of the target.")],
    out: Annotated[Path, typer.Option(help="New file for the signed answer.")],
    level: Level = "verdict",
    key: SigningKey = None,
) -> None:
    """Answer a query from a finished run, telling no more than the level says."""
    from steelyard.attest import load_public_key
    from steelyard.disclosure.reproducer.query import make_answer, open_query, sign_answer
    from steelyard.kernel import read_bytes, utc_now, write_atomically
    from steelyard.pipeline.reproduction import read_reproduction, require_whole

    require_absent(out)
    _require_level(level)
    public, now = load_public_key(asker), utc_now()
    data = read_bytes(query, limit_bytes=_LIMIT_BYTES)
    asked = open_query(data, {public.key_id: public}, now=now)
    ran = require_whole(read_reproduction(run), str(run)).ran(target)
    made = make_answer(asked, ran, level=level, now=now)
    write_atomically(out, sign_answer(made, signing_key(key)))
    write(f"{target}: {made.verdict.value.replace('_', ' ')}")
    say(f"keep for an audit: {run / 'records.jsonl'}, {run / 'private'}, {run / 'logs'}")


def audit(
    answer: Annotated[Path, typer.Argument(help="The signed answer.")],
    query: QueryFile,
    asker: Annotated[Path, typer.Option(help="Public key (PEM) of whoever asked.")],
    signer: Annotated[Path, typer.Option(help="Public key (PEM) of whoever answered.")],
    opened: Annotated[Path, typer.Option(help="The answerer's run folder, opened.")],
    rerun: Annotated[Path, typer.Option(help="Run folder of the neutral second run.")],
    error: Annotated[
        float, typer.Option(min=1e-6, max=0.2, help="Chance to wrong an honest answer.")
    ] = 0.01,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Hold an answer against its logs and a second run: status 1 where they contradict."""
    from steelyard.disclosure.reproducer.audit import (
        AuditVerdict,
        compare_runs,
        require_answer,
        require_logs,
    )
    from steelyard.kernel.errors import BrokenSeal
    from steelyard.pipeline.reproduction import read_reproduction, require_whole

    found = _answered(answer, query, (asker, signer))
    first, second = (require_whole(read_reproduction(p), str(p)) for p in (opened, rerun))
    for name, run in (("--opened", first), ("--rerun", second)):
        if run.reproducer.digest != found.reproducer:
            message = f"the run is of {run.reproducer.digest[:16]}, not {found.reproducer[:16]}"
            raise BrokenSeal(message, where=name)
    require_logs(found.logs, first.logs)
    require_answer(found, first.finding, first.counts)
    made = compare_runs(first.results, second.results, first.reproducer.decision, error)
    if as_json:
        write_json(_audit_json(found, made, error))
    else:
        _show(found, made)
    if made.verdict is AuditVerdict.CONTRADICTED:
        raise typer.Exit(1)


def _answered(path: Path, query: Path, keys: tuple[Path, Path]) -> Answer:
    """The answer, checked against the query as it stood when the answer was given."""
    from steelyard.attest import load_public_key
    from steelyard.disclosure.reproducer.query import open_answer, open_past_query
    from steelyard.kernel import read_bytes

    asker, signer = (load_public_key(key) for key in keys)
    asked = open_past_query(read_bytes(query, limit_bytes=_LIMIT_BYTES), {asker.key_id: asker})
    data = read_bytes(path, limit_bytes=_LIMIT_BYTES)
    return open_answer(data, {signer.key_id: signer}, asked)


def _audit_json(answer: Answer, made: Audit, error: float) -> JsonObject:
    return {
        "schema": "steelyard/disclosure-audit/1",
        "reproducer": answer.reproducer,
        "target": answer.target,
        "verdict": made.verdict.value,
        "stated": made.stated.value,
        "neutral": made.neutral.value,
        "stated_interval": list(made.stated_interval),
        "neutral_interval": list(made.neutral_interval),
        "error": error,
    }


def _show(answer: Answer, made: Audit) -> None:
    from steelyard.disclosure.advisory.escape import terminal_text

    write(f"{terminal_text(answer.target)}: {made.verdict.value}")
    for name, verdict, limits in (
        ("answer", made.stated, made.stated_interval),
        ("second", made.neutral, made.neutral_interval),
    ):
        text = verdict.value.replace("_", " ")
        write(f"  {name}  {text}, rate between {limits[0]:.3f} and {limits[1]:.3f}")


def _require_level(level: str) -> None:
    from steelyard.disclosure.reproducer.query import LEVELS
    from steelyard.kernel.errors import UsageError

    if level not in LEVELS:
        message = f"{level!r} is none of: {', '.join(LEVELS)}"
        raise UsageError(message, where="--level")
