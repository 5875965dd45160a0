"""The signed header of sealed weights (spec/sealed-weights.md, section 2).

Decides what a header says, that the expected publisher signed it, and whether it is of the
model and release that the caller expects. Who can open is for `recipients`, reading the
streams for `reader`.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.attest import PublicKey, Statement, Subject, open_envelope, sign_statement
from steelyard.attest.statement import predicate_type
from steelyard.kernel import digest_json, exact_instant, format_instant, read_bytes
from steelyard.kernel.errors import BrokenSeal, CannotVerify, MalformedEvidence
from steelyard.standard import require_schema
from steelyard.weights.quorum import Custody
from steelyard.weights.sealed.floe import HEADER_BYTES, SEGMENT_OVERHEAD_BYTES, Parameters
from steelyard.weights.sealed.layout import PLAIN_SEGMENT_BYTES, segment_count

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.kernel import JsonObject

FORMAT: Final = "steelyard/sealed-weights/1"
SUITE: Final = "FLOE-AES-256-GCM-SHA-384"
HEADER_KIND: Final = "sealed-weights"
HEADER_NAME: Final = "sealed.json"
LEAVES_NAME: Final = "leaves"
LEAF_BYTES: Final = 32
PARAMETERS: Final = Parameters(PLAIN_SEGMENT_BYTES + SEGMENT_OVERHEAD_BYTES)
HEADER_LIMIT_BYTES: Final = 16 << 20
FILE_LIMIT: Final = 50_000
_MANIFEST_DOMAIN: Final = b"steelyard/sealed-weights/manifest/1\x00"


@dataclass(frozen=True, slots=True)
class Core:
    """What encryption binds: it stays when recipients change."""

    model: str
    release: int
    seal: str
    manifest: str | None = None

    def to_json(self) -> JsonObject:
        """The core as the header writes it."""
        return {
            "format": FORMAT,
            "suite": SUITE,
            "segment_bytes": PARAMETERS.segment_bytes,
            "model": self.model,
            "release": self.release,
            "seal": self.seal,
            "manifest": self.manifest,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of its canonical JSON, lower hex."""
        return digest_json(self.to_json())

    def associated(self, stream: int, plain_bytes: int) -> bytes:
        """What the encryption of a stream is bound to (section 3)."""
        return (
            f"{FORMAT}\x00".encode()
            + bytes.fromhex(self.digest)
            + stream.to_bytes(4, "big")
            + plain_bytes.to_bytes(8, "big")
        )

    @property
    def key_info(self) -> bytes:
        """HPKE info of the content key (section 6)."""
        return f"{FORMAT} content key\x00".encode() + bytes.fromhex(self.digest)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream: its plaintext length in bytes, and its FLOE header."""

    plain_bytes: int
    header: bytes

    @property
    def segments(self) -> int:
        """Number of segments."""
        return segment_count(self.plain_bytes)

    @property
    def cipher_bytes(self) -> int:
        """Length of the stream's file."""
        return HEADER_BYTES + self.plain_bytes + self.segments * SEGMENT_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Wrapped:
    """The content key, wrapped for one recipient."""

    kind: str
    key_id: str
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """A header whose publisher signed it."""

    core: Core
    streams: tuple[StreamInfo, ...]
    leaves: str
    sealed_at: datetime
    recipients: tuple[Wrapped, ...]
    custody: Custody | None = None
    edition: int = 1

    @property
    def subject(self) -> Subject:
        """The model's name with the core's digest."""
        return Subject(self.core.model, self.core.digest)

    @property
    def leaf_offsets(self) -> tuple[int, ...]:
        """Number of segments before each stream."""
        offsets: list[int] = []
        total = 0
        for stream in self.streams:
            offsets.append(total)
            total += stream.segments
        return tuple(offsets)

    def sign(self, key: PrivateKey) -> bytes:
        """The header's envelope: the content of `sealed.json`."""
        predicate: JsonObject = {
            "core": self.core.to_json(),
            "streams": [
                {"plain_bytes": s.plain_bytes, "header": s.header.hex()} for s in self.streams
            ],
            "leaves": self.leaves,
            "sealed_at": format_instant(self.sealed_at),
            "edition": self.edition,
            "recipients": [
                {
                    "kind": r.kind,
                    "id": r.key_id,
                    "wrapped": base64.standard_b64encode(r.wrapped).decode("ascii"),
                }
                for r in self.recipients
            ],
            "quorum": None if self.custody is None else self.custody.to_json(),
        }
        statement = Statement((self.subject,), predicate_type(HEADER_KIND), predicate)
        return sign_statement(statement, key)


