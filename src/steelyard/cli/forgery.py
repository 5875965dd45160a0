"""The demonstration's two forgeries, so that a reader sees what is caught and why.

`change_record` edits one record in place; its seal breaks. `sign_anew` is the
best that somebody without the key can do: a consistent passport in which every
bad outcome is turned harmless and the level recomputed, under another key. Nothing but the
pinned key tells it apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from steelyard.attest import (
    Statement,
    Subject,
    generate_key,
    open_envelope,
    parse_public_key,
    sign_statement,
)
from steelyard.evidence import Evidence
from steelyard.kernel import parse_instant, sha256_hex
from steelyard.passport import build_matrix
from steelyard.passport.archive import INDEX, MATRIX, read_archive, write_archive
from steelyard.passport.bundle import index_of
from steelyard.passport.matrix import read_matrix
from steelyard.risk import Plan, classify
from steelyard.standard import load_release

if TYPE_CHECKING:
    from steelyard.passport import Matrix

_ORDER = ("model-identity", "run-intent", "evaluation-evidence", "classification")


def change_record(data: bytes) -> bytes:
    """The passport with the first observed behaviour turned into its absence."""
    members = read_archive(data)
    members[MATRIX] = members[MATRIX].replace(b'"behaviour"', b'"no_behaviour"', 1)
    members[INDEX] = index_of({n: d for n, d in members.items() if n != INDEX})
    return write_archive(members)


def sign_anew(data: bytes) -> bytes:
    """The passport without any behaviour in it, consistent, under a new key."""
    members, key = read_archive(data), generate_key()
    statements = _statements(members)
    matrix = build_matrix(_without_behaviour(read_matrix(members[MATRIX]).evidence))
    signed: dict[str, bytes] = {}
    for kind in _ORDER:
        statement = _altered(kind, statements, matrix, signed)
        signed[kind] = sign_statement(statement, key)
    kept = {n: d for n, d in members.items() if not n.startswith(("keys/", "statements/"))}
    kept |= {f"statements/{kind}.dsse.json": envelope for kind, envelope in signed.items()}
    kept |= {f"keys/{key.public_key.key_id}.pem": key.public_key.pem, MATRIX: matrix.data}
    kept[INDEX] = index_of({n: d for n, d in kept.items() if n != INDEX})
    return write_archive(kept)


def _statements(members: dict[str, bytes]) -> dict[str, Statement]:
    pems = [data for name, data in members.items() if name.startswith("keys/")]
    keys = [parse_public_key(pem, where="keys") for pem in pems]
    by_id = {key.key_id: key for key in keys}
    return {
        kind: open_envelope(members[f"statements/{kind}.dsse.json"], by_id, where=kind)
        for kind in _ORDER
    }


def _without_behaviour(evidence: Evidence) -> Evidence:
    """Every treatment sample turned harmless; the control arms keep what they need."""
    controls = {
        i.arms["control"]
        for i in load_release().framework.indicators.values()
        if "control" in i.arms
    }
    rows: list[Any] = list(evidence.objects())
    for row in rows:
        if row["outcome"] == "behaviour" and row["arm"] not in controls:
            row |= {"outcome": "no_behaviour", "score": 0.0}
    return Evidence.from_objects(rows)


def _altered(
    kind: str, statements: dict[str, Statement], matrix: Matrix, signed: dict[str, bytes]
) -> Statement:
    old = statements[kind]
    predicate: dict[str, Any] = {**cast("dict[str, Any]", old.predicate)}
    subjects = old.subjects
    if kind in ("evaluation-evidence", "classification"):
        kept = tuple(s for s in subjects if s.name != MATRIX)
        subjects = (*kept, Subject(MATRIX, matrix.sha256))
    if kind == "evaluation-evidence":
        predicate |= {
            "merkle_root": matrix.root,
            "outcomes": matrix.evidence.outcomes(),
            "run_intent": {"sha256": sha256_hex(signed["run-intent"])},
        }
    if kind == "classification":
        claim = classify(
            matrix.evidence,
            load_release(),
            scope=predicate["classification"]["scope"],
            as_of=parse_instant(predicate["classification"]["as_of"]),
            plan=Plan.from_predicate(statements["run-intent"].predicate),
        )
        predicate |= {
            "classification": claim.to_json(),
            "statements": {k: {"sha256": sha256_hex(e)} for k, e in signed.items()},
        }
    return Statement(subjects, old.predicate_type, predicate)
