"""Loading a packaged release: strict YAML, then JSON Schema, then the digest.

A release that fails any step does not load at all. Trust in who ratified it
(threshold signatures) attaches to the digest computed here.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel import JsonObject, digest_json, parse_yaml
from steelyard.kernel.errors import ConfigurationError, UnknownName
from steelyard.standard.consistency import check_elicitation, check_framework
from steelyard.standard.decision import (
    Attack,
    Awareness,
    Decision,
    HoldingBack,
    Plateau,
    Residual,
    Scaling,
    Trigger,
)
from steelyard.standard.indicator import (
    Design,
    ElicitationRule,
    Indicator,
    Progress,
    SafeguardTest,
    Threshold,
)
from steelyard.standard.model import HIGHEST_LEVEL, Domain, Framework, Level, Release, Rule
from steelyard.standard.schema import check_schema

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

CURRENT_RELEASE = "2026.1"


def releases() -> list[str]:
    """Versions of the releases that ship with this package, oldest first."""
    return sorted(entry.name for entry in _data().iterdir() if entry.is_dir())


def load_release(version: str = CURRENT_RELEASE) -> Release:
    """Load and check a packaged release, once a process.

    Raises:
        UnknownName: no such release.
        ConfigurationError: a file breaks its schema, or files contradict each other.
    """
    return _packaged(version)


# Behind `load_release`, where the release that is meant when none is named has its name.
@cache
def _packaged(version: str) -> Release:
    if version not in releases():
        message = f"no standard release {version!r}; packaged: {', '.join(releases())}"
        raise UnknownName(message, hint="steelyard standard show")
    return _read(_data() / version, is_ours=True)


def read_release(folder: Traversable) -> Release:
    """Read and check the files of a release, packaged or, for instance, proposed.

    Raises:
        ConfigurationError: a file is absent, breaks its schema, or contradicts another.
    """
    return _read(folder, is_ours=False)


def _read(folder: Traversable, *, is_ours: bool) -> Release:
    def read(entry: Traversable, schema: str) -> JsonObject:
        return _read_file(entry, schema, is_ours=is_ours)

    framework = read(folder / "framework.yaml", "standard-framework")
    protocols = folder / "protocols"
    entries = sorted(protocols.iterdir(), key=lambda e: e.name) if protocols.is_dir() else []
    content: JsonObject = {
        "version": framework["version"],
        "framework": framework,
        "policy": read(folder / "policy.yaml", "gate-policy"),
        "crosswalk": read(folder / "crosswalk.yaml", "standard-crosswalk"),
        "elicitation": read(folder / "elicitation.yaml", "standard-elicitation"),
        "proficiency": read(folder / "proficiency.yaml", "standard-proficiency"),
        "protocols": {
            entry.name.removesuffix(".yaml"): read(entry, "standard-protocol")
            for entry in entries
            if entry.name.endswith(".yaml")
        },
    }
    return release_from_content(content)


def release_from_content(content: JsonObject) -> Release:
    """Build a release from its content, e.g. one carried in a passport.

    Raises:
        ConfigurationError: domains, indicators and thresholds contradict each other.
    """
    plain = cast("dict[str, Any]", content)
    framework = _framework(plain["framework"])
    check_framework(framework, plain["protocols"])
    check_elicitation(plain["elicitation"])
    return Release(
        version=plain["version"],
        digest=digest_json(content),
        framework=framework,
        protocols=plain["protocols"],
        policy=plain["policy"],
        crosswalk=tuple(plain["crosswalk"]["rows"]),
        elicitation=plain["elicitation"],
        proficiency=plain["proficiency"],
        content=content,
    )


def _data() -> Traversable:
    return files("steelyard.standard") / "data"


def read_indicator(entry: Traversable) -> Indicator:
    """Read one indicator from a file of its own, with its `id` among its fields.

    Raises:
        ConfigurationError: absent, or no indicator of the framework's schema.
    """
    raw = cast("dict[str, Any]", read_file(entry, "standard-framework#indicator"))
    return _indicator(raw.pop("id"), raw)


def read_file(entry: Traversable, schema: str) -> JsonObject:
    """Read a strict YAML file that keeps to the named schema.

    Raises:
        ConfigurationError: it cannot be read, or breaks the schema.
    """
    return _read_file(entry, schema, is_ours=False)


def _read_file(entry: Traversable, schema: str, *, is_ours: bool) -> JsonObject:
    where = str(entry)
    try:
        text = entry.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read: {getattr(error, 'strerror', None) or error}"
        names = "framework.yaml, policy.yaml, crosswalk.yaml, elicitation.yaml, proficiency.yaml"
        hint = f"a release is {names} and protocols/*.yaml"
        raise ConfigurationError(message, where=where, hint=hint) from error
    value = parse_yaml(text, where=where, is_ours=is_ours)
    check_schema(value, schema, where=where)
    return value


def _framework(raw: dict[str, Any]) -> Framework:
    return Framework(
        id=raw["id"],
        version=raw["version"],
        status=raw["status"],
        levels=tuple(Level(**level) for level in raw["levels"]),
        decision=_decision(raw["decision"]),
        residual=_residual(raw["residual"]),
        triggers=tuple(Trigger(**trigger) for trigger in raw["triggers"]),
        domains={name: _domain(name, value) for name, value in raw["domains"].items()},
        indicators={name: _indicator(name, value) for name, value in raw["indicators"].items()},
    )


def _decision(raw: dict[str, Any]) -> Decision:
    parts: dict[str, Any] = {**raw}
    parts["review_days"] = {int(level): n for level, n in raw["review_days"].items()}
    holding: dict[str, Any] = {
        **raw["holding_back"],
        "claims": tuple(raw["holding_back"]["claims"]),
    }
    parts["holding_back"] = HoldingBack(**holding)
    parts["awareness"] = Awareness(**raw["awareness"])
    parts["plateau"] = Plateau(**raw["plateau"])
    parts["scaling"] = Scaling(**raw["scaling"])
    return Decision(**parts)


def _residual(raw: dict[str, Any]) -> Residual:
    return Residual(
        error_rate=raw["error_rate"],
        forecast_volumes=tuple(raw["forecast_volumes"]),
        attacks={name: Attack(name, **value) for name, value in raw["attacks"].items()},
        tests={name: _safeguard_test(name, value) for name, value in raw["tests"].items()},
    )


def _safeguard_test(name: str, raw: dict[str, Any]) -> SafeguardTest:
    parts = dict(raw)
    parts["design"] = Design(**raw["design"])
    parts["thresholds"] = tuple(map(_threshold, raw["thresholds"]))
    return SafeguardTest(id=name, **parts)


def _domain(name: str, raw: dict[str, Any]) -> Domain:
    parts: dict[str, Any] = {**raw}
    parts["rules"] = _rules(parts.pop("rule"))
    parts["indicators"] = tuple(raw["indicators"])
    parts["supporting"] = tuple(raw["supporting"])
    parts["flaw_classes"] = tuple(raw["flaw_classes"])
    return Domain(id=name, **parts)


def _rules(raw: str | dict[str, Any]) -> dict[int, Rule]:
    """Rule by level; a rule that is not told apart by level holds at each."""
    levels = range(1, HIGHEST_LEVEL + 1)
    if isinstance(raw, str):
        return dict.fromkeys(levels, Rule(1))
    return {level: _rule(raw[str(level)]) for level in levels}


def _rule(raw: str | dict[str, int]) -> Rule:
    return Rule(1) if isinstance(raw, str) else Rule(raw["k_of_n"])


def _indicator(name: str, raw: dict[str, Any]) -> Indicator:
    parts = dict(raw)
    parts["design"] = Design(**raw["design"])
    parts["thresholds"] = tuple(map(_threshold, raw["thresholds"]))
    parts["elicitation"] = ElicitationRule(**raw["elicitation"])
    if "progress" in raw:
        parts["progress"] = Progress(**raw["progress"])
    return Indicator(id=name, **parts)


def _threshold(raw: dict[str, Any]) -> Threshold:
    """A threshold is data as `value` (a rate) or `human_minutes` (held as log2)."""
    value = math.log2(raw["human_minutes"]) if "human_minutes" in raw else raw["value"]
    return Threshold(raw["level"], value, raw["status"], raw["rationale"])
