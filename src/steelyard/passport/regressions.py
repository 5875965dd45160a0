"""The statement on published flaws that a run tested for again, inside a passport.

Decides that it is there exactly where the run's intent declares it, speaks of exactly what was
declared, and that every verdict follows from its counts (spec/regression.md, section 2). A
verdict here moves no level; which ones are enough is for the gate.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest import (
    Statement,
    claimed_key_id,
    open_envelope,
    parse_public_key,
    predicate_type,
    sign_statement,
)
from steelyard.disclosure.reproducer.regression import Regressed, judge_row
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import format_instant, parse_instant, sha256_hex
from steelyard.kernel.errors import (
    BrokenSeal,
    CannotVerify,
    ConfigurationError,
    MalformedEvidence,
    UsageError,
)
from steelyard.passport.archive import REGRESSIONS, STATEMENT_LIMIT, statement_name
from steelyard.passport.verification import Finding
from steelyard.standard import check_schema, require_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.attest import PrivateKey
    from steelyard.disclosure.reproducer.regression import Shown
    from steelyard.kernel import JsonObject
    from steelyard.passport.bundle import Identity
    from steelyard.passport.checks import Claims, Members, Signed, Times

VARIANTS_LIMIT: Final = 8000
"""Variants of all rows: judging them again must not take a verifier long."""
_DECLARED: Final = ("advisory", "finding", "reproducer", "flaw_class", "hazard_tier")
_WORDS: Final = {
    Verdict.AFFECTED: "affected",
    Verdict.UNDETERMINED: "undetermined",
    Verdict.NOT_AFFECTED: "not affected",
}


def sign_regressions(
    rows: Sequence[Shown], identity: Identity, intent: bytes, finished: datetime, key: PrivateKey
) -> bytes:
    """Sign what a run showed of published flaws; `intent` is the signed run-intent.

    Raises:
        ConfigurationError: more than a statement may hold.
    """
    predicate: JsonObject = {
        "run_intent": {"sha256": sha256_hex(intent)},
        "finished": format_instant(finished),
        "rows": [row.to_json() for row in rows],
    }
    check_schema(predicate, REGRESSIONS, where=REGRESSIONS)
    if (shown := sum(len(row.variants) for row in rows)) > VARIANTS_LIMIT:
        message = f"{shown} variants were shown in all, at most {VARIANTS_LIMIT} can be verified"
        raise ConfigurationError(message, where=REGRESSIONS, hint="list fewer regressions")
    statement = Statement((identity.subject,), predicate_type(REGRESSIONS), predicate)
    signed = sign_statement(statement, key)
    if len(signed) > STATEMENT_LIMIT:
        message = f"{len(rows)} regressions take {len(signed)} bytes, at most {STATEMENT_LIMIT}"
        raise ConfigurationError(message, where=REGRESSIONS, hint="list fewer regressions")
    return signed


def check_regressions(
    members: Members, signed: Signed, claims: Claims, times: Times
) -> Finding[tuple[Regressed, ...]]:
    """Step 13: what was declared was run, and every verdict follows from its counts.

    Raises:
        CannotVerify: a regression was declared and left out, or was not declared.
        MalformedEvidence: the statement does not follow its schema, or counts are none.
        BrokenSeal: forged, of another run, or a verdict that does not follow.
    """
    declared = cast("list[dict[str, Any]]", claims.intent.get("regressions", []))
    if statement_name(REGRESSIONS) not in members:
        if declared:
            message = f"regressions that the intent declares are left out: {len(declared)}"
            raise CannotVerify(message)
        return Finding((), "the run tested for no published flaw")
    predicate = own_statement(members, signed, REGRESSIONS)
    if predicate["run_intent"]["sha256"] != sha256_hex(members[statement_name("run-intent")]):
        raise BrokenSeal("was signed over another run-intent statement", where=REGRESSIONS)
    require_between(predicate["finished"], times, REGRESSIONS)
    rows = cast("list[dict[str, Any]]", predicate["rows"])
    if (shown := sum(len(row["variants"]) for row in rows)) > VARIANTS_LIMIT:
        message = f"{shown} variants in all, at most {VARIANTS_LIMIT} are judged"
        raise MalformedEvidence(message, where=REGRESSIONS)
    _require_declared(declared, rows)
    found = tuple(judge_row(row, where=f"{row['advisory']}#{row['finding']}") for row in rows)
    return _told(found)


def own_statement(members: Members, signed: Signed, kind: str) -> dict[str, Any]:
    """Predicate of a carried statement that the passport's signer made about its model.

    Raises:
        BrokenSeal: forged, another's, or about another model.
        MalformedEvidence: of another type, or against its schema.
    """
    envelope = members[statement_name(kind)]
    signer = claimed_key_id(envelope, where=kind)
    if signer not in set(signed.signers.values()):
        raise BrokenSeal(f"was signed by key {signer[:16]}, no signer of this passport", where=kind)
    key = parse_public_key(members[f"keys/{signer}.pem"], where=kind)
    statement = open_envelope(envelope, {signer: key}, where=kind)
    if statement.predicate_type != predicate_type(kind):
        raise MalformedEvidence(f"predicate type is {statement.predicate_type[:80]!r}", where=kind)
    require_schema(statement.predicate, kind, where=kind)
    if statement.subjects != signed.statements["model-identity"].subjects:
        raise BrokenSeal("is about another model than this passport's", where=kind)
    return cast("dict[str, Any]", statement.predicate)


def require_between(text: str, times: Times, where: str) -> datetime:
    """The instant, if it lies between the intent and the claim.

    Raises:
        CannotVerify: it does not: a clock was set, or the statement is of another run.
        MalformedEvidence: no canonical instant.
    """
    try:
        instant = parse_instant(text)
    except UsageError as error:
        raise MalformedEvidence(error.message, where=where) from error
    if not times.created <= instant <= times.issued:
        message = f"{text} lies outside the run, which was declared {format_instant(times.created)}"
        raise CannotVerify(f"{message} and issued {format_instant(times.issued)}", where=where)
    return instant


def unresolved(found: Sequence[Regressed]) -> tuple[Regressed, ...]:
    """The regressions that are not shown to be absent."""
    return tuple(row for row in found if row.verdict is not Verdict.NOT_AFFECTED)


def _require_declared(declared: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """What was run is what was declared, each once.

    Raises:
        CannotVerify: naming the first that is not.
    """
    planned = Counter(tuple(row[name] for name in _DECLARED) for row in declared)
    ran = Counter(tuple(row[name] for name in _DECLARED) for row in rows)
    for key in planned - ran:
        message = f"{key[0]}#{key[1]} was declared with reproducer {key[2][:16]} and left out"
        raise CannotVerify(message, where=REGRESSIONS)
    for key in ran - planned:
        message = f"{key[0]}#{key[1]} with reproducer {key[2][:16]} was not declared"
        raise CannotVerify(message, where=REGRESSIONS)


def _told(found: tuple[Regressed, ...]) -> Finding[tuple[Regressed, ...]]:
    counts = Counter(row.verdict for row in found)
    detail = ", ".join(f"{counts[v]} {word}" for v, word in _WORDS.items() if counts[v])
    noun = "flaw" if len(found) == 1 else "flaws"
    detail = f"{len(found)} published {noun} tested for: {detail}"
    hints: list[str] = []
    if open_ := unresolved(found):
        hints.append(f"unresolved: {', '.join(row.name for row in open_)}")
    if held := [row for row in found if row.held]:
        detail += f"; {len(held)} by reproducers that are held"
        hints.append("how a held reproducer decides is the signer's word")
    return Finding(found, detail, warning=bool(hints), hint="; ".join(hints))
