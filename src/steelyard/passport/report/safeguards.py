"""The part of a card that shows what deployed safeguards leave of a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard.passport.report.wording import listed, percent, words

if TYPE_CHECKING:
    from steelyard.passport.report.wording import Level


@dataclass(frozen=True, slots=True)
class SafeguardView:
    """What safeguards leave: a sentence, and a row for each attack.

    Attributes:
        level: None where nothing was measured.
    """

    level: Level | None
    text: str
    attacks: tuple[dict[str, str], ...]
    forecast: str


def safeguard_view(raw: dict[str, Any], levels: tuple[Level, ...]) -> SafeguardView:
    """The residual determination of a domain, as it stands."""
    if raw["status"] != "measured":
        none = raw["status"] == "no_test"
        text = (
            "The standard has no safeguard test for this domain."
            if none
            else "Not measured: the level stands whatever safeguards are in place."
        )
        return SafeguardView(None, text, (), "")
    absent = [words(name) for name in raw["absent"]]
    missing = f" Not tried, so taken as always succeeding: {listed(absent)}." if absent else ""
    text = (
        f"The best attack, {words(raw['decided_by'])}, decides; all limits hold at once with an "
        f"error of at most {percent(raw['error_rate'])}.{missing}"
    )
    return SafeguardView(
        levels[int(raw["level"])], text, tuple(map(_attack, raw["attacks"])), _forecast(raw)
    )


def _attack(raw: dict[str, Any]) -> dict[str, str]:
    three = raw["rule_of_three"]
    return {
        "attack": words(raw["arm"]),
        "kind": "adaptive" if raw["adaptive"] else "fixed",
        "requests": f"{raw['n']:,} of {raw['n_planned']:,}",
        "estimate": "none" if raw["estimate"] is None else percent(raw["estimate"]),
        "upper": percent(raw["upper"]),
        "three": "" if three is None else f"rule of three: {percent(three)}",
    }


def _forecast(raw: dict[str, Any]) -> str:
    """At the decisive limit carried forward: no bound, and said so."""
    parts = [
        f"{row['attempts']:,} attempts: {percent(row['at_least_one_at_limit'])}"
        for row in raw["forecast"]
    ]
    return f"Chance of at least one success at that limit, no bound: {'; '.join(parts)}."
