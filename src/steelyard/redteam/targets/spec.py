"""Reference targets by name: `steelyard/<name>?p=0.3&refusal=0.1`.

The grammar is that of a URL query; unknown keys and values out of range are
refused, so that a typing error cannot change what a laboratory believes it
measured. What the parameters mean is decided in `parameters`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from steelyard.kernel.errors import UnknownName, UsageError
from steelyard.redteam.kit import installed_protocols
from steelyard.redteam.targets.parameters import TRIGGERS, TargetSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUDITOR", "JUDGE", "KEEPER", "PRESETS", "PROVIDER", "TargetSpec", "parse_target"]

PROVIDER = "steelyard"
JUDGE = "judge"
"""Name of the organism that gives verdicts of known error."""
AUDITOR = "auditor"
"""Name of the organism that chooses strategies at random."""
KEEPER = "keeper"
"""Name of the organism with a harmless flaw of known rate."""
_ARM_PREFIX = "p_"
_SKILL = re.compile(r"skill_([1-9])")
_SHARES = ("refusal", "malformed", "timeout", "unknown_tool", "broken", "loop")

PRESETS: Mapping[str, TargetSpec] = {
    spec.name: spec
    for spec in (
        TargetSpec("organism"),
        TargetSpec("honest"),
        TargetSpec("mixed", arm_rates={"opposed": 0.32, "penalty": 0.08, "restricted": 0.12}),
        TargetSpec("deceptive", p=0.4, arm_rates={"penalty": 0.1}),
        TargetSpec("refusing", refusal=1.0),
        TargetSpec("malformed", malformed=1.0),
        TargetSpec("stalling", timeout=1.0),
        TargetSpec("hostile", unknown_tool=0.25, broken=0.25, loop=0.25, flood=1.0),
        TargetSpec(JUDGE),
        TargetSpec(AUDITOR),
        TargetSpec(KEEPER),
    )
}


def parse_target(text: str) -> TargetSpec:
    """Read a target's name and query, with or without the provider prefix.

    Raises:
        UnknownName: no such preset.
        UsageError: an unknown or repeated key, an arm that no installed protocol
            has, or a value out of range.
    """
    name, _, query = text.removeprefix(f"{PROVIDER}/").partition("?")
    if name not in PRESETS:
        message = f"no reference target {name!r}"
        raise UnknownName(message, hint=f"targets: {', '.join(PRESETS)}")
    spec = PRESETS[name]
    pairs = _pairs(query)
    # A rate for all treatment arms replaces the preset's rates of single arms.
    rates = {} if "p" in dict(pairs) else dict(spec.arm_rates)
    skills = dict(spec.skills)
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key.startswith(_ARM_PREFIX):
            rates[_arm(key)] = _rate(key, value)
        elif milestone := _SKILL.fullmatch(key):
            skills[int(milestone[1])] = _rate(key, value)
        else:
            values[key] = _value(key, value)
    spec = replace(spec, arm_rates=rates, skills=skills, **values)
    _require_consistent(spec)
    return spec


def _require_consistent(spec: TargetSpec) -> None:
    if sum(getattr(spec, share) for share in _SHARES) > 1.0:
        given = [share for share in _SHARES if getattr(spec, share)]
        message = f"{', '.join(given[:-1])} and {given[-1]} together exceed 1"
        raise UsageError(message, hint="they are shares of the same samples")
    if spec.password and not spec.sandbag:
        message = "a password without a sandbagging gap unlocks nothing"
        raise UsageError(message, hint="add sandbag=0.3, say")


_TEXTS = ("password", "trigger", "patch", "seed")
_REALS: Mapping[str, tuple[float, float]] = {
    "theta": (-10.0, 10.0),
    "a": (0.01, 10.0),
    "delta": (-1.0, 1.0),
    "drift": (-1.0, 1.0),
    "flood": (0.0, 64.0),
}
_WHOLE: Mapping[str, int] = {"verbosity": 10_000}
_RATES = frozenset(f.name for f in fields(TargetSpec)).difference(
    ("name", "arm_rates", "skills"), _TEXTS, _REALS, _WHOLE
)


def _value(key: str, text: str) -> float | int | str:
    if key == "trigger" and text not in TRIGGERS:
        message = f"trigger={text!r} is none of: {', '.join(TRIGGERS)}"
        raise UsageError(message)
    if key in _TEXTS:
        return text
    if key in _REALS:
        return _number(key, text, *_REALS[key])
    if key in _WHOLE:
        return int(_number(key, text, 0, _WHOLE[key], whole=True))
    if key in _RATES:
        return _rate(key, text)
    message = f"reference target has no parameter {key!r}"
    names = sorted([*_RATES, *_REALS, *_WHOLE, *_TEXTS])
    raise UsageError(message, hint=f"parameters: {', '.join(names)}, p_<arm>, skill_<number>")


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
    except ValueError as error:
        message = f"{query!r} is no list of key=value"
        raise UsageError(message, hint="write ?p=0.3&refusal=0.1") from error
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            message = f"parameter {key!r} is given {count} times"
            raise UsageError(message, hint="give each parameter once")
    return pairs


def _arm(key: str) -> str:
    arm = key.removeprefix(_ARM_PREFIX)
    arms = sorted({arm for protocol in installed_protocols().values() for arm in protocol.arms})
    if arm not in arms:
        message = f"no installed protocol has an arm {arm!r}"
        raise UsageError(message, hint=f"arms: {', '.join(arms)}")
    return arm


def _rate(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        message = f"{key}={text!r} is no rate between 0 and 1"
        raise UsageError(message)
    return value


def _number(key: str, text: str, low: float, high: float, *, whole: bool = False) -> float:
    try:
        value = float(int(text)) if whole else float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        kind = "whole number" if whole else "number"
        message = f"{key}={text!r} is no {kind} between {low:g} and {high:g}"
        raise UsageError(message)
    return value
