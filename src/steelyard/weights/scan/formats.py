"""Which format bytes have, whatever their name says.

Decides from content first: a loader that is told to read a pickle reads one under any name.
The name only settles what content leaves open.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from steelyard.weights.scan.source import Source

Format = Literal[
    "safetensors", "pickle", "zip", "tar", "gzip", "bzip2", "xz", "lzma", "zlib",
    "npy", "gguf", "onnx", "hdf5", "closed-archive", "native", "sentencepiece", "json",
    "yaml", "template", "script", "text", "media", "raw", "empty", "unknown",
]  # fmt: skip

_HEAD_BYTES: Final = 4096
_PIECE_BYTES: Final = 1 << 20
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""What no text has: control characters other than white space."""
_FIRST_PIECE: Final = b"\n"
"""How the list of pieces of a sentencepiece model begins: field 1, and no opcode."""
_TAR_BLOCK: Final = 512
_TAR_SUM: Final = slice(148, 156)
_TAR_MAGIC: Final = slice(257, 262)
_MAGIC: Final[Mapping[bytes, Format]] = {
    b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x93NUMPY": "npy", b"GGUF": "gguf",
    b"\x89HDF\r\n\x1a\n": "hdf5", b"\x1f\x8b": "gzip", b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma", b"\x28\xb5\x2f\xfd": "closed-archive",
    b"7z\xbc\xaf\x27\x1c": "closed-archive", b"Rar!\x1a\x07": "closed-archive",
    b"\x04\x22\x4d\x18": "closed-archive", b"\x1f\x9d": "closed-archive",
    b"MSCF": "closed-archive", b"xar!": "closed-archive",
    b"\x7fELF": "native", b"MZ": "native", b"\xca\xfe\xba\xbe": "native",
    b"\xcf\xfa\xed\xfe": "native", b"\xce\xfa\xed\xfe": "native", b"!<arch>\n": "native",
    b"\x00asm": "native", b"dex\n": "native",
    b"\x89PNG\r\n\x1a\n": "media", b"\xff\xd8\xff": "media", b"GIF8": "media",
    b"RIFF": "media", b"ID3": "media", b"OggS": "media", b"fLaC": "media",
}  # fmt: skip
_ZLIB_STARTS: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PICKLE_ENDINGS: Final = frozenset(
    {
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".ckpt",
        ".bin",
        ".joblib",
        ".dill",
        ".p",
        ".mar",
        ".dat",
        ".sav",
        ".pck",
        ".ot",
    }
)
_ALSO_PICKLES: Final = frozenset({".model", ".data", ".spm"})
"""Endings of pickles, of tokenizers and of plain text."""
_UNREAD_ENDINGS: Final = frozenset(
    {
        ".pb",
        ".pbtxt",
        ".prototxt",
        ".caffemodel",
        ".tflite",
        ".mlmodel",
        ".msgpack",
        ".pdparams",
        ".pdmodel",
        ".params",
        ".engine",
        ".plan",
        ".trt",
        ".rds",
        ".rda",
        ".mat",
        ".cbm",
        ".bst",
    }
)
"""Models of other programs: text or not, nobody here reads them."""
_BY_ENDING: Final[Mapping[str, Format]] = {
    ".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx", ".npy": "npy",
    ".npz": "zip", ".keras": "zip", ".pt2": "zip", ".tar": "tar", ".h5": "hdf5",
    ".hdf5": "hdf5", ".json": "json", ".pyc": "native",
    **dict.fromkeys((".jinja", ".jinja2", ".j2"), "template"),
    **dict.fromkeys((".py", ".pyw", ".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1", ".js", ".mjs",
                     ".lua", ".r", ".rb", ".pl", ".vbs"), "script"),
    **dict.fromkeys(_UNREAD_ENDINGS, "unknown"),
    ".onnx_data": "raw", ".yaml": "yaml", ".yml": "yaml",
    **dict.fromkeys((".so", ".dll", ".dylib", ".exe"), "native"),
}  # fmt: skip
WEIGHT_ENDINGS: Final = frozenset(
    {".safetensors", ".gguf", ".onnx", ".npy", ".npz", ".keras", ".h5", *_PICKLE_ENDINGS}
)


