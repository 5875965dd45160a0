"""What the passport vectors are made with: fixed keys, dates, records, and zip tools.

The keys are those of RFC 8032, section 7.1, tests 1 and 2, known to everyone:
never trust them. `build.py` puts one fault into each passport made here.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import io
import struct
import warnings
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from round_draft import ENGINE, RoundDraft

from steelyard.attest import (
    PrivateKey,
    Statement,
    sign_statement,
)
from steelyard.attest.envelope import PAYLOAD_TYPE, pre_authentication_encoding
from steelyard.evidence import Evidence
from steelyard.kernel import canonical_json, parse_json_object, sha256_hex
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
    with_coverage,
)
from steelyard.passport.archive import INDEX, MATRIX, RELEASE, REPORT, write_archive
from steelyard.passport.bundle import index_of
from steelyard.redteam.kit import find_protocol
from steelyard.risk import Plan, classify
from steelyard.standard import Release, load_release

if TYPE_CHECKING:
    from collections.abc import Callable

    from flaws_draft import FlawsDraft

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


@cache
def generated(number: int) -> dict[str, Any]:
    """What a record says about a public item: the planned ones by name, then the rest."""
    protocol = find_protocol(PROTOCOL)
    items = [protocol.item(protocol.public_key, n) for n in range(number + ITEMS)]
    items[:ITEMS] = sorted(items[:ITEMS], key=lambda item: item.pseudonym)
    item = items[number]
    return {
        "item": item.pseudonym,
        "template": item.template,
        "covariates": dict(item.covariates),
    }


def record(arm: str, number: int, **changes: object) -> dict[str, Any]:
    """One record; the first item in the opposed arm shows the behaviour."""
    shows = arm == "opposed" and number == 0
    return {
        "model": MODEL,
        "protocol": PROTOCOL,
        "protocol_version": "1.0",
        "domain": "persuasion",
        "indicator": "pe1.fabrication",
        **generated(number),
        "arm": arm,
        "epoch": 1,
        "elicitation": "E1",
        "outcome": "behaviour" if shows else "no_behaviour",
        "score": 1.0 if shows else 0.0,
        "reason": "",
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
    split: Any = "public"
    digest: str | None = None
    weights: str | None = None
    bases: tuple[str, ...] = ()
    round: RoundDraft | None = None
    flaws: FlawsDraft | None = None
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
        if self.weights is not None:
            identity = Identity(
                MODEL, "weights", self.weights, generation=self.generation, bases=self.bases
            )
        engine = {"digest": ENGINE} if self.round is not None else {}
        intent = Intent(
            self.created, rules, self.scope, "E1", self.planned, split=self.split, engine=engine,
            regressions=self.flaws.declared() if self.flaws is not None else (),
        )  # fmt: skip
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
        if self.round is not None:
            plan = with_coverage(plan, self.round.opened(), FINISHED, rules)
            statements["proficiency"] = self.round.certificate()
            statements["round-report"] = self.round.report()
        if self.flaws is not None:
            signer = self.flaws.key or key
            made = self.flaws.statements(identity, signed_intent, FINISHED, signer)
            statements |= {k: resign(d, self.flaws.edits[k], signer) for k, d in made.items()}
        level = classify(
            built.evidence, rules, model=MODEL, scope=self.scope, as_of=FINISHED, plan=plan
        )
        claim = Claim(level.to_json(), self.issued, self.report)
        signed_claim = sign_classification(claim, identity, matrix, statements, key)
        statements["classification"] = resign(signed_claim, self.edit_claim, key)
        members = {statement(kind): data for kind, data in statements.items()}
        members |= {MATRIX: matrix.data, RELEASE: canonical_json(rules.content)}
        members |= {REPORT: self.report, f"keys/{key.public_key.key_id}.pem": key.public_key.pem}
        if self.round is not None:
            coordinator = self.round.key.public_key
            members[f"keys/{coordinator.key_id}.pem"] = coordinator.pem
        if self.flaws is not None and self.flaws.key is not None:
            members[f"keys/{self.flaws.key.public_key.key_id}.pem"] = self.flaws.key.public_key.pem
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
    return base64.b64decode(parse_json_object(envelope)["payload"])  # type: ignore[arg-type]


def resign(envelope: bytes, edit: Callable[[dict[str, Any]], None], key: PrivateKey) -> bytes:
    """The envelope's statement after `edit` on its predicate, signed with `key`."""
    parsed = Statement.from_bytes(payload(envelope))
    predicate: dict[str, Any] = dict(parsed.predicate)
    edit(predicate)
    return sign_statement(replace(parsed, predicate=predicate), key)


def sign_bytes(data: bytes, key: PrivateKey, *, key_id: str = "") -> bytes:
    """An envelope around arbitrary payload bytes."""
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
