"""The policy of sending: delays, limits, and what each result of an attempt means.

Decides whether the packaged table is whole (spec/disclosure-delivery.md, section 5): against its
schema, and with one meaning for each result. How a parcel moves by it is for `outbox`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import ConfigurationError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

Action = Literal["delivered", "retry", "dead"]
_SCHEMA: Final = "disclosure-outbox"
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one result of an attempt means.

    Attributes:
        concerns: Whether it tells of the parcel alone, or of every parcel for the destination.
        most_attempts: After so many attempts it is final; None for no such limit.
    """

    action: Action
    concerns: Literal["parcel", "destination"]
    reason: str
    most_attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How parcels are sent; times in the unit of the name.

    Attributes:
        longest_retry_after_s: What a destination asks for beyond it is not heeded.
        lapse_days: After so many days a parcel is given up.
        attempts_per_window: How many attempts a destination gets in `window_s`.
        under_way: How many of them at a time.
        lease_s: An attempt without a result counts as lost after it.
        most_waiting: How many parcels may wait for a destination.
    """

    first_delay_s: float
    longest_delay_s: float
    longest_retry_after_s: float
    lapse_days: int
    attempts_per_window: int
    window_s: float
    under_way: int
    lease_s: float
    most_waiting: int
    rules: Mapping[str, Rule]

    def rule(self, result: str) -> Rule:
        """What a result means: an HTTP status, or the name of a failure.

        Raises:
            ConfigurationError: a failure that no row names.
        """
        found = self.rules.get(result)
        if found is None and result.isdigit():
            found = self.rules.get(f"{result[0]}xx", self.rules[_OTHER])
        if found is None:
            known = ", ".join(sorted(self.rules))
            message = f"no result of an attempt is called {result[:40]!r}; known: {known}"
            raise ConfigurationError(message)
        return found


@cache
def load_policy() -> Policy:
    """The policy that ships with this package."""
    entry = files("steelyard.disclosure.delivery") / "data" / "outbox.yaml"
    return read_policy(entry.read_text("utf-8"), where=str(entry))


def read_policy(text: str, *, where: str) -> Policy:
    """Read a policy from strict YAML.

    Raises:
        ConfigurationError: not strict YAML, against its schema, or a result with two meanings.
    """
    content = parse_yaml(text, where=where)
    check_schema(content, _SCHEMA, where=where)
    fields = dict(cast("dict[str, Any]", content))
    rules: dict[str, Rule] = {}
    for row in fields.pop("results"):
        rule = Rule(row["action"], row["concerns"], row["reason"], row.get("most_attempts"))
        for name in row["names"]:
            if name in rules:
                raise ConfigurationError(f"two rows name the result {name}", where=where)
            rules[name] = rule
    if _OTHER not in rules:
        raise ConfigurationError(f"no row is for {_OTHER} statuses", where=where)
    del fields["id"], fields["version"]
    return Policy(**fields, rules=MappingProxyType(rules))
