"""The file that holds sealed variants with the secret of their commitment.

Its holder is whoever verifies mitigations: not the vendors, and not the case's public part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.reproducer.commitment import VARIANT, Root, commit, open_variants
from steelyard.disclosure.reproducer.document import parse_reproducer_yaml
from steelyard.disclosure.reproducer.scenario import Variant
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import MalformedEvidence, UsageError
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.kernel import JsonObject

SIZE_LIMIT_BYTES: Final = 32 << 20
_KIND: Final = "sealed-variants"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """Sealed variants as their holder keeps them."""

    variants: tuple[Variant, ...]
    secret: bytes

    @property
    def root(self) -> Root:
        """What is published of them."""
        return commit([variant.to_json() for variant in self.variants], self.secret, VARIANT)

    def to_bytes(self) -> bytes:
        """The file."""
        value: JsonObject = {
            "schema": "steelyard/sealed-variants/1",
            "secret": self.secret.hex(),
            "variants": [variant.to_json() for variant in self.variants],
        }
        return canonical_json(value) + b"\n"


def read_sealed(data: bytes, *, where: str) -> SealedFile:
    """A file of sealed variants.

    Raises:
        MalformedEvidence: too large, or breaks its schema.
    """
    if len(data) > SIZE_LIMIT_BYTES:
        message = f"at most {SIZE_LIMIT_BYTES} bytes are read, found {len(data)}"
        raise MalformedEvidence(message, where=where)
    value = parse_json_object(data, where=where)
    require_schema(value, _KIND, where=where)
    fields: dict[str, Any] = value
    variants = tuple(Variant(v["id"], v["values"]) for v in fields["variants"])
    return SealedFile(variants, bytes.fromhex(fields["secret"]))


def read_variants(data: bytes, *, where: str) -> tuple[Variant, ...]:
    """Variants of a file that has no secret yet: strict JSON, or strict YAML.

    Raises:
        MalformedEvidence: too large, unreadable, or breaks the rules of a sealed file.
    """
    if data.lstrip()[:1] == b"{":
        value = parse_json_object(data, where=where)
    else:
        value = parse_reproducer_yaml(data, where=where)
    # The same form as a sealed file, so the same rules; the secret is made afterwards.
    whole = {"schema": "steelyard/sealed-variants/1", "secret": "0" * 64, **value}
    return read_sealed(canonical_json(whole), where=where).variants


def open_sealed(reproducer: Reproducer, file: SealedFile) -> tuple[Variant, ...]:
    """All sealed variants of a reproducer, checked against its commitment and its rules.

    Raises:
        UsageError: the reproducer has none.
        BrokenSeal: others than were committed to, or not all of them.
        MalformedEvidence: one that the reproducer's rules refuse, or that is visible too.
    """
    sealed = reproducer.sealed
    if sealed is None:
        raise UsageError("the reproducer has no sealed variants", where=reproducer.name)
    opened = open_variants(Root(sealed.root, sealed.size), file.variants, file.secret)
    reproducer.require_variants([*reproducer.variants, *opened], "sealed variants")
    return opened
