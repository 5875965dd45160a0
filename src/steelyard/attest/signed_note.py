"""Signed notes and checkpoints: a short text under which several keys set their names.

Decides the bytes of a note and of its signatures (C2SP signed-note), of a checkpoint
(C2SP tlog-checkpoint: origin, size, root) and of a cosignature with its time (C2SP
tlog-cosignature). What origin, size and root mean is for the format that uses it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import read_base64
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from steelyard.attest.keys import PrivateKey, PublicKey

_ED25519: Final = b"\x01"
_COSIGNATURE: Final = b"\x04"
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")
_LINE: Final = re.compile(r"\u2014 ([^\s+]{1,200}) ([A-Za-z0-9+/]{4,8192}={0,2})")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,14}")
_NOTE_LIMIT_BYTES: Final = 64 * 1024
SIGNATURE_LIMIT: Final = 300
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_CHECKPOINT_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: so many entries, under this root.

    Attributes:
        origin: Which log.
        root: 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The body of its note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines, not yet verified.

    Attributes:
        text: With its last line break.
        signatures: Pairs of a name and the bytes of key hash and signature.
    """

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    def to_bytes(self) -> bytes:
        """The note as it is written."""
        lines = (
            f"\u2014 {name} {base64.b64encode(data).decode()}\n" for name, data in self.signatures
        )
        return f"{self.text}\n{''.join(lines)}".encode()

    def joined(self, other: Note) -> Note:
        """The same text with the signatures of both.

        Raises:
            BrokenSeal: they are of two texts.
            MalformedEvidence: together they are more than a note holds.
        """
        if other.text != self.text:
            raise BrokenSeal("the notes say different things")
        added = tuple(line for line in other.signatures if line not in self.signatures)
        joined = Note(self.text, (*self.signatures, *added))
        _require_room(len(joined.signatures), len(joined.to_bytes()), "note")
        return joined


def sign_note(text: str, name: str, key: PrivateKey) -> Note:
    """A note with one Ed25519 signature.

    Raises:
        MalformedEvidence: a text or a name that no note can hold.
    """
    _require_text(text)
    _require_name(name)
    signature = key.sign(text.encode())
    return Note(text, ((name, _key_hash(name, _ED25519, key.public_key) + signature),))


def cosign_note(note: Note, name: str, key: PrivateKey, *, at: int) -> Note:
    """The note with a cosignature that says when it was made.

    Args:
        note: What is cosigned.
        name: Of the cosigner.
        key: The cosigner's.
        at: Seconds since 1970.

    Raises:
        MalformedEvidence: a name that no note can hold, or a note that holds no more.
    """
    _require_name(name)
    time = at.to_bytes(_TIME_BYTES, "big")
    signature = key.sign(_cosigned(note.text, at))
    line = (name, _key_hash(name, _COSIGNATURE, key.public_key) + time + signature)
    return note.joined(Note(note.text, (line,)))


def read_note(data: bytes, *, where: str = "note") -> Note:
    """Take a note apart, believing none of its signatures.

    Raises:
        MalformedEvidence: no note.
    """
    _require_room(0, len(data), where)
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedEvidence("a note is UTF-8", where=where) from error
    text, gap, lines = whole.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise MalformedEvidence("a note ends in signature lines", where=where)
    found = tuple(_line(line, where) for line in lines[:-1].split("\n"))
    _require_room(len(found), len(data), where)
    if len(set(found)) != len(found):
        raise MalformedEvidence("a signature line stands twice", where=where)
    note = Note(text + "\n", found)
    _require_text(note.text)
    return note


def verify_signature(note: Note, name: str, keys: Mapping[str, PublicKey]) -> PublicKey:
    """The key that signed the note first in that name, as its lines stand.

    Args:
        note: What was read.
        name: The signer's.
        keys: The signer's keys by any label.

    Raises:
        BrokenSeal: no signature in that name by any of the keys, or one that does not verify.
    """
    marked = _marked(name, _ED25519, keys)
    found = [
        _signer(marked[mark], signature, note.text.encode())
        for mark, signature in _lines_by(note, name, marked)
    ]
    if not found:
        raise BrokenSeal(f"not signed by {name[:80]} with a key of its own", where="note")
    return found[0]


