"""Files that a browser saves and never shows: foreign bytes do not become a page of this node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import Response

from steelyard.disclosure.advisory.escape import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME_LIMIT: Final = 120
_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}


def download(data: bytes, name: str, media_type: str = "application/octet-stream") -> Response:
    """Bytes under a name (RFC 6266), to be saved."""
    shown = clean_line(name).replace("/", "_").replace("\\", "_")[:_NAME_LIMIT] or "file"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in shown)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"
    headers = {**_HEADERS, "content-disposition": disposition}
    return Response(data, headers=headers, media_type=media_type)
