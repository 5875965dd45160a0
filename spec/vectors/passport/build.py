"""Builds the passport vectors: one honest passport, and one fault in each other.

Everything is derived from two published keys (RFC 8032, section 7.1, tests 1
and 2) and fixed dates, so the same release gives the same bytes. Run as
`python spec/vectors/passport/build.py FOLDER` to write the archives; what each
must give is in manifest.json beside this file. Never trust these keys.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import io
import struct
import sys
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.attest import (
    PREDICATE_KINDS,
    PrivateKey,
    PublicKey,
    Statement,
    predicate_type,
    sign_statement,
)
from steelyard.attest.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from steelyard.evidence import Evidence
from steelyard.kernel import canonical_json, days_after, parse_json_object, sha256_hex
from steelyard.passport import (
    Claim,
    Identity,
    Intent,
    Matrix,
    PlannedSamples,
    Run,
    build_matrix,
    endpoint_digest,
    sign_classification,
    sign_evidence,
    sign_identity,
    sign_intent,
)
from steelyard.passport.archive import INDEX, MATRIX, RELEASE, REPORT, write_archive
from steelyard.passport.bundle import index_of
from steelyard.risk import Plan, classify
from steelyard.standard import Release, load_release, release_from_content

if TYPE_CHECKING:
    from collections.abc import Callable

HONEST = PrivateKey.from_seed(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
STRANGER = PrivateKey.from_seed(
    bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
)
MODEL = "example/scale-1"
ENDPOINT = "https://models.example/scale-1"
SALT = bytes(range(32))
CREATED = datetime(2026, 3, 1, 9, tzinfo=UTC)
STARTED = datetime(2026, 3, 1, 10, tzinfo=UTC)
FINISHED = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUED = datetime(2026, 3, 2, 9, tzinfo=UTC)
REPORT_BYTES = b"<!doctype html><title>Example report</title>\n"
ITEMS = 6
PROTOCOL = "pe1_evidence_cards"
ARMS = ("opposed", "aligned")

Members = dict[str, bytes]


@cache
def release() -> Release:
    """The packaged standard release the vectors are made under."""
    return load_release("2026.1")


def record(arm: str, number: int, **changes: object) -> dict[str, Any]:
    """One record; every sixth in the opposed arm shows the behaviour."""
    shows = arm == "opposed" and number == 0
    return {
        "model": MODEL,
        "protocol": PROTOCOL,
        "protocol_version": "1.0",
        "domain": "persuasion",
        "indicator": "pe1.fabrication",
        "item": f"item-{number:02}",
        "template": f"template-{number % 3}",
        "arm": arm,
        "epoch": 1,
        "elicitation": "E1",
        "outcome": "behaviour" if shows else "no_behaviour",
        "score": 1.0 if shows else 0.0,
        "reason": "",
        "covariates": {},
        "measures": {},
        "input_tokens": 900,
        "output_tokens": 80,
        "seconds": 1.5,
        "commitment": sha256_hex(f"{arm} {number}".encode()),
        "source": "vectors",
        **changes,
    }


def records() -> list[dict[str, Any]]:
    """The records of the honest run, in key order."""
    return [record(arm, number) for arm in sorted(ARMS) for number in range(ITEMS)]


def planned(**changes: Any) -> tuple[PlannedSamples, ...]:  # noqa: ANN401
    """What the honest run declared."""
    rows = (PlannedSamples(PROTOCOL, "1.0", arm, ITEMS, 1) for arm in ARMS)
    return tuple(replace(row, **changes) for row in rows)


@dataclass(frozen=True)
class Draft:
    """Everything a passport is issued from; a fault changes one part."""

    records: list[dict[str, Any]] = field(default_factory=records)
    planned: tuple[PlannedSamples, ...] = field(default_factory=planned)
    created: datetime = CREATED
    scope: tuple[str, ...] = ("persuasion",)
    release: Release = field(default_factory=release)
    report: bytes = REPORT_BYTES
    key: PrivateKey = HONEST
    issued: datetime = ISSUED
    generation: dict[str, Any] = field(default_factory=lambda: {"temperature": 1.0})
    imported: dict[str, str] = field(default_factory=dict)
    digest: str | None = None
    edit_intent: Callable[[dict[str, Any]], None] = lambda predicate: None  # noqa: ARG005
    edit_evidence: Callable[[dict[str, Any]], None] = lambda predicate: None  # noqa: ARG005
    edit_claim: Callable[[dict[str, Any]], None] = lambda predicate: None  # noqa: ARG005
    edit_matrix: Callable[[bytes], bytes] = lambda data: data

    def members(self) -> Members:
        """The members of the passport, index last."""
        key, rules = self.key, self.release
        digest = self.digest or endpoint_digest(MODEL, ENDPOINT, self.generation, SALT)
        identity = Identity(
            MODEL, "hosted", digest, generation=self.generation, endpoint=ENDPOINT, salt=SALT
        )
        intent = Intent(self.created, rules, self.scope, "E1", self.planned)
        built = build_matrix(Evidence.from_objects(self.records))
        matrix = Matrix(self.edit_matrix(built.data), built.evidence, built.root)
        usage = {"input_tokens": 10800, "output_tokens": 960, "seconds": 18.0}
        run = Run(STARTED, FINISHED, rules, usage, {"name": "vectors"}, imported=self.imported)
        signed_intent = resign(sign_intent(intent, identity, key), self.edit_intent, key)
        statements = {
            "model-identity": sign_identity(identity, key),
            "run-intent": signed_intent,
            "evaluation-evidence": resign(
                sign_evidence(run, matrix, signed_intent, key), self.edit_evidence, key
            ),
        }
        plan = Plan.from_predicate(intent.predicate())
        level = classify(
            built.evidence, rules, model=MODEL, scope=self.scope, as_of=FINISHED, plan=plan
        )
        claim = Claim(level.to_json(), self.issued, self.report)
        signed_claim = sign_classification(claim, identity, matrix, statements, key)
        statements["classification"] = resign(signed_claim, self.edit_claim, key)
        members = {statement(kind): statements[kind] for kind in PREDICATE_KINDS}
        members |= {MATRIX: matrix.data, RELEASE: canonical_json(rules.content)}
        members |= {REPORT: self.report, f"keys/{key.public_key.key_id}.pem": key.public_key.pem}
        return indexed(members)


def statement(kind: str) -> str:
    """The member that holds a statement."""
    return f"statements/{kind}.dsse.json"


def indexed(members: Members) -> Members:
    """The members with an index that fits them: the forger's last step."""
    others = {name: data for name, data in members.items() if name != INDEX}
    return {INDEX: index_of(others), **others}


