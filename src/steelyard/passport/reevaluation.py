"""Re-evaluation: which triggers are known to have fired since a passport was issued.

Decides what a relying party's facts mean for one passport. The triggers are those
of the release it was made under; what it recorded (weights, release, review) is
what they are held against. Whether a fired one matters is for the policy. That the review is
due is left to the check of the passport's expiry, which has an exit status of its own.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from steelyard.kernel import read_bytes
from steelyard.kernel.errors import CannotVerify, ConfigurationError
from steelyard.risk.triggers import Fact, Facts, evaluate_triggers
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.disclosure.advisory.feed import Feed
    from steelyard.kernel import JsonObject
    from steelyard.standard import Release

_FACTS_LIMIT_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Since:
    """What a relying party knows since a passport was issued.

    Attributes:
        facts: For the triggers of re-evaluation.
        feed: Published advisories; None leaves what came after the passport unknown.
    """

    facts: Facts = field(default_factory=dict[str, Fact])
    feed: Feed | None = None

    def told(self, found: Facts) -> Facts:
        """The facts, and what the feed tells of the same names; either suffices."""
        return {
            **self.facts,
            **{n: value or self.facts.get(n, False) for n, value in found.items()},
        }


def load_facts(path: Path) -> Facts:
    """Read facts in TOML.

    Raises:
        ConfigurationError: unreadable, not TOML, or a fact that no trigger asks for.
    """
    try:
        value = tomllib.loads(read_bytes(path, limit_bytes=_FACTS_LIMIT_BYTES).decode("utf-8"))
    except CannotVerify as error:
        raise ConfigurationError(error.message, where=str(path)) from error
    except ValueError as error:
        message = f"not TOML: {error}"
        raise ConfigurationError(message, where=str(path)) from error
    check_schema(value, "trigger-facts", where=str(path))
    return value


def fired_triggers(subject: JsonObject, release: Release, facts: Facts) -> tuple[str, ...]:
    """Titles of the triggers that hold now, in the order of the framework.

    Args:
        subject: Who was tested, as the passport's identity says.
        release: The release of the classification.
        facts: What the relying party knows.
    """
    weights = {"weights_digest": str(subject["digest"])} if subject["kind"] == "weights" else {}
    recorded = {**weights, "framework_release": release.version}
    states = evaluate_triggers(release.framework.triggers, facts, recorded)
    return tuple(state.trigger.title for state in states if state.fired)
