"""Signing a model: list its files, hash them, sign the manifest.

Decides what goes under a signature (OMS v1.0, section 6) and what may be left out: files that
a loader could read only when the caller says so. Writing the bundle is left to the caller.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from steelyard.kernel import check_label
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, UsageError
from steelyard.weights.signing.bundle import (
    BUNDLE_LIMIT_BYTES,
    CHAIN_LIMIT,
    Bundle,
    ChainClaim,
    KeyClaim,
)
from steelyard.weights.signing.hashing import DIGEST_BYTES, HashName, Range, digests
from steelyard.weights.signing.keys import public_key_of
from steelyard.weights.signing.manifest import (
    RESOURCE_LIMIT,
    Manifest,
    Resource,
    Serialization,
)
from steelyard.weights.signing.names import (
    DEFAULT_IGNORED,
    check_ignored,
    check_name,
    is_below,
    is_inert,
)
from steelyard.weights.signing.survey import (
    ModelFile,
    Uncovered,
    list_files,
    require_bounded,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography import x509

    from steelyard.weights.signing.keys import ModelPrivateKey
_RESOURCE_BYTES: Final = 80
"""What a resource takes at most beside its name and its digest."""


@dataclass(frozen=True, slots=True)
class SigningOptions:
    """How to sign.

    Attributes:
        hash_name: SHA-256 is what every verifier knows.
        shard_bytes: Size of a shard, 0 to hash whole files.
        ignored: Paths to leave out.
        follow_links: Read a link as the file it leads to.
        allow_ignored: Leave out files that a loader could read.
    """

    hash_name: HashName = "sha256"
    shard_bytes: int = 0
    ignored: frozenset[str] = frozenset()
    follow_links: bool = False
    allow_ignored: bool = False


@dataclass(frozen=True, slots=True)
class Signing:
    """A signature and what it covers.

    Attributes:
        bundle: The bytes to publish.
        manifest: What was signed.
        key_id: Of the key that signed.
        size_bytes: Bytes covered.
        uncovered: Files left out.
        outside: Names of links that lead out of the model.
    """

    bundle: bytes
    manifest: Manifest
    key_id: str
    size_bytes: int
    uncovered: tuple[Uncovered, ...]
    outside: tuple[str, ...]


def sign_model(
    root: Path,
    key: ModelPrivateKey,
    options: SigningOptions | None = None,
    *,
    signature: Path | None = None,
    certificates: tuple[x509.Certificate, ...] = (),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Signing:
    """Hash a model and sign its manifest.

    Args:
        root: Folder or single file.
        key: The signer's.
        options: How; OMS's defaults where not given.
        signature: Where the bundle will be written; left out where that is in the model.
        certificates: The signer's certificate and those above it, to sign with a certificate.
        progress: Called with (bytes hashed, bytes in all).

    Raises:
        MalformedEvidence: unreadable, links, unsafe or colliding names, nothing to sign, or more
            than a signature may list.
        UsageError: ignores files that a loader could read or what is no path in a model, or
            shards leave files out as empty.
        ConfigurationError: a certificate of another key.
    """
    wanted = options or SigningOptions()
    claim = _claim(key, certificates)
    own = _own_name(root, signature)
    ignored = _ignored(wanted) | DEFAULT_IGNORED | own
    found = list_files(root, ignored, follow_links=wanted.follow_links)
    uncovered = tuple(_left_out(name, own) for name in found if is_below(name, ignored))
    _refuse_hidden(uncovered, wanted, str(root))
    kept = {name: file for name, file in found.items() if not is_below(name, ignored)}
    serialization = Serialization(
        "shards" if wanted.shard_bytes else "files",
        wanted.hash_name, wanted.shard_bytes, wanted.follow_links, ignored,
    )  # fmt: skip
    manifest = _manifest(root, kept, serialization, progress)
    bundle = Bundle(claim, manifest.to_bytes(), b"")
    bundle = Bundle(claim, bundle.payload, key.sign(bundle.message))
    return Signing(
        bundle.to_bytes(),
        manifest,
        key.public_key.key_id,
        sum(file.size_bytes for file in kept.values()),
        uncovered,
        tuple(name for name, file in kept.items() if _leads_out(file, root)),
    )


def _manifest(
    root: Path,
    kept: Mapping[str, ModelFile],
    serialization: Serialization,
    progress: Callable[[int, int], None],
) -> Manifest:
    for name in kept:
        check_name(name, where=str(root))
    _require_listable(root, kept, serialization)
    ranges = [
        (name, start, stop, Range(file.path, start, stop, follow=file.is_link))
        for name, file in kept.items()
        for start, stop in _ranges(file, serialization)
    ]
    if not ranges:
        raise MalformedEvidence("there is no byte to sign", where=str(root))
    signed = {one[0] for one in ranges}
    # An empty file can be code all the same: a folder becomes a package by one.
    if left := [name for name in kept if name not in signed and not is_inert(name)]:
        message = f"{len(left)} empty files have no shard to sign: {shown(left)}"
        hint = "remove them, or sign whole files"
        raise UsageError(message, where=str(root), hint=hint)
    ranges.sort(key=lambda one: one[1] - one[2])
    hashed = digests([one[3] for one in ranges], serialization.hash_name, progress)
    whole = serialization.method == "files"
    resources = [
        Resource(name, start, -1 if whole else stop, digest)
        for (name, start, stop, _), digest in zip(ranges, hashed, strict=True)
    ]
    resources.sort(key=lambda resource: resource.name)
    return Manifest(_label(root), serialization, tuple(resources))


def _require_listable(
    root: Path, kept: Mapping[str, ModelFile], serialization: Serialization
) -> None:
    """Refuse, before hours of hashing, what no verifier would read.

    Raises:
        MalformedEvidence: too many bytes or resources, or a bundle that grows too large.
    """
    _label(root)
    require_bounded(kept.values(), where=str(root))
    shard = serialization.shard_bytes
    counts = {name: -(-file.size_bytes // shard) if shard else 1 for name, file in kept.items()}
    count = sum(counts.values())
    hint = "sign larger shards, or whole files" if shard else ""
    if count > RESOURCE_LIMIT:
        message = f"a signature lists at most {RESOURCE_LIMIT} files or shards, found {count}"
        raise MalformedEvidence(message, where=str(root), hint=hint)
    fields = 2 * DIGEST_BYTES[serialization.hash_name] + _RESOURCE_BYTES
    payload_bytes = sum(
        n * (len(json.dumps(name, ensure_ascii=False).encode()) + fields)
        for name, n in counts.items()
    )
    if payload_bytes * 4 // 3 > BUNDLE_LIMIT_BYTES:
        message = f"a signature has at most {BUNDLE_LIMIT_BYTES} bytes, this one would have more"
        raise MalformedEvidence(message, where=str(root), hint=hint)


def _label(root: Path) -> str:
    """The base name of a model, by which its signature speaks of it.

    Raises:
        MalformedEvidence: none, or none that can be written down.
    """
    name = root.resolve().name
    try:
        check_label(name)
    except ValueError as error:
        raise MalformedEvidence(str(error), where="model", hint="rename the folder") from error
    return name


def _ignored(wanted: SigningOptions) -> frozenset[str]:
    try:
        return frozenset(check_ignored(name, where="ignored path") for name in wanted.ignored)
    except MalformedEvidence as error:
        raise UsageError(error.message, where=error.where) from error


def _ranges(file: ModelFile, how: Serialization) -> list[tuple[int, int]]:
    if how.method == "files":
        return [(0, file.size_bytes)]
    return [
        (start, min(start + how.shard_bytes, file.size_bytes))
        for start in range(0, file.size_bytes, how.shard_bytes)
    ]


def _claim(
    key: ModelPrivateKey, certificates: tuple[x509.Certificate, ...]
) -> KeyClaim | ChainClaim:
    if not certificates:
        return KeyClaim(key.public_key.key_id, b"")
    if len(certificates) > CHAIN_LIMIT:
        message = f"a chain has at most {CHAIN_LIMIT} certificates, found {len(certificates)}"
        raise ConfigurationError(message)
    own = public_key_of(certificates[0].public_key(), where="certificate")
    if own != key.public_key:
        message = f"the first certificate is of key {own.key_id[:16]}, not the signing key"
        raise ConfigurationError(message, hint="give the signer's certificate first")
    return ChainClaim(tuple(one.public_bytes(Encoding.DER) for one in certificates))


def _own_name(root: Path, signature: Path | None) -> frozenset[str]:
    if signature is None or not root.is_dir():
        return frozenset()
    place = signature.parent.resolve() / signature.name
    folder = root.resolve()
    if not place.is_relative_to(folder):
        return frozenset()
    return frozenset({check_ignored(place.relative_to(folder).as_posix(), where=str(signature))})


def _left_out(name: str, own: frozenset[str]) -> Uncovered:
    return Uncovered(name, "signature" if name in own else "ignored", is_inert(name))


def _refuse_hidden(uncovered: tuple[Uncovered, ...], wanted: SigningOptions, where: str) -> None:
    hidden = [one.name for one in uncovered if one.reason == "ignored" and not one.inert]
    if hidden and not wanted.allow_ignored:
        message = f"{len(hidden)} ignored files could be read by a loader: {shown(hidden)}"
        hint = "sign them too, or leave them out with --allow-ignored: verifiers will refuse them"
        raise UsageError(message, where=where, hint=hint)


def _leads_out(file: ModelFile, root: Path) -> bool:
    return file.is_link and not file.path.resolve().is_relative_to(root.resolve())
