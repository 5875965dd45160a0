"""What the schemas cannot say: parts of a release that must agree with each other.

Each function looks at one part and raises at the first contradiction. Shapes
and ranges are for `schema`, what the numbers mean for `risk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steelyard.kernel.errors import ConfigurationError
from steelyard.standard.indicator import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.standard.indicator import Indicator, SafeguardTest
    from steelyard.standard.model import Domain, Framework

_WHERE = "framework.yaml"


def check_framework(framework: Framework, protocols: Mapping[str, Any]) -> None:
    """Refuse a framework whose domains, indicators, designs or attacks contradict each other.

    Raises:
        ConfigurationError: naming the first contradiction.
    """
    for domain in framework.domains.values():
        _check_domain(domain, framework)
    for indicator in framework.indicators.values():
        _check_thresholds(indicator)
        _check_protocol(indicator, protocols)
        _check_design(indicator, framework.decision.error_rate)
        if indicator.protocol != IMPORTED and not indicator.design.seed_commitment:
            _refuse(f"{indicator.id} draws its items, so its design must commit to the seed")
    _check_residual(framework)


def check_elicitation(raw: Mapping[str, Any]) -> None:
    """Refuse a ladder that names strategies without text, or notices of unequal length.

    Raises:
        ConfigurationError: naming the first contradiction.
    """
    auditor, awareness = raw["auditor"], raw["awareness"]
    named = {name for order in auditor["table"].values() for name in order}
    if unknown := sorted(named - auditor["strategies"].keys()):
        message = f"the auditor's table names strategy {unknown[0]}, which has no text"
        raise ConfigurationError(message, where="elicitation.yaml")
    lengths = [len(awareness[name]) for name in ("test_notice", "neutral_notice")]
    if len(set(lengths)) > 1:
        message = f"the two notices must have one length, found {lengths[0]} and {lengths[1]}"
        raise ConfigurationError(message, where="elicitation.yaml")


def _check_domain(domain: Domain, framework: Framework) -> None:
    for name in (*domain.indicators, *domain.supporting):
        indicator = framework.indicators.get(name)
        if indicator is None or indicator.domain != domain.id:
            _refuse(f"domain {domain.id} names indicator {name}, which is not of it")
    core = len(domain.indicators)
    if domain.largest_k > core:
        _refuse(f"domain {domain.id} asks for {domain.largest_k} of {core} core indicators")


def _check_thresholds(test: Indicator | SafeguardTest) -> None:
    values = [t.value for level in (1, 2, 3) for t in test.thresholds if t.level == level]
    if len(values) < len(test.thresholds) or values != sorted(set(values)):
        _refuse(f"thresholds of {test.id} must rise with the level, found {values}")


def _check_protocol(indicator: Indicator, protocols: Mapping[str, Any]) -> None:
    parameters = protocols.get(indicator.protocol)
    if indicator.protocol != IMPORTED and (
        parameters is None or parameters["version"] != indicator.protocol_version
    ):
        _refuse(f"{indicator.id} needs {indicator.protocol}@{indicator.protocol_version}")


def _check_design(test: Indicator | SafeguardTest, error_rate: float) -> None:
    """A design spends no more than the domain has, and what is planned is what decides."""
    design = test.design
    if design.alpha > error_rate:
        _refuse(f"the design of {test.id} spends {design.alpha}, the domain has {error_rate}")
    if not design.n_min <= design.n_max or design.batch > design.n_max:
        _refuse(f"the design of {test.id} needs n_min and batch of at most n_max")
    decides = design.n_min if design.method == "fixed" else design.n_max
    if test.planned_items != decides:
        found = f"planned_items of {test.id} is {test.planned_items}"
        _refuse(f"{found}, its {design.method} design decides at {decides}")
    if design.method == "sequential" and not design.seed_commitment:
        _refuse(f"{test.id} may stop early, so its design must commit to the seed")


def _check_residual(framework: Framework) -> None:
    residual = framework.residual
    if not any(attack.adaptive and attack.required for attack in residual.attacks.values()):
        _refuse("the required attacks must have an adaptive one among them")
    domains = [test.domain for test in residual.tests.values()]
    for test in residual.tests.values():
        if test.id in framework.indicators or test.domain not in framework.domains:
            _refuse(f"safeguard test {test.id} needs a name of its own and a known domain")
        if domains.count(test.domain) > 1:
            _refuse(f"domain {test.domain} has more than one safeguard test")
        _check_thresholds(test)
        _check_design(test, residual.error_rate)


def _refuse(message: str) -> None:
    raise ConfigurationError(message, where=_WHERE)
