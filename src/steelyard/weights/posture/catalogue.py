"""What a posture is held against: vectors, attacker classes, controls, as data.

Decides whether the packaged catalogue is whole: every name resolves, and every vector that
counts at a level which software can reach has a control there (spec/weights-posture.md,
section Catalogue). What the numbers are is data; how they decide is for `levels`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from steelyard.kernel import JsonObject, digest_json, parse_yaml
from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

SubjectKind = Literal["host", "model", "repository", "organization"]
EvidenceClass = Literal["automated", "attested", "external"]
EVIDENCE_CLASSES: Final[tuple[EvidenceClass, ...]] = ("automated", "attested", "external")

_SCHEMAS: Final = {"framework": "posture-framework", "controls": "posture-controls"}


@dataclass(frozen=True, slots=True)
class Vector:
    """A way to get at weights.

    Attributes:
        minimum_class: The least attacker class for which it is feasible; None for none.
        source: Where that class comes from, by its id.
        named_by: Where the name comes from, by its id.
    """

    id: str
    category: str
    title: str
    minimum_class: int | None
    source: str
    named_by: str

    def counts_at(self, level: int) -> bool:
        """Whether attackers whom `level` is to withstand can use it."""
        return self.minimum_class is not None and self.minimum_class <= level


@dataclass(frozen=True, slots=True)
class Demand:
    """A level of a framework at which a control is demanded, and who says so."""

    framework: str
    level: str
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """One measure, and the evidence that counts for it.

    Attributes:
        level: The level of the catalogue's own framework from which on it is demanded.
        about: What each piece of evidence speaks about.
        vectors: The ways in that it stands against, by id.
        collector: What looks for itself, empty where nothing can.
        accepts: Classes of evidence that can satisfy it.
        freshness_days: How long an observation counts.
        attestation_days: How long an attestation may be valid at most; 0 where none counts.
        parameters: Numbers that the collector holds what it finds against.
        row: The row as written; its digest is what an attestation speaks about.
    """

    id: str
    title: str
    about: SubjectKind
    level: int
    demanded: tuple[Demand, ...]
    nist: tuple[str, ...]
    sl5: tuple[str, ...]
    vectors: tuple[str, ...]
    collector: str
    accepts: tuple[EvidenceClass, ...]
    freshness_days: int
    attestation_days: int
    parameters: Mapping[str, int]
    row: JsonObject

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of the row."""
        return digest_json(self.row)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A framework's vectors and the controls against them.

    Attributes:
        framework: Id of the framework whose levels are decided.
        levels: Its levels, lowest first.
        software_cap: The highest level that software alone may report.
        cap_reason: Why no higher.
        sources: Confidence and title by id.
        digest: SHA-256 of the canonical JSON of `content`.
        content: Everything, as read.
    """

    id: str
    version: str
    framework: str
    levels: tuple[int, ...]
    software_cap: int
    cap_reason: str
    sources: Mapping[str, Mapping[str, str]]
    categories: Mapping[str, str]
    vectors: tuple[Vector, ...]
    controls: tuple[Control, ...]
    digest: str
    content: JsonObject

    def control(self, name: str) -> Control:
        """The control of that id.

        Raises:
            UnknownName: there is none.
        """
        for control in self.controls:
            if control.id == name:
                return control
        message = f"no control {name!r} in catalogue {self.id} {self.version}"
        raise UnknownName(message, hint="steelyard weights posture controls")

    def confidence(self, source: str) -> str:
        """How far a source can be relied on: claimed, unconfirmed or inferred."""
        return self.sources[source]["confidence"]


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that ships with this package."""
    return read_catalogue(files("steelyard.weights.posture") / "data")


def read_catalogue(folder: Traversable) -> Catalogue:
    """Read framework.yaml and controls.yaml of a folder.

    Raises:
        ConfigurationError: a file is absent, breaks its schema, or names what is not there.
    """
    return catalogue_from_content(
        {name: _read(folder / f"{name}.yaml", schema) for name, schema in _SCHEMAS.items()}
    )


