"""Safetensors files: the header against the file, and metadata that would make a loader run code.

`steelyard.weights.tensors` decides about the header. Tensor data are not read: a scan of any
size takes as long as its header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.tensors import LENGTH_BYTES, TensorHeader, header_length, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part
    from steelyard.weights.scan.source import Source

SCANNED_HEADER_BYTES: Final = 25_000_000
"""The longest header that hubs display; 100,000 tensors take half of it."""
_CODE: Final = re.compile(
    r"auto_map|trust_remote_code|__import__|__reduce__|__class__|__globals__|__builtins__"
    r"|\b(?:eval|exec|compile|getattr|os\.system|subprocess)\s*\(|<script\b|pickle\.loads?\b"
    r"|!!python/",
    re.IGNORECASE,
)


def read_safetensors(part: Part) -> Iterator[Finding]:
    """Findings about one file; reads its header alone."""
    try:
        header = read_header(part.source)
    except MalformedEvidence as error:
        where = f" ({error.where.removeprefix(': ')})" if error.where else ""
        yield part.finding("safetensors-header", f"{error.message}{where}", 0)
        return
    if header is None:
        text = f"the header has more than {SCANNED_HEADER_BYTES} bytes"
        yield part.finding("header-limit", text, 0)
        return
    for key, value in header.metadata.items():
        if found := _CODE.search(f"{key}\n{value}"):
            text = f"metadata {key[:60]!r} holds {found.group()[:40]!r}"
            yield part.finding("safetensors-metadata", text, LENGTH_BYTES)


def read_header(source: Source) -> TensorHeader | None:
    """The header of a safetensors file; None where it is longer than a scan reads.

    Raises:
        MalformedEvidence: it does not describe the file.
    """
    prefix = source.read(0, LENGTH_BYTES)
    length = header_length(prefix, file_bytes=source.size)
    if length > SCANNED_HEADER_BYTES:
        return None
    return parse_header(source.read(0, length), file_bytes=source.size)