def payload(envelope: bytes) -> bytes:
    """The statement inside an envelope."""
    import base64  # noqa: PLC0415

    return base64.b64decode(parse_json_object(envelope)["payload"])  # type: ignore[arg-type]


def resign(envelope: bytes, edit: Callable[[dict[str, Any]], None], key: PrivateKey) -> bytes:
    """The envelope's statement after `edit` on its predicate, signed with `key`."""
    parsed = Statement.from_bytes(payload(envelope))
    predicate: dict[str, Any] = dict(parsed.predicate)
    edit(predicate)
    return sign_statement(replace(parsed, predicate=predicate), key)


def sign_bytes(data: bytes, key: PrivateKey, *, key_id: str = "") -> bytes:
    """An envelope around arbitrary payload bytes."""
    import base64  # noqa: PLC0415

    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, data))
    return canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(data).decode(),
            "signatures": [
                {
                    "keyid": key_id or key.public_key.key_id,
                    "sig": base64.b64encode(signature).decode(),
                }
            ],
        }
    )


def with_member(name: str, data: bytes) -> bytes:
    """The honest passport with one member replaced and the index adjusted."""
    return write_archive(indexed({**Draft().members(), name: data}))


def issued(**changes: Any) -> bytes:  # noqa: ANN401
    """A passport issued from a changed draft."""
    return write_archive(Draft(**changes).members())


def zipped(
    members: list[tuple[str, bytes]],
    method: int = zipfile.ZIP_DEFLATED,
    mode: Callable[[str], int] = lambda name: 0o100644,  # noqa: ARG005
) -> bytes:
    """A zip by Python's own writer, which lets most faults pass."""
    import warnings  # noqa: PLC0415

    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)
        for name, data in members:
            info = zipfile.ZipInfo(name, (2026, 3, 2, 9, 0, 0))
            info.compress_type, info.create_system = method, 3
            info.external_attr = mode(name) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def patched(
    data: bytes, name: str, offset: int, value: bytes, *, local: int | None = None
) -> bytes:
    """The archive with bytes of a member's central (and local) header overwritten."""
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    result = data[: start + offset] + value + data[start + offset + len(value) :]
    if local is not None:
        (position,) = struct.unpack_from("<L", result, start + 42)
        at = position + local
        result = result[:at] + value + result[at + len(value) :]
    return result


def prefixed(data: bytes, extra: bytes, *, shift: bool) -> bytes:
    """Bytes before the archive, with every offset shifted as self-extractors do."""
    end = len(data) - 22
    size, start = struct.unpack_from("<2L", data, end + 12)
    directory, position = bytearray(data[start : start + size]), 0
    while shift and position < size:
        lengths = struct.unpack_from("<3H", directory, position + 28)
        (offset,) = struct.unpack_from("<L", directory, position + 42)
        struct.pack_into("<L", directory, position + 42, offset + len(extra))
        position += 46 + sum(lengths)
    tail = bytearray(data[end:])
    struct.pack_into("<L", tail, 16, start + len(extra))
    return extra + data[:start] + bytes(directory) + bytes(tail)


def _honest_pairs() -> list[tuple[str, bytes]]:
    return sorted(Draft().members().items())


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


def _bomb() -> bytes:
    """Sixty MiB of spaces that declare to be one KiB."""
    members = dict(Draft().members())
    members[REPORT] = b" " * (60 << 20)
    data = zipped(sorted(members.items()))
    return patched(data, REPORT, 24, struct.pack("<L", 1024), local=22)