def catalogue_from_content(content: JsonObject) -> Catalogue:
    """Build a catalogue from its content.

    Raises:
        ConfigurationError: it contradicts itself.
    """
    raw, rows = cast("dict[str, Any]", content["framework"]), cast("Any", content["controls"])
    own = raw["framework"]
    catalogue = Catalogue(
        id=raw["id"],
        version=raw["version"],
        framework=own,
        levels=tuple(int(level) for level in raw["frameworks"][own]["levels"]),
        software_cap=raw["software_cap"],
        cap_reason=raw["cap_reason"],
        sources=raw["sources"],
        categories=raw["categories"],
        vectors=tuple(Vector(**row) for row in raw["vectors"]),
        controls=tuple(_control(row, own) for row in rows["controls"]),
        digest=digest_json(content),
        content=content,
    )
    _require_whole(catalogue, raw)
    return catalogue


def _read(entry: Traversable, schema: str) -> JsonObject:
    try:
        text = entry.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read: {getattr(error, 'strerror', None) or error}"
        hint = "a catalogue is framework.yaml and controls.yaml"
        raise ConfigurationError(message, where=str(entry), hint=hint) from error
    value = parse_yaml(text, where=str(entry))
    check_schema(value, schema, where=str(entry))
    return value


def _control(row: dict[str, Any], own: str) -> Control:
    demanded = tuple(Demand(**demand) for demand in row["demanded"])
    levels = [int(demand.level) for demand in demanded if demand.framework == own]
    if len(levels) != 1:
        message = f"{row['id']}: names {len(levels)} levels of {own}, need exactly one"
        raise ConfigurationError(message, where="controls.yaml")
    return Control(
        id=row["id"],
        title=row["title"],
        about=row["about"],
        level=levels[0],
        demanded=demanded,
        nist=tuple(row["nist"]),
        sl5=tuple(row.get("sl5", ())),
        vectors=tuple(row["vectors"]),
        collector=row.get("collector", ""),
        accepts=tuple(row["accepts"]),
        freshness_days=row.get("freshness_days", 0),
        attestation_days=row.get("attestation_days", 0),
        parameters=row.get("parameters", {}),
        row=row,
    )


def _require_whole(catalogue: Catalogue, raw: dict[str, Any]) -> None:
    """Refuse names that lead nowhere, and a level that nothing would have to hold."""
    for what, names in (
        ("vector", [vector.id for vector in catalogue.vectors]),
        ("control", [control.id for control in catalogue.controls]),
    ):
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise _broken(f"{what} {repeated[0]} stands there twice")
    for vector in catalogue.vectors:
        _require_known("category", vector.category, catalogue.categories)
        _require_known("source", vector.source, catalogue.sources)
        _require_known("source", vector.named_by, catalogue.sources)
    known = {vector.id: vector for vector in catalogue.vectors}
    for control in catalogue.controls:
        for name in control.vectors:
            _require_known("vector", name, known)
        for demand in control.demanded:
            _require_known("source", demand.source, catalogue.sources)
            _require_known("framework", demand.framework, raw["frameworks"])
            levels = raw["frameworks"][demand.framework]["levels"]
            _require_known(f"level of {demand.framework}", demand.level, levels)
        _require_evidence(control)
    _require_countered(catalogue)


def _require_evidence(control: Control) -> None:
    """A row states a term for each class of evidence that it lets count."""
    observed = "automated" in control.accepts
    if (observed and not control.collector) or bool(control.collector) != bool(
        control.freshness_days
    ):
        raise _broken(f"{control.id}: collector, automated evidence, freshness_days do not agree")
    attested = bool({"attested", "external"} & set(control.accepts))
    if attested != bool(control.attestation_days):
        raise _broken(f"{control.id}: attestation_days belongs to attested or external evidence")


def _require_countered(catalogue: Catalogue) -> None:
    for level in catalogue.levels:
        if level > catalogue.software_cap:
            return
        for vector in catalogue.vectors:
            rows = (c for c in catalogue.controls if vector.id in c.vectors and c.level <= level)
            if vector.counts_at(level) and next(rows, None) is None:
                raise _broken(f"vector {vector.id} counts at level {level}, but no control there")


def _require_known(what: str, name: str, known: Mapping[str, object] | list[str]) -> None:
    if name not in known:
        raise _broken(f"no {what} {name!r}; known: {', '.join(sorted(known))[:200]}")


def _broken(message: str) -> ConfigurationError:
    return ConfigurationError(message, where="posture catalogue")