def verify_cosignature(note: Note, name: str, keys: Mapping[str, PublicKey]) -> int:
    """The earliest time of a cosignature in that name, in seconds since 1970.

    Raises:
        BrokenSeal: no cosignature in that name by any of the keys, or one that does not verify.
    """
    marked, times = _marked(name, _COSIGNATURE, keys), list[int]()
    for mark, data in _lines_by(note, name, marked):
        at = int.from_bytes(data[:_TIME_BYTES], "big")
        _signer(marked[mark], data[_TIME_BYTES:], _cosigned(note.text, at))
        times.append(at)
    if not times:
        raise BrokenSeal(f"not cosigned by {name[:80]} with a key of its own", where="note")
    return min(times)


def signed_part(note: Note, name: str, keys: Mapping[str, PublicKey]) -> Note:
    """A note that was verified, with no line but what these keys signed in that name.

    Of several lines of one key the one of the earliest time stays: a signer could fill a note.
    """
    marked = {**_marked(name, _ED25519, keys), **_marked(name, _COSIGNATURE, keys)}
    least: dict[bytes, bytes] = {}
    for mark, data in _lines_by(note, name, marked):
        least[mark] = min(data, least.get(mark, data))
    return Note(note.text, tuple((name, mark + data) for mark, data in least.items()))


def read_checkpoint(note: Note, origin: str) -> Checkpoint:
    """The checkpoint that a note carries; its signatures are for the caller.

    Raises:
        MalformedEvidence: no checkpoint.
        BrokenSeal: of another log.
    """
    lines = note.text[:-1].split("\n")
    if len(lines) != _CHECKPOINT_LINES or not _SIZE.fullmatch(lines[1]):
        raise MalformedEvidence("a checkpoint has an origin, a size and a root", where="note")
    if lines[0] != origin:
        raise BrokenSeal(f"the checkpoint is of {lines[0][:80]}, not of {origin}", where="note")
    root = read_base64(lines[2], "the root", where="note")
    if len(root) != hashlib.sha256().digest_size:
        raise MalformedEvidence("the root has not 32 bytes", where="note")
    return Checkpoint(origin, int(lines[1]), root)


def _marked(
    name: str, kind: bytes, keys: Mapping[str, PublicKey]
) -> Mapping[bytes, Sequence[PublicKey]]:
    """Keys by the hash that names them in a line; two of one owner's may share it."""
    marked: dict[bytes, list[PublicKey]] = {}
    for key in keys.values():
        marked.setdefault(_key_hash(name, kind, key), []).append(key)
    return marked


def _lines_by(note: Note, name: str, marks: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Key hash and content of the lines of a name that known keys are said to have signed."""
    for signer, data in note.signatures:
        if signer == name and data[:_ID_BYTES] in marks:
            yield data[:_ID_BYTES], data[_ID_BYTES:]


def _signer(keys: Sequence[PublicKey], signature: bytes, message: bytes) -> PublicKey:
    """The key that made a signature, among those that its line can mean.

    Raises:
        BrokenSeal: none of them; the note is not believed.
    """
    *others, last = keys
    for key in others:
        with suppress(BrokenSeal):
            key.verify(signature, message)
            return key
    last.verify(signature, message)
    return last


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _key_hash(name: str, kind: bytes, key: PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + key.raw).digest()[:_ID_BYTES]


def _line(line: str, where: str) -> tuple[str, bytes]:
    found = _LINE.fullmatch(line)
    if found is None or not _NAME.fullmatch(found[1]):
        raise MalformedEvidence("a signature line is malformed", where=where)
    data = read_base64(found[2], "a signature", where=where)
    if len(data) <= _ID_BYTES:
        raise MalformedEvidence("a signature line is too short", where=where)
    return found[1], data


def _require_room(lines: int, size_bytes: int, where: str) -> None:
    if size_bytes > _NOTE_LIMIT_BYTES:
        raise MalformedEvidence(f"a note has at most {_NOTE_LIMIT_BYTES} bytes", where=where)
    if lines > SIGNATURE_LIMIT:
        raise MalformedEvidence(f"a note has at most {SIGNATURE_LIMIT} signatures", where=where)


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise MalformedEvidence(f"{name[:60]!r} cannot be the name of a signer", where="note")


def _require_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise MalformedEvidence("the text of a note is lines without control characters")