_OTHER_CONTENTS: Final[Mapping[str, frozenset[Format]]] = {
    ".keras": frozenset({"hdf5"}),
    ".tar": frozenset({"gzip", "bzip2", "xz", "lzma"}),
}
_ANY_CONTENT: Final[frozenset[Format]] = frozenset({"raw", "unknown"})


def promised(name: str) -> frozenset[Format]:
    """The formats that a loader would take a file for by its name; none where it could be any."""
    found = _BY_ENDING.get(ending(name))
    if found is None or found in _ANY_CONTENT:
        return frozenset()
    return _OTHER_CONTENTS.get(ending(name), frozenset[Format]()) | frozenset[Format]({found})


def ending(name: str) -> str:
    """The last ending of a name, in lower case."""
    return PurePosixPath(name).suffix.lower()


def recognize(source: Source, name: str) -> Format:
    """The format of some bytes that go by `name`."""
    head = source.read(0, _HEAD_BYTES)
    if not head:
        return "empty"
    if ending(name) == ".onnx_data":
        # Numbers of any value; whether they would run as a pickle or open as a zip is asked too.
        return "raw"
    return _by_magic(head, name) or _by_start(head, source.size, name) or _by_name(head, name)


def _by_magic(head: bytes, name: str) -> Format | None:
    for magic, found in _MAGIC.items():
        if head.startswith(magic) and _plausible(found, head, name):
            return found
    return "tar" if is_tar(head) else None


def is_tar(head: bytes) -> bool:
    """Whether bytes start with a tar header, of POSIX or of the time before it."""
    if head[_TAR_MAGIC] == b"ustar":
        return True
    digits = head[_TAR_SUM].strip(b" \0")
    if len(head) < _TAR_BLOCK or not digits or digits.strip(b"01234567"):
        return False
    blank = head[: _TAR_SUM.start] + b" " * 8 + head[_TAR_SUM.stop : _TAR_BLOCK]
    return sum(blank) == int(digits, 8)


def _by_start(head: bytes, size: int, name: str) -> Format | None:
    if is_safetensors(head, size, name):
        return "safetensors"
    if starts_like_pickle(head):
        return "pickle"
    return "zlib" if head.startswith(_ZLIB_STARTS) and not is_text(head) else None


def _plausible(found: Format, head: bytes, name: str) -> bool:
    """Short magics are also how texts begin."""
    if found in {"native", "media", "bzip2"}:
        return ending(name) in _BY_ENDING or not is_text(head)
    return True


def is_safetensors(head: bytes, size: int, name: str) -> bool:
    """Whether a reader of safetensors would try."""
    length = int.from_bytes(head[:8], "little")
    return ending(name) == ".safetensors" or (head[8:9] == b"{" and 8 + length <= size)


def starts_like_pickle(head: bytes) -> bool:
    """Whether bytes start with PROTO of a protocol that exists."""
    return len(head) > 1 and head[0] == 0x80 and head[1] <= 5  # noqa: PLR2004 - PROTO, latest


def _by_name(head: bytes, name: str) -> Format:
    known = _BY_ENDING.get(ending(name))
    if known is not None:
        return known
    if PurePosixPath(name).name == "MLmodel":
        return "yaml"
    if ending(name) in _ALSO_PICKLES:
        return "sentencepiece" if head.startswith(_FIRST_PIECE) else "pickle"
    if ending(name) in _PICKLE_ENDINGS:
        return "pickle"
    if head.startswith(b"#!") and is_text(head):
        return "script"
    return "text" if is_text(head) else "unknown"


def is_text(head: bytes) -> bool:
    """Whether the start is UTF-8 without control characters other than white space."""
    return _reads_as_text([head], whole=len(head) < _HEAD_BYTES)


def is_whole_text(source: Source) -> bool:
    """Whether every byte is text, and not the start alone."""
    pieces = (source.read(at, _PIECE_BYTES) for at in range(0, source.size, _PIECE_BYTES))
    return _reads_as_text(pieces, whole=True)


def _reads_as_text(pieces: Iterable[bytes], *, whole: bool) -> bool:
    """Whether bytes are text; of a part the last character may be cut."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        clean = all(not _CONTROL.search(decoder.decode(piece)) for piece in pieces)
        decoder.decode(b"", final=whole)
    except UnicodeDecodeError:
        return False
    return clean
