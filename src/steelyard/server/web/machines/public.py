"""What anybody may read: the files that were published, and whether the node works.

Decides that only regular files below the public folder are served, by their plain names: no
link, no hidden file but `.well-known`, no listing.
"""

from __future__ import annotations

import asyncio
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from starlette.responses import FileResponse, Response

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request

    from steelyard.server.node import Node

WELL_KNOWN: Final = ".well-known"
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".asc": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".pub": "text/plain; charset=utf-8",
    ".sha256": "text/plain; charset=utf-8",
    ".sha512": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/atom+xml",
}
_FRESH: Final[Mapping[str, str]] = {"cache-control": "public, max-age=300"}


class Published:
    """Serves a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def well_known(self, request: Request) -> Response:
        """`GET /.well-known/...`."""
        return await self._file(f"{WELL_KNOWN}/{request.path_params['name']}")

    async def feed(self, request: Request) -> Response:
        """`GET /atom.xml`."""
        del request
        return await self._file("atom.xml")

    async def _file(self, name: str) -> Response:
        path = await asyncio.to_thread(self._found, name)
        media_type = _MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        return FileResponse(path, media_type=media_type, headers=dict(_FRESH))

    def _found(self, name: str) -> Path:
        """The file of a name.

        Raises:
            UnknownName: there is none, or none that is served.
        """
        path = self._folder
        for part in PurePosixPath(name).parts:
            hidden = part.startswith(".") and part != WELL_KNOWN
            if hidden or not part.isprintable() or "\\" in part or path.is_symlink():
                raise UnknownName("no such file")
            path /= part
        try:
            mode = path.lstat().st_mode
        except (OSError, ValueError) as error:
            raise UnknownName("no such file") from error
        if not stat.S_ISREG(mode):
            raise UnknownName("no such file")
        return path


class Health:
    """Whether the node can read and write."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def show(self, request: Request) -> Response:
        """`GET /health`."""
        del request
        written = self._node.change(
            lambda connection: connection.execute(text("SELECT 1")).scalar()
        )
        await asyncio.wrap_future(written)
        return Response(canonical_json({"status": "ok"}), media_type="application/json")
