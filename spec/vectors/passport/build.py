"""Builds the passport vectors: one honest passport, and one fault in each other.

The same standard release gives the same bytes. Run as
`python spec/vectors/passport/build.py FOLDER` to write the archives; what each
must give is in manifest.json beside this file.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from archive_faults import (
    bomb,
    damaged,
    extra_field,
    hidden_before_directory,
    hidden_in_stream,
    honest_pairs,
    local_name,
    overlap,
)
from flaws_faults import FLAWS_VECTORS
from passport_draft import (
    FINISHED,
    HONEST,
    ISSUED,
    ITEMS,
    MODEL,
    STRANGER,
    Draft,
    generated,
    issued,
    patched,
    payload,
    planned,
    prefixed,
    record,
    records,
    release,
    resign,
    sign_bytes,
    statement,
    with_member,
    zipped,
)
from round_faults import ROUND_VECTORS

from steelyard.attest import PublicKey, Statement, predicate_type, sign_statement
from steelyard.evidence import Evidence
from steelyard.kernel import (
    canonical_json,
    days_after,
    parse_json_object,
    sha256_hex,
)
from steelyard.passport import build_matrix
from steelyard.passport.archive import INDEX, MATRIX, REPORT, write_archive
from steelyard.standard import Release, release_from_content

if TYPE_CHECKING:
    from collections.abc import Callable


def _drop(predicate: dict[str, Any]) -> None:
    predicate["statements"].pop("run-intent")


def _lower_level(predicate: dict[str, Any]) -> None:
    overall = predicate["classification"]["overall"]
    predicate["classification"]["determinations"][0].update(level=0, level_name="floor")
    overall.update(level=0, level_name="floor", status="established")


def _outlive(predicate: dict[str, Any]) -> None:
    predicate["expires"] = "2036-01-01T00:00:00Z"


def _plan_twice(predicate: dict[str, Any]) -> None:
    predicate["planned"].append({**predicate["planned"][0], "items": 1})


def _plan(**changes: int) -> Callable[[dict[str, Any]], None]:
    def edit(predicate: dict[str, Any]) -> None:
        predicate["planned"][0].update(changes)

    return edit


def _plan_rows(number: int) -> Callable[[dict[str, Any]], None]:
    def edit(predicate: dict[str, Any]) -> None:
        predicate["planned"] = predicate["planned"][:1] * number

    return edit


def _bare_date(predicate: dict[str, Any]) -> None:
    predicate["issued"] = "2026-13-02T09:00:00Z"


def _other_release() -> Release:
    content: dict[str, Any] = parse_json_object(canonical_json(release().content))
    content["framework"]["decision"]["error_rate"] = 0.4
    return release_from_content(content)


def _edited_matrix(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        assert old in data  # noqa: S101 - a vector without its fault would test nothing
        return data.replace(old, new, 1)

    return edit


def _pair(first: int, second: int) -> bytes:
    return f'"{generated(first)["item"]}","{generated(second)["item"]}"'.encode()


def _duplicated_row(data: bytes) -> bytes:
    document: Any = parse_json_object(data)
    for column in document["blocks"][0]["columns"].values():
        column.insert(0, column[0])
    return canonical_json(document)


def _count(number: int) -> Callable[[dict[str, Any]], None]:
    def edit(predicate: dict[str, Any]) -> None:
        predicate["records"] = number

    return edit


def _set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(predicate: dict[str, Any]) -> None:
        predicate[name] = value

    return edit


def _changed(number: int, **changes: object) -> list[dict[str, Any]]:
    rows = records()
    rows[number] = {**rows[number], **changes}
    return rows


def _matrix_of(rows: list[dict[str, Any]]) -> bytes:
    return build_matrix(Evidence.from_objects(rows)).data


def _other_statement(kind: str, **changes: Any) -> bytes:  # noqa: ANN401
    return with_member(statement(kind), Draft(**changes).members()[statement(kind)])


def _retyped() -> bytes:
    name = statement("model-identity")
    parsed = Statement.from_bytes(payload(Draft().members()[name]))
    wrong = replace(parsed, predicate_type=predicate_type("run-intent"))
    return with_member(name, sign_statement(wrong, HONEST))


def _envelope_edit(kind: str, edit: Callable[[dict[str, Any]], None]) -> bytes:
    envelope: dict[str, Any] = parse_json_object(Draft().members()[statement(kind)])
    edit(envelope)
    return with_member(statement(kind), canonical_json(envelope))


def _second_base64(envelope: dict[str, Any]) -> None:
    signature = envelope["signatures"][0]["sig"]
    # 64 bytes leave four unused bits in the last digit before the padding.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(signature[-3]) + 1]
    envelope["signatures"][0]["sig"] = f"{signature[:-3]}{last}=="


def _edited_identity() -> bytes:
    name = statement("model-identity")
    return with_member(name, resign(Draft().members()[name], _set("safeguards", "on"), HONEST))


def _two_signatures(envelope: dict[str, Any]) -> None:
    envelope["signatures"] *= 2


def _payload_with_twin_key() -> bytes:
    name = statement("model-identity")
    data = payload(Draft().members()[name])
    twin = data.replace(b'{"_type":', b'{"_type":"https://in-toto.io/Statement/v0.1","_type":', 1)
    return with_member(name, sign_bytes(twin, HONEST))


def _key_member(key: PublicKey) -> str:
    return f"keys/{key.key_id}.pem"


def _outcomes(predicate: dict[str, Any]) -> None:
    predicate["outcomes"].update(behaviour=0, no_behaviour=12)


VECTORS: dict[str, Callable[[], bytes]] = {
    "honest": issued,
    "honest_rezipped": lambda: zipped(honest_pairs()[::-1], zipfile.ZIP_STORED),
    "honest_by_stranger": lambda: issued(key=STRANGER),
    "fewer_samples_than_planned": lambda: issued(records=records()[:-2]),
    "imported_evidence": lambda: issued(imported={"log.eval": sha256_hex(b"log")}),
    "not_a_zip": lambda: b"%PDF-1.7\n" + bytes(40),
    "path_traversal": lambda: zipped([*honest_pairs(), ("../../etc/cron.d/x", b"x")]),
    "absolute_path": lambda: zipped([*honest_pairs(), ("/etc/passwd", b"x")]),
    "backslash_path": lambda: zipped([*honest_pairs(), ("keys\\x.pem", b"x")]),
    "drive_letter": lambda: zipped([*honest_pairs(), ("C:report.html", b"x")]),
    "folder_member": lambda: zipped([*honest_pairs(), ("keys/", b"")]),
    "unknown_member": lambda: zipped([*honest_pairs(), ("setup.py", b"x")]),
    "name_not_ascii": lambda: zipped([*honest_pairs(), ("rep\u00f6rt.html", b"x")]),
    "missing_member": lambda: zipped([p for p in honest_pairs() if p[0] != REPORT]),
    "too_many_members": lambda: zipped(
        [*honest_pairs(), *((f"keys/{n:064x}.pem", b"x") for n in range(12))]
    ),
    "duplicate_member": lambda: zipped([*honest_pairs(), (REPORT, b"another")]),
    "duplicate_member_by_case": lambda: zipped([*honest_pairs(), ("REPORT.html", b"x")]),
    "symlink_member": lambda: zipped(
        honest_pairs(), mode=lambda name: 0o120777 if name == REPORT else 0o100644
    ),
    "zip_bomb_declared_small": bomb,
    "huge_ratio": lambda: zipped([*honest_pairs()[:-6], *_padded(7 << 20)]),
    "huge_member": lambda: zipped([*honest_pairs()[:-6], *_padded(9 << 20)]),
    "trailing_bytes": lambda: issued() + b"\n",
    "prepended_bytes": lambda: prefixed(issued(), b"#!/bin/sh\n", shift=True),
    "prepended_bytes_unshifted": lambda: b"#!/bin/sh\n" + issued(),
    "archive_comment": lambda: issued()[:-2] + b"\x05\x00hello",
    "encrypted_member": lambda: patched(issued(), REPORT, 8, b"\x01\x00", local=6),
    "streamed_member": lambda: patched(issued(), REPORT, 8, b"\x08\x00", local=6),
    "unknown_compression": lambda: patched(issued(), REPORT, 10, b"\x5d\x00", local=8),
    "declares_more_than_it_holds": lambda: patched(issued(), REPORT, 24, b"\0\x10\0\0", local=22),
    "hidden_after_stream": hidden_in_stream,
    "hidden_before_directory": hidden_before_directory,
    "wrong_checksum": lambda: patched(issued(), REPORT, 16, b"\0\0\0\0", local=14),
    "damaged_data": damaged,
    "overlapping_members": overlap,
    "local_name_differs": local_name,
    "zip64_extra_field": lambda: extra_field(0x0001),
    "unicode_path_extra_field": lambda: extra_field(0x7075),
    "index_twin_key": lambda: _raw_index(
        lambda data: data.replace(b'"schema":', b'"schema":"x","schema":', 1)
    ),
    "index_not_canonical": lambda: _raw_index(lambda data: data + b"\n"),
    "index_other_digest": lambda: write_archive({**Draft().members(), REPORT: b"<p>x"}),
    "index_other_member": lambda: write_archive(
        {**Draft().members(), _key_member(STRANGER.public_key): STRANGER.public_key.pem}
    ),
    "unsigned": lambda: _envelope_edit("classification", _set("signatures", [])),
    "two_signatures": lambda: _envelope_edit("classification", _two_signatures),
    "other_payload_type": lambda: _envelope_edit(
        "classification", _set("payloadType", "application/json")
    ),
    "second_base64_spelling": lambda: _envelope_edit("classification", _second_base64),
    "payload_twin_key": _payload_with_twin_key,
    "payload_not_canonical": lambda: with_member(
        statement("model-identity"),
        sign_bytes(payload(Draft().members()[statement("model-identity")]) + b" ", HONEST),
    ),
    "wrong_key": lambda: with_member(_key_member(HONEST.public_key), STRANGER.public_key.pem),
    "key_of_another_kind": lambda: with_member(_key_member(HONEST.public_key), RSA_PEM),
    "stray_key": lambda: with_member(_key_member(STRANGER.public_key), STRANGER.public_key.pem),
    "stranger_signs_with_honest_key_id": lambda: with_member(
        statement("classification"),
        sign_bytes(
            payload(Draft().members()[statement("classification")]),
            STRANGER,
            key_id=HONEST.public_key.key_id,
        ),
    ),
    "wrong_predicate_type": _retyped,
    "predicate_field_missing": lambda: issued(edit_claim=_drop),
    "swapped_identity": lambda: _other_statement("model-identity", generation={"temperature": 0.0}),
    "swapped_identity_of_same_model": _edited_identity,
    "swapped_intent": lambda: _other_statement("run-intent", planned=planned(items=3)),
    "swapped_evidence": lambda: _other_statement(
        "evaluation-evidence", edit_evidence=_set("access", "white_box")
    ),
    "swapped_classification": lambda: _other_statement(
        "classification", records=_changed(2, outcome="behaviour", score=1.0)
    ),
    "endpoint_not_opened": lambda: issued(digest=sha256_hex(b"another endpoint")),
    "changed_record": lambda: with_member(
        MATRIX, _matrix_of(_changed(6, outcome="no_behaviour", score=0.0))
    ),
    "dropped_record": lambda: with_member(MATRIX, _matrix_of(records()[1:])),
    "added_record": lambda: with_member(
        MATRIX, _matrix_of([*records(), record("opposed", ITEMS + 1)])
    ),
    "intent_after_evidence": lambda: issued(created=FINISHED),
    "future_dated": lambda: issued(issued=days_after(ISSUED, 30)),
    "expires_after_review": lambda: issued(edit_claim=_outlive),
    "no_such_date": lambda: issued(edit_claim=_bare_date),
    "other_standard_digest": lambda: issued(release=_other_release()),
    "statements_name_two_releases": lambda: issued(
        edit_evidence=_set("standard", {"release": "2026.1", "digest": sha256_hex(b"x")})
    ),
    "wrong_root": lambda: issued(edit_evidence=_set("merkle_root", sha256_hex(b"x"))),
    "wrong_count": lambda: issued(edit_evidence=_count(13)),
    "wrong_outcomes": lambda: issued(edit_evidence=_outcomes),
    "duplicate_record": lambda: issued(edit_matrix=_duplicated_row),
    "records_out_of_order": lambda: issued(edit_matrix=_edited_matrix(_pair(0, 1), _pair(1, 0))),
    "nan_in_matrix": lambda: issued(edit_matrix=_edited_matrix(b'"score":0', b'"score":NaN')),
    "matrix_not_canonical": lambda: issued(
        edit_matrix=_edited_matrix(b'"score":0', b'"score":0.0')
    ),
    "score_true": lambda: issued(edit_matrix=_edited_matrix(b'"score":[1,', b'"score":[true,')),
    "records_of_another_model": lambda: issued(edit_matrix=_renamed_model, edit_evidence=_reroot),
    "undeclared_arm": lambda: issued(records=[*records(), record("neutral", 0)]),
    "undeclared_version": lambda: issued(
        records=[*records(), record("opposed", 9, protocol_version="1.1")]
    ),
    "undeclared_items": lambda: issued(records=[*records(), record("opposed", 9)]),
    "undeclared_repeat": lambda: issued(records=_changed(0, epoch=2)),
    "undeclared_domain": lambda: issued(records=_changed(0, domain="deception")),
    "undeclared_effort": lambda: issued(records=_changed(0, elicitation="E2")),
    "plan_too_long": lambda: issued(edit_intent=_plan_rows(257)),
    "plan_of_many_items": lambda: issued(edit_intent=_plan(items=100_001)),
    "plan_of_many_epochs": lambda: issued(edit_intent=_plan(epochs=1001)),
    "plan_of_many_samples": lambda: issued(edit_intent=_plan(items=100_000, epochs=11)),
    "scope_of_many_lists": lambda: issued(edit_intent=_set("scope", [[]] * 65)),
    "invented_item": lambda: issued(records=_changed(0, item="0" * 24)),
    "item_beyond_the_plan": lambda: issued(records=_changed(0, **generated(9))),
    "invented_template": lambda: issued(records=_changed(0, template="another")),
    "invented_covariates": lambda: issued(records=_changed(0, covariates={"controls": 1.0})),
    "private_items": lambda: issued(records=_changed(0, item="0" * 24), split="private"),
    "items_of_another_protocol": lambda: issued(
        records=[{**row, "protocol": "another"} for row in records()],
        planned=planned(protocol="another"),
    ),
    "items_of_another_version": lambda: issued(
        records=[{**row, "protocol_version": "9.0"} for row in records()],
        planned=planned(protocol_version="9.0"),
    ),
    "arm_planned_twice": lambda: issued(edit_intent=_plan_twice),
    "level_edited_by_stranger": lambda: issued(edit_claim=_lower_level, key=STRANGER),
    "level_edited_by_signer": lambda: issued(edit_claim=_lower_level),
    **ROUND_VECTORS,
    **FLAWS_VECTORS,
    "report_swapped": lambda: with_member(REPORT, b"<!doctype html><title>Level 0</title>\n"),
}

RSA_PEM = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


def _padded(size: int) -> list[tuple[str, bytes]]:
    """The last six members, the report among them blown up with spaces."""
    return [(n, b" " * size if n == REPORT else d) for n, d in honest_pairs()[-6:]]


def _raw_index(edit: Callable[[bytes], bytes]) -> bytes:
    members = Draft().members()
    return write_archive({**members, INDEX: edit(members[INDEX])})


def _renamed_model(data: bytes) -> bytes:
    return data.replace(MODEL.encode(), b"example/scale-2")


def _reroot(predicate: dict[str, Any]) -> None:
    rows = [{**row, "model": "example/scale-2"} for row in records()]
    predicate["merkle_root"] = build_matrix(Evidence.from_objects(rows)).root


def main(folder: Path) -> None:
    """Write every vector as FOLDER/<name>.zip."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in VECTORS.items():
        (folder / f"{name}.zip").write_bytes(build())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
