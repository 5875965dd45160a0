"""Classification: all determinations of one model, and their JSON form.

The overall level is the highest of the determinations in scope, never a mean,
and so is what safeguards leave of it. Writing a determination is for `document`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.evidence import Evidence, require_one_model
from steelyard.kernel import format_instant
from steelyard.kernel.errors import UnknownName
from steelyard.risk.determination import Determination, determine
from steelyard.risk.document import determination_json, rounded
from steelyard.risk.integrity import protocol_shapes
from steelyard.risk.selection import Question
from steelyard.standard import HIGHEST_LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from steelyard.kernel import JsonObject
    from steelyard.risk.plan import Plan
    from steelyard.standard import Release

SCHEMA = "steelyard/classification/1"


@dataclass(frozen=True, slots=True)
class Classification:
    """The levels of one model under one release at one date.

    Attributes:
        determinations: One per domain in scope, in the framework's order.
    """

    model: str
    release: Release
    as_of: datetime
    determinations: tuple[Determination, ...]

    @property
    def level(self) -> int:
        """Overall level: the highest in scope."""
        return max((d.level for d in self.determinations), default=HIGHEST_LEVEL)

    @property
    def decisive(self) -> tuple[Determination, ...]:
        """The determinations at the overall level."""
        return tuple(d for d in self.determinations if d.level == self.level)

    @property
    def residual_level(self) -> int:
        """What safeguards leave overall: the highest in scope."""
        return max((d.residual.level for d in self.determinations), default=HIGHEST_LEVEL)

    @property
    def error_rate(self) -> float:
        """Probability of clearing any domain in scope wrongly, at most (a union bound)."""
        return min(1.0, sum(d.error_rate for d in self.determinations))

    @property
    def status(self) -> str:
        """`established` as soon as one decisive determination is, else the weakest word."""
        statuses = {d.status for d in self.decisive}
        if self.level == 0:
            return "established" if statuses == {"established"} else "presumptive"
        return next((s for s in ("established", "presumptive") if s in statuses), "undetermined")

    def to_json(self) -> JsonObject:
        """The document of `spec/classification.schema.json`."""
        framework = self.release.framework
        scope = [d.domain.id for d in self.determinations]
        names = {level.level: level.name for level in framework.levels}
        return {
            "schema": SCHEMA,
            "model": self.model,
            "as_of": format_instant(self.as_of),
            "standard": {
                "release": self.release.version,
                "digest": self.release.digest,
                "status": framework.status,
            },
            "scope": list(scope),
            "not_assessed": [name for name in framework.domains if name not in scope],
            "overall": {
                "level": self.level,
                "level_name": names[self.level],
                "status": self.status,
                "decided_by": [d.domain.id for d in self.decisive],
                "error_rate_at_most": rounded(self.error_rate),
                "residual_level": self.residual_level,
            },
            "determinations": [
                determination_json(d, names, self.release) for d in self.determinations
            ],
        }


def classify(
    evidence: Evidence,
    release: Release,
    *,
    scope: Sequence[str],
    as_of: datetime,
    plan: Plan | None = None,
    model: str | None = None,
) -> Classification:
    """Classify one model.

    Args:
        evidence: Records, of this model or of several.
        release: The standard to apply.
        scope: Domains to speak about; empty for all of the framework.
        as_of: The date the classification is for.
        plan: What was declared before the run, if anything.
        model: Which model; may be None when the evidence is about one.

    Raises:
        UnknownName: a domain the framework does not have.
        MalformedEvidence: several models and none named.
    """
    domains = release.framework.domains
    for name in scope:
        if name not in domains:
            message = f"no domain {name!r} in release {release.version}"
            raise UnknownName(message, hint=f"domains: {', '.join(domains)}")
    name = model if model is not None else require_one_model(evidence)
    own = evidence.where(model=name)
    question = Question(own, release.framework, plan, as_of, protocol_shapes(release))
    chosen = [domain for key, domain in domains.items() if not scope or key in scope]
    return Classification(name, release, as_of, tuple(determine(d, question) for d in chosen))
