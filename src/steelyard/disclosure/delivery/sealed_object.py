"""Sealed objects: content encrypted once, for several organizations.

Decides spec/disclosure-delivery.md, section 2: how content is encrypted and committed to, and who
can open it. Who may be given it is for the case; randomness is an argument, but for HPKE's own,
which comes from the operating system.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from steelyard.attest.commitment import SALT_BYTES, require_salt
from steelyard.disclosure.delivery.framing import (
    join_parts,
    pad,
    require_hybrid,
    require_organization,
    split_parts,
    unpad,
)
from steelyard.disclosure.delivery.object_header import (
    FORMAT,
    RECIPIENT_LIMIT,
    Container,
    Core,
    key_info,
    list_tag,
    read_container,
    wrap_key,
)
from steelyard.kernel import keyed_digest, sha256_hex
from steelyard.kernel.errors import (
    BrokenSeal,
    ConfigurationError,
    MalformedEvidence,
    NotSatisfied,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.attest.recipients import Identity, Recipient

PLAINTEXT_LIMIT_BYTES: Final = 12 << 20
_KEY_BYTES: Final = 32
# Each data key encrypts one body, so the nonce need not vary.
_NONCE: Final = bytes(12)
_LEAST_BYTES: Final = 1024
_COMMITMENT_DOMAIN: Final = f"{FORMAT} content\0".encode()
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
_WHERE: Final = "sealed object"


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """What was in a sealed object; its printed form shows nothing of the content.

    Attributes:
        media_type: Of the plaintext.
        salt: With media type and plaintext, opens the commitment; publish it with them.
        commitment: As the object shows it to everybody.
        recipients: Organization, key id and kind, authenticated by the data key.
    """

    media_type: str
    plaintext: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    commitment: str
    object_id: str
    recipients: tuple[tuple[str, str, str], ...]


def seal_object(
    plaintext: bytes,
    *,
    media_type: str,
    recipients: Mapping[str, Recipient],
    random: Callable[[int], bytes],
    allow_classic: bool = False,
) -> bytes:
    """Encrypt content for organizations.

    Args:
        plaintext: At most 12 MiB.
        media_type: Type and subtype, without parameters.
        recipients: Key of each organization, by its id.
        random: Gives so many bytes that nobody can guess.
        allow_classic: Take X25519 keys without ML-KEM too.

    Raises:
        ConfigurationError: too long, no media type, no or too many recipients, or no id.
        NotSatisfied: a recipient without ML-KEM, where that is not allowed.
    """
    if len(plaintext) > PLAINTEXT_LIMIT_BYTES:
        message = f"{len(plaintext):,} bytes, and at most {PLAINTEXT_LIMIT_BYTES:,} are sealed"
        raise ConfigurationError(message, hint="seal it in several objects")
    if not _MEDIA_TYPE.fullmatch(media_type):
        message = f"{media_type[:80]!r} is no media type in lower case without parameters"
        raise ConfigurationError(message)
    if not 0 < len(recipients) <= RECIPIENT_LIMIT:
        message = f"{len(recipients)} recipients: need 1 to {RECIPIENT_LIMIT}"
        raise ConfigurationError(message, where="recipients")
    for organization, recipient in recipients.items():
        require_organization(organization, where="recipients")
        require_hybrid(recipient, organization, allow_classic=allow_classic)
    data_key, salt = random(_KEY_BYTES), random(SALT_BYTES)
    commitment = commit_content(salt, media_type, plaintext)
    content = pad(join_parts((salt, media_type.encode(), plaintext)), least=_LEAST_BYTES)
    ciphertext = _cipher(data_key).encrypt(_NONCE, content, _associated(commitment))
    core = Core(commitment, sha256_hex(ciphertext))
    number = core.object_id
    wraps = tuple(wrap_key(data_key, number, *entry) for entry in sorted(recipients.items()))
    return Container(core, number, wraps, list_tag(data_key, number, wraps), ciphertext).to_bytes()


def open_object(data: bytes, organization: str, identity: Identity) -> OpenedObject:
    """Open an object as one of its recipients.

    Args:
        data: The object's file.
        organization: Id of the one that opens.
        identity: The private key that the object was sealed to.

    Raises:
        MalformedEvidence: no sealed object.
        NotSatisfied: not sealed to this key of this organization.
        BrokenSeal: changed, or content or recipients other than its sealer wrote.
    """
    container = read_container(data)
    data_key = _data_key(container, organization, identity)
    commitment = container.core.commitment
    try:
        content = _cipher(data_key).decrypt(_NONCE, container.ciphertext, _associated(commitment))
    except InvalidTag as error:
        raise BrokenSeal("the data key does not open the body", where=_WHERE) from error
    parts = split_parts(unpad(content, least=_LEAST_BYTES, where=_WHERE), most=3, where=_WHERE)
    salt, media_type, plaintext = _content(parts)
    opened = OpenedObject(
        media_type, plaintext, salt, commitment, container.object_id, container.recipients
    )
    # AES-GCM does not commit to its key: without this, two recipients could see different content.
    check_revealed(commitment, salt, media_type, plaintext)
    return opened


def object_id(data: bytes) -> str:
    """SHA-256 over what does not change when recipients are added, lower hex.

    Raises:
        MalformedEvidence: no sealed object.
        BrokenSeal: the body is another than its header names.
    """
    return read_container(data).object_id


def recipients_of(data: bytes) -> tuple[tuple[str, str, str], ...]:
    """Organization, key id and kind of each recipient; a claim until a recipient has opened it.

    Raises:
        MalformedEvidence: no sealed object.
        BrokenSeal: the body is another than its header names.
    """
    return read_container(data).recipients


def commit_content(salt: bytes, media_type: str, plaintext: bytes) -> str:
    """SHA-256 over domain, salt, media type and plaintext, lower hex.

    Raises:
        ConfigurationError: the salt has not exactly 32 bytes.
    """
    require_salt(salt)
    framed = _COMMITMENT_DOMAIN + salt + join_parts((media_type.encode(),))
    state = hashlib.sha256(framed)
    state.update(plaintext)
    return state.hexdigest()


def check_revealed(commitment: str, salt: bytes, media_type: str, plaintext: bytes) -> bytes:
    """Check content that is published against what its object committed to; return it.

    Raises:
        BrokenSeal: other content, media type or salt.
    """
    if not hmac.compare_digest(commit_content(salt, media_type, plaintext), commitment):
        message = f"the content does not open commitment {commitment[:16]}"
        raise BrokenSeal(message, where=_WHERE, hint="ask its author for the content as sealed")
    return plaintext


def _data_key(container: Container, organization: str, identity: Identity) -> bytes:
    """The data key, after the tag over the list of recipients was checked with it."""
    recipient = identity.recipient
    asked = (organization, recipient.key_id, recipient.kind)
    for wrap, entry in zip(container.wraps, container.recipients, strict=True):
        if entry == asked:
            info = key_info(container.object_id, organization)
            data_key = identity.decrypt(wrap.wrapped, info)
            container.check_tag(data_key)
            return data_key
    message = f"not sealed to key {recipient.key_id[:16]} of {organization[:20]}"
    hint = "recipients: " + ", ".join(name[:20] for name, _, _ in container.recipients[:8])
    raise NotSatisfied(message, where=_WHERE, hint=hint)


def _content(parts: tuple[bytes, ...]) -> tuple[bytes, str, bytes]:
    match parts:
        case (salt, media_type, plaintext) if len(salt) == SALT_BYTES:
            text = media_type.decode("ascii", "replace")
            if _MEDIA_TYPE.fullmatch(text) and len(plaintext) <= PLAINTEXT_LIMIT_BYTES:
                return salt, text, plaintext
        case _:
            pass
    message = "a body has a salt, a media type and content within the limit"
    raise MalformedEvidence(message, where=_WHERE)


def _cipher(data_key: bytes) -> AESGCM:
    if len(data_key) != _KEY_BYTES:
        raise BrokenSeal(f"a data key has {_KEY_BYTES} bytes, found {len(data_key)}", where=_WHERE)
    return AESGCM(keyed_digest(data_key, f"{FORMAT} body"))


def _associated(commitment: str) -> bytes:
    return f"{FORMAT} body\0".encode() + bytes.fromhex(commitment)