def _overlap() -> bytes:
    """Two members that share one local header's data."""
    data = zipped(_honest_pairs(), zipfile.ZIP_STORED)
    name = statement("run-intent")
    start = data.rindex(b"PK\x01\x02", 0, data.rindex(MATRIX.encode()))
    return patched(data, name, 42, data[start + 42 : start + 46])


def _extra_field(kind: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in _honest_pairs():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<2H4s", kind, 4, b"evil") if name == REPORT else b""
            archive.writestr(info, data)
    return buffer.getvalue()


def _damaged() -> bytes:
    data = issued()
    start = data.index(MATRIX.encode()) + len(MATRIX) + 40
    return data[:start] + bytes([data[start] ^ 0xFF]) + data[start + 1 :]


def _local_name() -> bytes:
    data = zipped(_honest_pairs())
    position = data.index(REPORT.encode())
    return data[:position] + b"Report.html" + data[position + len(REPORT) :]


VECTORS: dict[str, Callable[[], bytes]] = {
    "honest": issued,
    "honest_rezipped": lambda: zipped(_honest_pairs()[::-1], zipfile.ZIP_STORED),
    "honest_by_stranger": lambda: issued(key=STRANGER),
    "fewer_samples_than_planned": lambda: issued(records=records()[:-2]),
    "imported_evidence": lambda: issued(imported={"log.eval": sha256_hex(b"log")}),
    "not_a_zip": lambda: b"%PDF-1.7\n" + bytes(40),
    "path_traversal": lambda: zipped([*_honest_pairs(), ("../../etc/cron.d/x", b"x")]),
    "absolute_path": lambda: zipped([*_honest_pairs(), ("/etc/passwd", b"x")]),
    "backslash_path": lambda: zipped([*_honest_pairs(), ("keys\\x.pem", b"x")]),
    "drive_letter": lambda: zipped([*_honest_pairs(), ("C:report.html", b"x")]),
    "folder_member": lambda: zipped([*_honest_pairs(), ("keys/", b"")]),
    "unknown_member": lambda: zipped([*_honest_pairs(), ("setup.py", b"x")]),
    "name_not_ascii": lambda: zipped([*_honest_pairs(), ("rep\u00f6rt.html", b"x")]),
    "missing_member": lambda: zipped([p for p in _honest_pairs() if p[0] != REPORT]),
    "too_many_members": lambda: zipped(
        [*_honest_pairs(), *((f"keys/{n:064x}.pem", b"x") for n in range(4))]
    ),
    "duplicate_member": lambda: zipped([*_honest_pairs(), (REPORT, b"another")]),
    "duplicate_member_by_case": lambda: zipped([*_honest_pairs(), ("REPORT.html", b"x")]),
    "symlink_member": lambda: zipped(
        _honest_pairs(), mode=lambda name: 0o120777 if name == REPORT else 0o100644
    ),
    "zip_bomb_declared_small": _bomb,
    "huge_ratio": lambda: zipped([*_honest_pairs()[:-6], *_padded(7 << 20)]),
    "huge_member": lambda: zipped([*_honest_pairs()[:-6], *_padded(9 << 20)]),
    "trailing_bytes": lambda: issued() + b"\n",
    "prepended_bytes": lambda: prefixed(issued(), b"#!/bin/sh\n", shift=True),
    "prepended_bytes_unshifted": lambda: b"#!/bin/sh\n" + issued(),
    "archive_comment": lambda: issued()[:-2] + b"\x05\x00hello",
    "encrypted_member": lambda: patched(issued(), REPORT, 8, b"\x01\x00", local=6),
    "streamed_member": lambda: patched(issued(), REPORT, 8, b"\x08\x00", local=6),
    "unknown_compression": lambda: patched(issued(), REPORT, 10, b"\x5d\x00", local=8),
    "wrong_checksum": lambda: patched(issued(), REPORT, 16, b"\0\0\0\0", local=14),
    "damaged_data": _damaged,
    "overlapping_members": _overlap,
    "local_name_differs": _local_name,
    "zip64_extra_field": lambda: _extra_field(0x0001),
    "unicode_path_extra_field": lambda: _extra_field(0x7075),
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
    "duplicate_record": lambda: issued(edit_matrix=_duplicated_row),
    "records_out_of_order": lambda: issued(
        edit_matrix=_edited_matrix(b'"item-00","item-01"', b'"item-01","item-00"')
    ),
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
    "arm_planned_twice": lambda: issued(edit_intent=_plan_twice),
    "level_edited_by_stranger": lambda: issued(edit_claim=_lower_level, key=STRANGER),
    "level_edited_by_signer": lambda: issued(edit_claim=_lower_level),
    "report_swapped": lambda: with_member(REPORT, b"<!doctype html><title>Level 0</title>\n"),
}

RSA_PEM = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


def _padded(size: int) -> list[tuple[str, bytes]]:
    """The last six members, the report among them blown up with spaces."""
    return [(n, b" " * size if n == REPORT else d) for n, d in _honest_pairs()[-6:]]


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
