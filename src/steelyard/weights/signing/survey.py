"""The files of a model against a manifest: covered, left out for a reason, or a refusal.

Decides what may lie in a model beside what is signed (OMS v1.0, sections 6.1, 6.2, 8.4, 8.5).
The signer's ignore list is shown, and by default not believed for a file that a loader could
read. Digests are left to `verify` and `reading`.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.weights.model_folder import Entry, entries
from steelyard.weights.signing.names import (
    DEFAULT_IGNORED,
    SELF_NAME,
    is_below,
    is_inert,
    refuse_collisions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from steelyard.weights.signing.manifest import Manifest

Reason = Literal["signature", "ignored", "empty", "unsigned"]
MODEL_LIMIT_BYTES: Final = 1 << 46
"""64 TiB, more than any model has: a sparse file may claim it, and is hashed hole by hole."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """What a caller puts up with; by default nothing that a signature does not cover.

    Attributes:
        follow_links: Read a link as the file it leads to, where the signature allows it too.
        allow_unsigned: Pass over files that are not signed (OMS: ignore unsigned files), empty
            ones that shards leave out among them.
        allow_ignored: Pass over files that the signer left out though a loader could read them.
    """

    follow_links: bool = False
    allow_unsigned: bool = False
    allow_ignored: bool = False


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A file that is there and not covered by the signature, and why it may be.

    Attributes:
        name: Below the model's root.
        reason: The signature itself, ignored by the signer or by OMS, empty, or unsigned.
        inert: Whether no loader reads a file of this name.
    """

    name: str
    reason: Reason
    inert: bool


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of the model.

    Attributes:
        path: Where it lies.
        size_bytes: Its size when the model was looked through.
        is_link: Whether the path is a link to it, which is followed.
    """

    path: Path
    size_bytes: int
    is_link: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """A model whose files are those of its manifest.

    Attributes:
        covered: By name as in the manifest.
        uncovered: The others, by name.
    """

    covered: Mapping[str, ModelFile]
    uncovered: tuple[Uncovered, ...]


def survey(
    root: Path, manifest: Manifest, policy: Policy, *, signature: Path | None = None
) -> Survey:
    """Hold the files of a model against its manifest, without reading them.

    Args:
        root: Folder or single file.
        manifest: Of a signature that was verified.
        policy: What the caller puts up with.
        signature: The signature's own file, which is left out where it lies in the model.

    Raises:
        BrokenSeal: signed files are missing or have another size, files are not signed, or
            were ignored though a loader could read them.
        MalformedEvidence: links, special files, names that collide, or more bytes than a model has.
    """
    ignored = manifest.serialization.ignored | DEFAULT_IGNORED
    found = list_files(
        root, ignored, follow_links=policy.follow_links and manifest.serialization.follows_links
    )
    if SELF_NAME in manifest.covered and not root.is_dir():
        found = dict.fromkeys([SELF_NAME], *found.values())
    _require_present(manifest, found, str(root))
    rest = {name: file for name, file in found.items() if name not in manifest.covered}
    uncovered = tuple(
        Uncovered(name, _reason(name, file, manifest, signature), is_inert(name))
        for name, file in rest.items()
    )
    _refuse_uncovered(uncovered, policy, str(root))
    covered = {name: found[name] for name in sorted(manifest.covered)}
    require_bounded(covered.values(), where=str(root))
    return Survey(covered, uncovered)


def require_bounded(files: Iterable[ModelFile], *, where: str) -> None:
    """Refuse, before hours of reading, files that claim more bytes than any model has.

    Raises:
        MalformedEvidence: they do.
    """
    size = sum(file.size_bytes for file in files)
    if size > MODEL_LIMIT_BYTES:
        message = f"a model has at most {MODEL_LIMIT_BYTES} bytes, these files claim {size}"
        raise MalformedEvidence(message, where=where, hint="look for a sparse file")


def list_files(root: Path, ignored: frozenset[str], *, follow_links: bool) -> dict[str, ModelFile]:
    """Every file of a model by name; links only as `follow_links` says.

    Links and special files that are ignored and inert are listed, and never followed.

    Raises:
        MalformedEvidence: unreadable, a special file, a link, or names that collide.
    """
    found = {
        entry.name: ModelFile(entry.path, entry.size_bytes, is_link=False)
        if is_below(entry.name, ignored) and is_inert(entry.name)
        else _file(entry, follow_links=follow_links)
        for entry in entries(root)
    }
    refuse_collisions(found, where=str(root))
    return found


def shown(names: Iterable[str]) -> str:
    """A few names for a message, and how many more there are."""
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(repr(name)[:80] for name in listed[:_SHOWN]) + more


def _file(entry: Entry, *, follow_links: bool) -> ModelFile:
    if entry.kind == "file":
        return ModelFile(entry.path, entry.size_bytes, is_link=False)
    if entry.kind == "link" and follow_links:
        try:
            status = entry.path.stat()
        except OSError as error:
            message = f"the link leads nowhere: {error.strerror or error}"
            raise MalformedEvidence(message, where=str(entry.path)) from error
        if stat.S_ISREG(status.st_mode):
            return ModelFile(entry.path, status.st_size, is_link=True)
    message = "symbolic links and special files have no place among weights"
    hint = "copy the file itself into the folder, or --follow-links for links to files"
    raise MalformedEvidence(message, where=str(entry.path), hint=hint)


def _require_present(manifest: Manifest, found: Mapping[str, ModelFile], where: str) -> None:
    missing = manifest.covered - found.keys()
    if missing:
        message = f"{len(missing)} signed files are missing: {shown(missing)}"
        raise BrokenSeal(message, where=where)
    if manifest.serialization.method == "files":
        return
    other = [
        name
        for name, parts in manifest.by_file().items()
        if parts[-1].stop != found[name].size_bytes
    ]
    if other:
        message = f"{len(other)} files have another size than was signed: {shown(other)}"
        raise BrokenSeal(message, where=where)


def _reason(name: str, file: ModelFile, manifest: Manifest, signature: Path | None) -> Reason:
    if signature is not None and _is_same(file.path, signature):
        return "signature"
    if is_below(name, manifest.serialization.ignored | DEFAULT_IGNORED):
        return "ignored"
    if manifest.serialization.method == "shards" and file.size_bytes == 0:
        return "empty"
    return "unsigned"


def _is_same(path: Path, other: Path) -> bool:
    return path.parent.resolve() / path.name == other.parent.resolve() / other.name


def _refuse_uncovered(uncovered: tuple[Uncovered, ...], policy: Policy, where: str) -> None:
    unsigned = [one.name for one in uncovered if one.reason == "unsigned"]
    if unsigned and not policy.allow_unsigned:
        message = f"{len(unsigned)} files are not signed: {shown(unsigned)}"
        hint = "remove them, or pass over them with --allow-unsigned"
        raise BrokenSeal(message, where=where, hint=hint)
    empty = [one.name for one in uncovered if one.reason == "empty" and not one.inert]
    if empty and not policy.allow_unsigned:
        message = f"{len(empty)} empty files are not signed: {shown(empty)}"
        hint = "shards leave empty files out; remove them, or pass over them with --allow-unsigned"
        raise BrokenSeal(message, where=where, hint=hint)
    hidden = [one.name for one in uncovered if one.reason == "ignored" and not one.inert]
    if hidden and not policy.allow_ignored:
        message = (
            f"the signer ignored {len(hidden)} files that a loader could read: {shown(hidden)}"
        )
        hint = "remove them, or pass over them with --allow-ignored"
        raise BrokenSeal(message, where=where, hint=hint)
