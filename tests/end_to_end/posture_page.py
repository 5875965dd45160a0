"""The reference page of the posture's catalogue, written from the catalogue itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.posture import Catalogue, Control

_HEAD = """# Controls of a posture

The catalogue `{id}` {version} that `steelyard weights posture` decides by. A test compares this
page with the data. What the classes of evidence mean is explained in
[levels of a posture](../explanation/posture-levels.md).

## Controls

*Evidence* names the collector with the days for which its observation counts, and how long an
attestation may be valid. NIST ids are of SP 800-53 r5; a star marks those that the SL5 profile has.
The mapping onto NIST ids and vectors is {mapping}.
"""
_VECTORS = """
## Vectors

*From* is the least attacker class for which a vector is feasible. Confidence is that of the class,
then that of the name.

| vector | what | category | from | confidence |
|---|---|---|---|---|
"""


def page(catalogue: Catalogue) -> str:
    """The whole page."""
    mapping = catalogue.content["controls"]["mapping_confidence"]  # type: ignore[index,call-overload]
    head = _HEAD.format(id=catalogue.id, version=catalogue.version, mapping=mapping)
    return (
        head
        + "".join(_levels(catalogue))
        + _VECTORS
        + "".join(_vectors(catalogue))
        + "".join(_sources(catalogue))
    )


def _levels(catalogue: Catalogue) -> Iterator[str]:
    for level in catalogue.levels:
        above = ", above the cap: told, and never counted" if level > catalogue.software_cap else ""
        yield f"\n### {catalogue.framework} {level}{above}\n\n"
        yield "| control | what | about | evidence | NIST | demanded by |\n" + "|---" * 6 + "|\n"
        yield from (_row(c, catalogue) for c in catalogue.controls if c.level == level)


def _row(control: Control, catalogue: Catalogue) -> str:
    seen = [f"{control.collector} {control.freshness_days} d"] if control.collector else []
    others = [name for name in control.accepts if name != "automated"]
    if others:
        seen.append(f"{' or '.join(others)} {control.attestation_days} d")
    if control.parameters:
        seen.append(", ".join(f"{name} {value}" for name, value in control.parameters.items()))
    nist = ", ".join(f"{name}{'*' if name in control.sl5 else ''}" for name in control.nist)
    demanded = "; ".join(
        f"{d.framework} {d.level} ({catalogue.confidence(d.source)}: {d.source}"
        f"{', ' + d.note if d.note else ''})"
        for d in control.demanded
    )
    cells = (control.title, control.about, "; ".join(seen), nist, demanded)
    return f"| `{control.id}` | {' | '.join(cells)} |\n"


def _vectors(catalogue: Catalogue) -> Iterator[str]:
    for vector in catalogue.vectors:
        start = f"OC{vector.minimum_class}" if vector.minimum_class else "never"
        sure = f"{catalogue.confidence(vector.source)}, {catalogue.confidence(vector.named_by)}"
        category = catalogue.categories[vector.category]
        yield f"| `{vector.id}` | {vector.title} | {category} | {start} | {sure} |\n"


def _sources(catalogue: Catalogue) -> Iterator[str]:
    yield "\n## Sources\n\n| source | what | confidence |\n|---|---|---|\n"
    for name, source in catalogue.sources.items():
        yield f"| `{name}` | {source['title']} | {source['confidence']} |\n"