@dataclass(frozen=True, slots=True)
class Expect:
    """What the caller knows of a model before opening it.

    Attributes:
        signer: Key of the publisher.
        model: Name of the model; any where None.
        least_release: Lowest release to accept.
    """

    signer: PublicKey
    model: str | None = None
    least_release: int = 1


def read_header(folder: Path, expect: Expect) -> SealedHeader:
    """Verify the header of a folder of sealed weights (section 7, steps 1 and 2).

    Raises:
        BrokenSeal: no sealed weights, another publisher, or changed.
        MalformedEvidence: unreadable, too large, or it breaks the format.
        CannotVerify: another model, or a release below the lowest expected.
    """
    path = folder / HEADER_NAME
    _require_there(folder, path)
    data = read_bytes(path, limit_bytes=HEADER_LIMIT_BYTES)
    header = parse_header(data, expect.signer, where=str(path))
    core = header.core
    if expect.model is not None and core.model != expect.model:
        message = f"the model is {core.model!r}, expected {expect.model!r}"
        raise CannotVerify(message, where=str(path))
    if core.release < expect.least_release:
        message = f"release {core.release}, expected {expect.least_release} or later"
        raise CannotVerify(message, where=str(path), hint="get the latest from the publisher")
    return header


def _require_there(folder: Path, path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        message = "expected sealed weights, found something else"
        hint = "if a plain model is meant, open it with a tool for plain models"
        raise BrokenSeal(message, where=str(folder), hint=hint) from error
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise MalformedEvidence(message, where=str(folder)) from error


def parse_header(data: bytes, signer: PublicKey, *, where: str) -> SealedHeader:
    """Verify the bytes of a header by the publisher's key."""
    statement = open_envelope(data, {signer.key_id: signer}, where=where)
    if statement.predicate_type != predicate_type(HEADER_KIND):
        raise BrokenSeal("this is no header of sealed weights", where=where)
    require_schema(statement.predicate, HEADER_KIND, where=where)
    fields: dict[str, Any] = dict(statement.predicate)
    core = Core(**{n: fields["core"][n] for n in ("model", "release", "seal", "manifest")})
    header = SealedHeader(
        core=core,
        streams=tuple(
            StreamInfo(s["plain_bytes"], bytes.fromhex(s["header"])) for s in fields["streams"]
        ),
        leaves=fields["leaves"],
        sealed_at=exact_instant(fields["sealed_at"], where=where),
        recipients=tuple(
            Wrapped(r["kind"], r["id"], base64.b64decode(r["wrapped"]))
            for r in fields["recipients"]
        ),
        custody=Custody.from_json(fields["quorum"]) if fields["quorum"] else None,
        edition=fields["edition"],
    )
    if statement.subjects != (header.subject,):
        raise BrokenSeal("the subject is another model than the core", where=where)
    if not header.recipients and header.custody is None:
        raise MalformedEvidence("nobody could open these weights", where=where)
    return header


def manifest_commitment(root: str, salt: bytes) -> str:
    """Commitment to a manifest root (section 5), lower hex."""
    return hashlib.sha256(_MANIFEST_DOMAIN + salt + bytes.fromhex(root)).hexdigest()


def stream_name(number: int) -> str:
    """File name of a stream."""
    return f"{number:06d}.floe"
