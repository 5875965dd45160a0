"""An item bank as a file: parameters of items, where they come from, what honest looks like.

Format `spec/item-bank.md`. A bank holds no response of any model, only estimates and
the sorted values of person-fit statistics. Reading fails closed: a bank is whole,
canonical and under its digests, or refused. How it is estimated stands in `calibration`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.kernel import (
    canonical_json,
    digest_json,
    parse_json_object,
    read_bytes,
    write_atomically,
)
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence
from steelyard.standard import require_schema
from steelyard.stats.irt.bank import ItemBank

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.kernel import JsonObject

SCHEMA: Final = "steelyard/item-bank/1"
CALIBRATED: Final = "calibrated"
PRESUMPTIVE: Final = "presumptive"
DIGITS: Final = 6
"""Decimal digits that a bank's numbers are written with."""

_LIMIT_BYTES = 256 << 20
_HINT = "write it anew: steelyard risk calibrate"


@dataclass(frozen=True, slots=True)
class BankItem:
    """One item.

    Attributes:
        item: The pseudonym that records carry.
        discrimination: Log odds per unit of ability.
        intercept: Log odds at ability 0.
        discrimination_error: Standard error, abilities taken as known.
        intercept_error: The same.
        infit: Weighted mean square of residuals; None without information.
        outfit: Unweighted mean square of residuals.
        models: Models that answered it.
        repeats: Samples that their answers were averaged from.
        flags: `constant`, `negative`, `scarce`, sorted.
        public: Whether the item could be known before the run; None where nobody says.
        canary: Rate at which a model that never saw it gives the planted answer; None
            for an item that is no canary.
    """

    item: str
    discrimination: float
    intercept: float
    discrimination_error: float
    intercept_error: float
    infit: float | None
    outfit: float | None
    models: int
    repeats: int
    flags: tuple[str, ...] = ()
    public: bool | None = None
    canary: float | None = None

    @property
    def measures(self) -> bool:
        """Whether the item tells ability: neither flagged nor planted."""
        return not self.flags and self.canary is None


@dataclass(frozen=True, slots=True)
class Honest:
    """Values of the models that a bank was calibrated on, each left out of its fit.

    Attributes:
        fit: Person fit lz, sorted.
        exposure: Contrast of public items with the rest, sorted; empty without both.
    """

    fit: tuple[float, ...] = ()
    exposure: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a bank comes from.

    Attributes:
        id: Name of the bank.
        version: Its version.
        source: Whose responses it rests on, for people.
        licence: Licence of those responses.
        status: `calibrated` or `presumptive`.
        note: What a user must know; never empty for a presumptive bank.
    """

    id: str
    version: str
    source: str
    licence: str
    status: str = CALIBRATED
    note: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was played: protocol and version, indicator, arm."""

    protocol: str
    protocol_version: str
    indicator: str
    arm: str


@dataclass(frozen=True, slots=True)
class Bank:
    """A calibrated bank; items in the order of their pseudonyms.

    Attributes:
        models: Models calibrated on.
        marker: Text planted in the items' files, which no honest answer holds; may be empty.
    """

    origin: Origin
    measured: Measured
    models: int
    honest: Honest
    items: tuple[BankItem, ...]
    marker: str = ""

    @property
    def parameters(self) -> ItemBank:
        """The bare parameters, in the order of `items`."""
        slopes = [item.discrimination for item in self.items]
        return ItemBank(cast("Any", slopes), cast("Any", [item.intercept for item in self.items]))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of everything but the digest itself."""
        return digest_json(self._content())

    def to_json(self) -> JsonObject:
        """The document as it is written."""
        return {**self._content(), "digest": self.digest}

    def _content(self) -> JsonObject:
        value = {
            "schema": SCHEMA,
            **asdict(self.origin),
            "measured": asdict(self.measured),
            "models": self.models,
            "honest": {"fit": list(self.honest.fit), "exposure": list(self.honest.exposure)},
            "marker": self.marker,
            "items": [{**asdict(item), "flags": list(item.flags)} for item in self.items],
            "parameters": self.parameters.digest,
        }
        return cast("JsonObject", value)


def write_bank(bank: Bank, path: Path) -> str:
    """Write a bank as canonical JSON; returns its digest.

    Raises:
        MalformedEvidence: it breaks its own format.
        StorageError: the disk refused.
    """
    data = canonical_json(bank.to_json())
    parse_bank(data, where=str(path))
    write_atomically(path, data)
    return bank.digest


def read_bank(path: Path, *, digest: str | None = None) -> Bank:
    """Read a bank.

    Args:
        path: The file.
        digest: The bank that is wanted; None takes any.

    Raises:
        MalformedEvidence: not canonical JSON, against the schema, or inconsistent.
        BrokenSeal: a digest differs.
    """
    bank = parse_bank(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))
    if digest is not None and bank.digest != digest:
        message = f"the bank has digest {bank.digest[:16]}, wanted is {digest[:16]}"
        raise BrokenSeal(message, where=str(path), hint="ask for the bank of that digest")
    return bank


def parse_bank(data: bytes, *, where: str) -> Bank:
    """A bank from its bytes; see `read_bank`."""
    value = parse_json_object(data, where=where)
    require_schema(value, "item-bank", where=where)
    if canonical_json(value) != data:
        raise MalformedEvidence("a bank is canonical JSON, this is not", where=where, hint=_HINT)
    document = cast("dict[str, Any]", value)
    bank = _from_json(document)
    _require_consistent(bank, where)
    if document["parameters"] != bank.parameters.digest:
        raise BrokenSeal("the digest of the parameters differs", where=where, hint=_HINT)
    if document["digest"] != bank.digest:
        raise BrokenSeal("the digest of the bank differs", where=where, hint=_HINT)
    return bank


def _from_json(value: dict[str, Any]) -> Bank:
    origin = {name: value[name] for name in Origin.__slots__}
    honest = {name: tuple(value["honest"][name]) for name in Honest.__slots__}
    items = (_item(item) for item in value["items"])
    return Bank(
        Origin(**origin),
        Measured(**value["measured"]),
        value["models"],
        Honest(**honest),
        tuple(items),
        value["marker"],
    )


def _item(value: dict[str, Any]) -> BankItem:
    fields: dict[str, Any] = {**value, "flags": tuple(value["flags"])}
    return BankItem(**fields)


def _require_consistent(bank: Bank, where: str) -> None:
    """What no schema says.

    Raises:
        MalformedEvidence: two items of one name, another order, more answers than
            models, values out of order, or a presumptive bank that does not say why.
    """
    names = [item.item for item in bank.items]
    unsorted = any(list(v) != sorted(v) for v in (bank.honest.fit, bank.honest.exposure))
    too_many = [item.item for item in bank.items if item.models > bank.models]
    few = [item.item for item in bank.items if item.repeats < item.models]
    doubled = sorted({one for one, next_ in pairwise(names) if one == next_})
    problems = (
        (doubled, f"two items are named {_first(doubled)}"),
        (names != sorted(names), "items are not in the order of their names"),
        (too_many, f"more models answered {_first(too_many)} than there are"),
        (few, f"{_first(few)} has fewer samples than models"),
        (unsorted, "values of honest models are not in ascending order"),
        (bank.origin.status == PRESUMPTIVE and not bank.origin.note, "a presumptive bank says why"),
    )
    for found, message in problems:
        if found:
            raise MalformedEvidence(message, where=where, hint=_HINT)


def _first(names: list[str]) -> str:
    return names[0] if names else ""
