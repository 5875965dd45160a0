"""What the user may say about a foreign file, and how it joins what the file says.

An option given explicitly wins over the file; a fact that neither states is
asked for, never guessed. Mapping rules: `spec/evidence-record.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.evidence.table import Evidence

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Facts about a foreign file; None leaves the answer to the file.

    Attributes:
        domain: Risk domain of every record.
        indicator: Indicator of the framework that the samples feed.
        protocol: Protocol or task name.
        protocol_version: Version of the protocol.
        model: Name of the model under test.
        elicitation: E0 to E3.
        metric: Score to read: `scorer`, `scorer/key`, `metric`, `metric,filter` or result id.
        template_field: Field of a sample's own metadata that names its cluster.
        number_repeats: Count rows of one model and item as repeats, in the order of the
            table, where it has no `epoch` column.
    """

    domain: str | None = None
    indicator: str | None = None
    protocol: str | None = None
    protocol_version: str | None = None
    model: str | None = None
    elicitation: str | None = None
    metric: str | None = None
    template_field: str | None = None
    number_repeats: bool = False


_SELECTING = ("metric", "template_field", "number_repeats")
IDENTITY_FIELDS = tuple(f.name for f in fields(ImportOptions) if f.name not in _SELECTING)
_DEFAULTS = {"protocol_version": UNKNOWN, "elicitation": UNKNOWN}
_NEEDED = {
    "domain": "name the indicator with --indicator; its domain follows",
    "indicator": "name the indicator with --indicator; its domain follows",
    "protocol": "name the protocol or task with --protocol",
    "model": "name the model under test with --model",
}


def identity(
    options: ImportOptions, stated: Mapping[str, str | None], *, where: str
) -> dict[str, str]:
    """The six fields that say what a sample is evidence of.

    Args:
        options: Explicit answers; they win.
        stated: What the file says, None or absent where it is silent.
        where: File named in error messages.

    Raises:
        UsageError: neither says the domain, indicator, protocol or model.
    """
    result: dict[str, str] = {}
    for name in IDENTITY_FIELDS:
        value = getattr(options, name) or stated.get(name) or _DEFAULTS.get(name)
        if value is None:
            raise UsageError(f"the file does not state its {name}", where=where, hint=_NEEDED[name])
        result[name] = value
    return result


def refuse_contradiction(evidence: Evidence, options: ImportOptions, *, where: str) -> None:
    """Refuse options that would relabel records which say themselves what they are.

    Raises:
        UsageError: an explicit option differs from a record's own field.
    """
    for name in IDENTITY_FIELDS:
        wanted = getattr(options, name)
        others = [v for v in evidence.values(name) if wanted is not None and v != wanted]
        if others:
            flag = name.replace("_", "-")
            message = f"records state {name} {others[0]!r}, the option says {wanted!r}"
            raise UsageError(message, where=where, hint=f"leave out --{flag}")
