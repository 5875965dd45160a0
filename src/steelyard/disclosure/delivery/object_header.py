"""The open part of a sealed object: its core, who can open it, and the tag over that list.

Decides spec/disclosure-delivery.md, sections 2.1 and 2.3: the exact bytes of a header, the id of
an object, and that a list of recipients was written by somebody who had the data key. What is
encrypted is for `sealed_object`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.delivery.framing import check_organization, join_parts, split_parts
from steelyard.kernel import (
    canonical_json,
    check_sha256,
    digest_json,
    keyed_digest,
    parse_json_object,
    read_base64,
    sha256_hex,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from steelyard.attest.recipients import Recipient
    from steelyard.kernel import JsonObject

FORMAT: Final = "steelyard/disclosure-object/1"
SUITE: Final = "AES-256-GCM"
RECIPIENT_LIMIT: Final = 512
_MAGIC: Final = f"{FORMAT}\n".encode()
# 512 hybrid recipients take 900 kB.
_HEADER_LIMIT_BYTES: Final = 1 << 20
_WRAPPED_BYTES: Final = {"hpke-x25519": 80, "hpke-mlkem768-x25519": 1168}
_WHERE: Final = "sealed object"


@dataclass(frozen=True, slots=True)
class Wrap:
    """The data key, encrypted to one organization."""

    organization: str
    kind: str
    key_id: str
    wrapped: bytes

    def to_json(self) -> JsonObject:
        """The entry as the header writes it."""
        return {
            "organization": self.organization,
            "kind": self.kind,
            "id": self.key_id,
            "wrapped": base64.standard_b64encode(self.wrapped).decode("ascii"),
        }


@dataclass(frozen=True, slots=True)
class Core:
    """What does not change when recipients are added.

    Attributes:
        commitment: To the content, hex.
        body: SHA-256 of the ciphertext, hex.
    """

    commitment: str
    body: str

    def to_json(self) -> JsonObject:
        """The core as the header writes it."""
        return {"format": FORMAT, "suite": SUITE, "commitment": self.commitment, "body": self.body}

    @property
    def object_id(self) -> str:
        """SHA-256 of its canonical JSON, lower hex."""
        return digest_json(self.to_json())


@dataclass(frozen=True, slots=True)
class Container:
    """A sealed object as it lies on a disk; `wraps` are a claim until `check_tag` accepted them.

    Attributes:
        wraps: Sorted by organization, each once.
        tag: HMAC over object id and recipients, hex.
    """

    core: Core
    object_id: str
    wraps: tuple[Wrap, ...]
    tag: str
    ciphertext: bytes

    @property
    def recipients(self) -> tuple[tuple[str, str, str], ...]:
        """Organization, key id and kind of each entry."""
        return tuple((wrap.organization, wrap.key_id, wrap.kind) for wrap in self.wraps)

    def to_bytes(self) -> bytes:
        """The object's file."""
        header = canonical_json(
            {
                "core": self.core.to_json(),
                "recipients": [wrap.to_json() for wrap in self.wraps],
                "tag": self.tag,
            }
        )
        return _MAGIC + join_parts((header, self.ciphertext))

    def check_tag(self, data_key: bytes) -> None:
        """Check that who wrote the list of recipients had the data key.

        Raises:
            BrokenSeal: an entry was dropped, added, exchanged or changed.
        """
        if not hmac.compare_digest(self.tag, list_tag(data_key, self.object_id, self.wraps)):
            message = "the list of recipients was changed by somebody without the data key"
            hint = f"ask another recipient for object {self.object_id[:16]}"
            raise BrokenSeal(message, where=_WHERE, hint=hint)


def wrap_key(data_key: bytes, object_id: str, organization: str, recipient: Recipient) -> Wrap:
    """The data key for one organization; opens for no other and in no other object."""
    wrapped = recipient.encrypt(data_key, key_info(object_id, organization))
    return Wrap(organization, recipient.kind, recipient.key_id, wrapped)


def key_info(object_id: str, organization: str) -> bytes:
    """HPKE info of a data key."""
    return f"{FORMAT} data key\0{object_id}\0{organization}".encode()


def list_tag(data_key: bytes, object_id: str, wraps: tuple[Wrap, ...]) -> str:
    """HMAC-SHA-256 over object id and list, under a key that follows from the data key."""
    key = keyed_digest(data_key, f"{FORMAT} recipients")
    entries = canonical_json([wrap.to_json() for wrap in wraps])
    return hmac.new(key, bytes.fromhex(object_id) + entries, hashlib.sha256).hexdigest()


def read_container(data: bytes) -> Container:
    """Read an object's file; accepts exactly the bytes that `to_bytes` writes.

    Raises:
        MalformedEvidence: not this format, or another spelling of it.
        BrokenSeal: the ciphertext is not the one that the core names.
    """
    if not data.startswith(_MAGIC):
        raise MalformedEvidence("this is no sealed object", where=_WHERE)
    parts = split_parts(data[len(_MAGIC) :], most=2, where=_WHERE)
    if len(parts) != 2 or len(parts[0]) > _HEADER_LIMIT_BYTES:  # noqa: PLR2004 - two parts
        message = f"need a header of at most {_HEADER_LIMIT_BYTES:,} bytes and a body"
        raise MalformedEvidence(message, where=_WHERE)
    header, ciphertext = parts
    core, wraps, tag = _read_header(header)
    container = Container(core, core.object_id, wraps, tag, ciphertext)
    if container.to_bytes() != data:
        message = "the header has other fields or another spelling than the format"
        raise MalformedEvidence(message, where=_WHERE)
    if sha256_hex(ciphertext) != core.body:
        raise BrokenSeal("the body is not the one that the header names", where=_WHERE)
    return container


def _read_header(header: bytes) -> tuple[Core, tuple[Wrap, ...], str]:
    match cast("dict[str, Any]", parse_json_object(header, where=_WHERE)):
        case {
            "core": {"commitment": str(commitment), "body": str(body)},
            "recipients": [_, *_] as entries,
            "tag": str(tag),
        } if len(entries) <= RECIPIENT_LIMIT:
            for digest in (commitment, body, tag):
                _require(check_sha256, digest)
            wraps = tuple(_read_wrap(entry) for entry in entries)
        case _:
            message = f"a header has core, tag and 1 to {RECIPIENT_LIMIT} recipients"
            raise MalformedEvidence(message, where=_WHERE)
    names = [wrap.organization for wrap in wraps]
    if names != sorted(set(names)):
        message = "recipients are sorted by organization, each once"
        raise MalformedEvidence(message, where=_WHERE)
    return Core(commitment, body), wraps, tag


def _read_wrap(entry: object) -> Wrap:
    match entry:
        case {
            "organization": str(organization),
            "kind": str(kind),
            "id": str(key_id),
            "wrapped": str(text),
        } if kind in _WRAPPED_BYTES:
            _require(check_organization, organization)
            _require(check_sha256, key_id)
            wrapped = read_base64(text, "a wrapped key", where=_WHERE)
            if len(wrapped) == _WRAPPED_BYTES[kind]:
                return Wrap(organization, kind, key_id, wrapped)
        case _:
            pass
    message = "a recipient has organization, kind, id and the data key wrapped for that kind"
    raise MalformedEvidence(message, where=_WHERE)


def _require(check: Any, value: str) -> None:  # noqa: ANN401 - either check of the kernel's shape
    try:
        check(value)
    except ValueError as error:
        raise MalformedEvidence(str(error), where=_WHERE) from error
