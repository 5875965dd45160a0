"""Verifying a signed model: the signature first, then the files, then every byte.

Decides whether a model is what somebody trusted has signed (OMS v1.0, section 8). The result
speaks of the moment of reading; whoever loads afterwards reads through `reading`, where what
was hashed is what is returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.signing.bundle import parse_bundle
from steelyard.weights.signing.hashing import Range, digests
from steelyard.weights.signing.manifest import Manifest, parse_manifest, refuse_old_predicate
from steelyard.weights.signing.survey import Policy, Uncovered, shown, survey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from steelyard.weights.signing.survey import Survey
    from steelyard.weights.signing.trust import Signer, Trust


@dataclass(frozen=True, slots=True)
class SignedModel:
    """A manifest whose signature was verified.

    Attributes:
        manifest: What is covered, and how it is hashed.
        signer: Who signed.
        unchecked: Parts of the bundle that nobody here verifies, such as log entries.
    """

    manifest: Manifest
    signer: Signer
    unchecked: tuple[str, ...] = ()

    @property
    def covered(self) -> frozenset[str]:
        """Names of the files that the signature covers."""
        return self.manifest.covered

    @property
    def root(self) -> str:
        """The digest that stands for the model, lower hex."""
        return self.manifest.root


@dataclass(frozen=True, slots=True)
class Verification:
    """A model whose every signed byte was read and found as signed.

    Attributes:
        signed: The signature.
        files: Files that it covers.
        size_bytes: Their bytes.
        uncovered: Files beside them, each with the reason why it was passed over.
    """

    signed: SignedModel
    files: int
    size_bytes: int
    uncovered: tuple[Uncovered, ...]


def open_signature(data: bytes, trust: Trust, *, where: str = "signature") -> SignedModel:
    """Verify a bundle's signature and read its manifest.

    Raises:
        MalformedEvidence: no OMS bundle, or a manifest that is refused.
        BrokenSeal: not signed by whom `trust` names.
        Expired: a certificate that is not valid at the instant of `trust`.
    """
    bundle = parse_bundle(data, where=where)
    try:
        signer = trust.authenticate(bundle, where=where)
    except BrokenSeal:
        refuse_old_predicate(bundle.payload, where=where)
        raise
    manifest = parse_manifest(bundle.payload, where=where)
    return SignedModel(manifest, signer, bundle.unchecked)


def resource_names(data: bytes, *, where: str = "signature") -> frozenset[str]:
    """Names of the files that a bundle claims to cover, nobody's word yet.

    Raises:
        MalformedEvidence: no OMS bundle, or a manifest that is refused.
        BrokenSeal: the root is not that of the resources.
    """
    return parse_manifest(parse_bundle(data, where=where).payload, where=where).covered


def verify_model(
    root: Path,
    signed: SignedModel,
    policy: Policy | None = None,
    *,
    signature: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Verification:
    """Read every signed byte of a model and compare.

    Args:
        root: Folder or single file.
        signed: From `open_signature`.
        policy: What to put up with; nothing by default.
        signature: The signature's own file, where it lies in the model.
        progress: Called with (bytes hashed, bytes in all).

    Raises:
        BrokenSeal: files are missing, changed, or not signed.
        MalformedEvidence: a file that cannot be read, a link, names that collide.
    """
    found = survey(root, signed.manifest, policy or Policy(), signature=signature)
    _require_digests(signed.manifest, found, str(root), progress)
    size = sum(file.size_bytes for file in found.covered.values())
    return Verification(signed, len(found.covered), size, found.uncovered)


def _require_digests(
    manifest: Manifest, found: Survey, where: str, progress: Callable[[int, int], None]
) -> None:
    jobs = [
        (
            Range(file.path, part.start, part.end(file.size_bytes), follow=file.is_link),
            part.file,
            part.digest,
        )
        for part in manifest.resources
        for file in (found.covered[part.file],)
    ]
    jobs.sort(key=lambda job: job[0].start - job[0].stop)
    hashed = digests([job[0] for job in jobs], manifest.serialization.hash_name, progress)
    changed = {job[1] for job, digest in zip(jobs, hashed, strict=True) if digest != job[2]}
    if changed:
        message = f"{len(changed)} files are not as signed: {shown(changed)}"
        raise BrokenSeal(message, where=where, hint="fetch the model again from its publisher")
