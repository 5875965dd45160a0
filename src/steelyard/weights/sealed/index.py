"""The index of sealed weights: which stream is which file (spec/sealed-weights.md, section 5).

Decides which paths a model may have inside, so that restoring it writes nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import MalformedEvidence
from steelyard.standard import require_schema
from steelyard.weights.sealed.header import manifest_commitment

if TYPE_CHECKING:
    from steelyard.kernel import JsonObject
    from steelyard.weights.sealed.header import Core


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the model: its path, its length as a plain file, and how its stream is laid out."""

    path: str
    size_bytes: int
    kind: Literal["tensors", "bytes"]
    stream: int


@dataclass(frozen=True, slots=True)
class Index:
    """What stream 0 holds."""

    files: tuple[FileEntry, ...]
    manifest_root: str | None = None
    manifest_salt: str | None = None

    def to_bytes(self) -> bytes:
        """Its canonical JSON."""
        manifest: JsonObject = {"root": self.manifest_root, "salt": self.manifest_salt}
        return canonical_json(
            {
                "files": [
                    {"path": f.path, "bytes": f.size_bytes, "kind": f.kind, "stream": f.stream}
                    for f in self.files
                ],
                "manifest": manifest if self.manifest_root else None,
            }
        )


def parse_index(data: bytes, core: Core, streams: int) -> Index:
    """Read an index.

    Raises:
        MalformedEvidence: it breaks its schema, names a path that leaves the model or two
            that are one, counts streams otherwise, or opens another manifest commitment.
    """
    value = parse_json_object(data, where="index")
    require_schema(value, "sealed-index", where="index")
    fields: dict[str, Any] = dict(value)
    files = tuple(FileEntry(f["path"], f["bytes"], f["kind"], f["stream"]) for f in fields["files"])
    if [f.stream for f in files] != list(range(1, streams)):
        raise MalformedEvidence("files and streams do not match", where="index")
    paths = [f.path for f in files]
    if paths != sorted(set(paths)):
        raise MalformedEvidence("paths are not distinct and sorted", where="index")
    distinct = set(paths)
    for path in paths:
        _require_inside(path, distinct)
    for file in files:
        if file.kind != kind_of(file.path):
            raise MalformedEvidence(
                f"{file.path!r:.80} is no file of kind {file.kind}", where="index"
            )
    manifest: dict[str, str] = fields["manifest"] or {}
    root, salt = manifest.get("root"), manifest.get("salt")
    opened = manifest_commitment(root, bytes.fromhex(salt)) if root and salt else None
    if opened != core.manifest:
        raise MalformedEvidence("the manifest root does not open its commitment", where="index")
    index = Index(files, root, salt)
    if index.to_bytes() != data:
        raise MalformedEvidence("not in canonical JSON (RFC 8785)", where="index")
    return index


def kind_of(path: str) -> Literal["tensors", "bytes"]:
    """How the stream of a file is laid out (section 4)."""
    return "tensors" if path.endswith(".safetensors") else "bytes"


def _require_inside(path: str, files: set[str]) -> None:
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in path or not path.isprintable():
        raise MalformedEvidence(f"{path!r:.80} leaves the model", where="index")
    if any("/".join(parts[:depth]) in files for depth in range(1, len(parts))):
        raise MalformedEvidence(f"{path!r:.80} lies below a file", where="index")
