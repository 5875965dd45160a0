"""The owner's register and a single opening: files that hold keys.

Decides what these private files contain (spec/trace-mark.md, sections Register and Opening) and
reads them back. Whoever writes them gives them mode 0600; nothing here prints a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, UnknownName
from steelyard.standard import check_schema
from steelyard.weights.trace.carriers import Carrier
from steelyard.weights.trace.commitment import Opening, derive_opening, layout_salt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject

REGISTER: Final = "steelyard/trace-register/1"
OPENING: Final = "steelyard/trace-opening/1"


@dataclass(frozen=True, slots=True)
class Register:
    """What the owner keeps: from it every copy can be marked and every leak be traced.

    Attributes:
        secret: 32 random bytes.
        identities: Who each pseudonym is, as bound by the commitment.
        carriers: The layout of the source.
    """

    secret: bytes
    identities: Mapping[str, str]
    carriers: tuple[Carrier, ...]

    def opening(self, pseudonym: str) -> Opening:
        """The opening of one recipient.

        Raises:
            UnknownName: the register has no such recipient.
        """
        identity = self.identities.get(pseudonym)
        if identity is None:
            message = f"the register has no recipient {pseudonym!r:.80}"
            raise UnknownName(message, hint="recipients are fixed by `trace commit`")
        return derive_opening(self.secret, pseudonym, identity)

    def openings(self) -> tuple[Opening, ...]:
        """Those of all recipients, by pseudonym."""
        return tuple(self.opening(pseudonym) for pseudonym in sorted(self.identities))

    def evidence(self, pseudonym: str) -> Evidence:
        """What a third party needs to test one recipient, and nothing of the others."""
        return Evidence((self.opening(pseudonym),), layout_salt(self.secret), self.carriers)

    def all_evidence(self) -> Evidence:
        """What tests every recipient."""
        return Evidence(self.openings(), layout_salt(self.secret), self.carriers)

    def to_bytes(self) -> bytes:
        """The register's file."""
        rows = sorted(self.identities.items())
        return canonical_json(
            {
                "schema": REGISTER,
                "secret": self.secret.hex(),
                "recipients": [{"pseudonym": name, "identity": who} for name, who in rows],
                "layout": [carrier.to_json() for carrier in self.carriers],
            }
        )

    def __repr__(self) -> str:
        """Shows no secret: a traceback or a log is no place for one."""
        return f"Register({len(self.identities)} recipients)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Openings and layout that a suspect is tested with.

    Attributes:
        openings: Recipients to test.
        salt: Opens the commitment to the layout.
        carriers: The layout.
    """

    openings: tuple[Opening, ...]
    salt: bytes
    carriers: tuple[Carrier, ...]

    def to_bytes(self) -> bytes:
        """The file of an opening, which has one recipient."""
        (opening,) = self.openings
        return canonical_json(
            {
                "schema": OPENING,
                "pseudonym": opening.pseudonym,
                "identity": opening.identity,
                "chip_key": opening.key.hex(),
                "salt": opening.salt.hex(),
                "layout": [carrier.to_json() for carrier in self.carriers],
                "layout_salt": self.salt.hex(),
            }
        )


def read_register(data: bytes, *, where: str) -> Register:
    """Read the owner's register.

    Raises:
        MalformedEvidence: not of the schema, or a recipient twice.
    """
    value = _checked(data, "trace-register", where)
    rows = cast("list[dict[str, str]]", value["recipients"])
    identities = {row["pseudonym"]: row["identity"] for row in rows}
    if len(identities) != len(rows):
        raise MalformedEvidence("a recipient is listed twice", where=where)
    return Register(_bytes(value["secret"]), identities, _carriers(value["layout"]))


def read_opening(data: bytes, *, where: str) -> Evidence:
    """Read one opening.

    Raises:
        MalformedEvidence: not of the schema.
    """
    value = _checked(data, "trace-opening", where)
    opening = Opening(
        str(value["pseudonym"]),
        str(value["identity"]),
        _bytes(value["chip_key"]),
        _bytes(value["salt"]),
    )
    return Evidence((opening,), _bytes(value["layout_salt"]), _carriers(value["layout"]))


def _checked(data: bytes, schema: str, where: str) -> JsonObject:
    value = parse_json_object(data, where=where)
    try:
        check_schema(value, schema, where=where)
    except ConfigurationError as error:
        # The schema's message may quote the value, and the value may be a key.
        place = error.message.partition(":")[0]
        message = f"{place} is not as spec/{schema}.schema.json says"
        raise MalformedEvidence(message, where=where) from None
    return value


def _bytes(value: object) -> bytes:
    return bytes.fromhex(cast("str", value))


def _carriers(value: object) -> tuple[Carrier, ...]:
    return tuple(Carrier.from_json(row) for row in cast("list[JsonObject]", value))
