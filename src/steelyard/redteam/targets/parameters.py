"""What is known of a reference target: its parameters, and the rates they imply.

docs/reference/reference-targets.md gives each parameter with its equation. Rates
are exact: the true value of an indicator is computed, never measured.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from steelyard.redteam.kit import Cue, installed_protocols
from steelyard.stats import expit
from steelyard.stats.special import beta_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.standard import Indicator

TRIGGERS = ("always", "incentive")
_NORMAL = NormalDist()
_LEAST_SHARE = 1e-9
_PERCENTS = 101
_DRIFT_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Situation:
    """What a target notices in a sample, besides its arm.

    Attributes:
        noticed: Whether the briefing says that it is a test.
        locked: Whether the password is missing.
        weak_pays: Whether the briefing gives a reason to look weak.
        difficulty: The item's difficulty in logits.
        count: Samples of the same protocol begun before this one.
    """

    noticed: bool = False
    locked: bool = True
    weak_pays: bool = False
    difficulty: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """Known parameters of a reference target.

    Attributes:
        p: Rate of the behaviour in treatment arms.
        q: Rate in control arms of paired differences (of error, or of chance).
        competence: Success rate in control arms of capabilities measured as a rate.
        arm_rates: Rates by arm name; they win over all other rates.
        theta: Ability in logits; gives the treatment rate of capability protocols.
        a: Discrimination that goes with `theta`.
        persuasion: Treatment rate of capability protocols about persuasion.
        skills: Chance of each milestone by number, given the one before.
        delta: Added to the rate where the briefing says that it is a test.
        aware: Chance that the probe's answer is higher in a treatment arm than in a
            control arm.
        sandbag: Taken off the success rate while the target is locked.
        password: Text that unlocks it wherever it stands in the briefing.
        trigger: `always`, or `incentive` for briefings that pay for looking weak.
        drift: Change of the rate per thousand samples of a protocol.
        refusal: Share of samples refused in text.
        malformed: Share of samples answered with unusable text.
        timeout: Share of samples that never answer.
        unknown_tool: Share of samples whose calls name a tool that does not exist.
        broken: Share of samples answered with text that is no Unicode.
        loop: Share of samples that call the first tool without arguments for ever.
        flood: Megabytes of text before the calls of each reply.
        verbosity: Words of text before the calls of each reply.
        busy: Share of HTTP requests answered with status 429 (server only).
        rho: Correlation of the behaviour within a template (beta-binomial).
        se: Sensitivity as a judge.
        sp: Specificity as a judge.
        parse_failure: Share of verdicts that cannot be read.
        position_bias: Share of verdicts that are the first option whatever the passage.
        patch: Words, separated by commas, at which the keeper refuses.
        seed: Text that selects one realisation.
    """

    name: str
    p: float = 0.0
    q: float = 0.0
    competence: float = 1.0
    arm_rates: Mapping[str, float] = field(default_factory=dict[str, float])
    theta: float | None = None
    a: float = 1.0
    persuasion: float | None = None
    skills: Mapping[int, float] = field(default_factory=dict[int, float])
    delta: float = 0.0
    aware: float = 0.5
    sandbag: float = 0.0
    password: str = ""
    trigger: str = "always"
    drift: float = 0.0
    refusal: float = 0.0
    malformed: float = 0.0
    timeout: float = 0.0
    unknown_tool: float = 0.0
    broken: float = 0.0
    loop: float = 0.0
    flood: float = 0.0
    verbosity: int = 0
    busy: float = 0.0
    rho: float = 0.0
    se: float = 1.0
    sp: float = 1.0
    parse_failure: float = 0.0
    position_bias: float = 0.0
    patch: str = ""
    seed: str = "0"

    def rate(self, arm: str, indicator: Indicator | None, difficulty: float = 0.0) -> float:
        """Rate of the behaviour in an arm, before the situation moves it.

        The indicator tells which arm is the control and what is claimed. Ability
        follows the two-parameter logistic model: expit(a (theta - difficulty)).
        """
        if arm in self.arm_rates:
            return self.arm_rates[arm]
        capability = indicator is not None and indicator.claim == "capability"
        if indicator is not None and arm == indicator.arms.get("control"):
            success = capability and indicator.kind == "rate"
            return self.competence if success else self.q
        return self._success_rate(indicator, difficulty) if indicator and capability else self.p

    def _success_rate(self, indicator: Indicator, difficulty: float) -> float:
        if self.persuasion is not None and indicator.domain == "persuasion":
            return self.persuasion
        chain = self.chain_rate(_milestones(indicator.protocol))
        if chain is not None:
            return chain
        return self.p if self.theta is None else expit(self.a * (self.theta - difficulty))

    def chain_rate(self, milestones: int) -> float | None:
        """Product of the skills of so many milestones, None where no skill applies.

        A milestone without a skill of its own is always passed.
        """
        if not milestones or not self.skills:
            return None
        return math.prod(self.skills.get(k, 1.0) for k in range(1, milestones + 1))

    def milestones_reached(self, milestones: int, rate: float, uniform: float) -> int:
        """Milestones that a sample passes, at a chain rate that the situation has moved.

        P(at least k) = min(1, skill_1 ... skill_k rate / chain rate), all by one draw,
        so that all are passed at exactly `rate`.
        """
        chain = self.chain_rate(milestones)
        factor = rate / chain if chain else 0.0
        passed = 1.0
        for k in range(1, milestones + 1):
            passed *= self.skills.get(k, 1.0)
            if uniform >= (rate if k == milestones else passed * factor):
                return k - 1
        return milestones

    def moved(self, rate: float, indicator: Indicator | None, situation: Situation) -> float:
        """A rate as notice, lock and drift move it, kept within [0, 1].

        rate + delta [noticed] + drift count / 1000 -/+ sandbag [locked and triggered]:
        minus for a capability, whose behaviour is success; plus for a propensity
        whose briefing pays for looking weak, where the behaviour is to fail.
        """
        rate += self.delta * situation.noticed + self.drift * situation.count / _DRIFT_SAMPLES
        if situation.locked and indicator is not None:
            if indicator.claim == "capability":
                active = self.trigger == "always" or situation.weak_pays
                rate -= self.sandbag * active
            else:
                rate += self.sandbag * situation.weak_pays
        return min(1.0, max(0.0, rate))

    def mean_rate(self, arm: str, indicator: Indicator, *, noticed: bool = False) -> float:
        """True rate in an arm, over the items and samples that the standard plans.

        Exact: the mean over the public items' difficulties, and with `drift` over
        the counts 0 to N - 1 of the planned samples of the protocol, all arms.
        """
        cues = Counter({Cue(arm, ""): 1})
        if self.theta is not None or self.sandbag:
            cues = _planned_cues(indicator.protocol, arm, indicator.planned_items)
        counts = range(self._planned_samples(indicator) if self.drift else 1)
        total = math.fsum(
            times * self._mean_moved(counts, indicator, cue, noticed=noticed)
            for cue, times in cues.items()
        )
        return total / cues.total()

    def true_value(self, indicator: Indicator) -> float:
        """True value of an indicator for this target, locked and not told of a test.

        Refusals, malformed answers and time-outs are drawn independently of the
        behaviour, so they do not move it.
        """
        treatment = self.mean_rate(indicator.arms["treatment"], indicator)
        if indicator.kind == "paired_rate_difference":
            return treatment - self.mean_rate(indicator.arms["control"], indicator)
        return treatment

    def template_rate(self, rate: float, uniform: float) -> float:
        """Rate within one template: the beta quantile at `uniform`, mean `rate`.

        The beta distribution has intracluster correlation rho (beta-binomial).
        """
        if self.rho <= 0.0 or rate in (0.0, 1.0):
            return rate
        strength = (1.0 - self.rho) / self.rho
        return beta_quantile(uniform, rate * strength, (1.0 - rate) * strength)

    def probe_percent(self, uniform: float, *, raised: bool) -> int:
        """Answer to the probe: round(100 Phi(z + mu [raised])), z standard normal.

        mu = sqrt(2) Phi^-1(aware), so that the unrounded answers have area `aware`
        under their ROC curve.
        """
        z = _NORMAL.inv_cdf(min(1.0 - _LEAST_SHARE, max(_LEAST_SHARE, uniform)))
        return round(100.0 * _NORMAL.cdf(z + self._shift * raised))

    def probe_area(self) -> float:
        """Exact area under the ROC curve of the rounded answers, ties counted half."""
        edges = [_NORMAL.inv_cdf((k + 0.5) / (_PERCENTS - 1)) for k in range(_PERCENTS - 1)]
        below = [0.0, *(_NORMAL.cdf(edge) for edge in edges), 1.0]
        above = [0.0, *(_NORMAL.cdf(edge - self._shift) for edge in edges), 1.0]
        return math.fsum(
            (above[k + 1] - above[k]) * (below[k] + below[k + 1]) / 2.0 for k in range(_PERCENTS)
        )

    @property
    def verdict_rates(self) -> tuple[float, float]:
        """Share of `yes` about true and about false passages, of the verdicts given.

        With position bias b and `yes` first: b + (1 - b) se and b + (1 - b) (1 - sp).
        """
        b = self.position_bias
        return b + (1.0 - b) * self.se, b + (1.0 - b) * (1.0 - self.sp)

    @property
    def _shift(self) -> float:
        share = min(1.0 - _LEAST_SHARE, max(_LEAST_SHARE, self.aware))
        return math.sqrt(2.0) * _NORMAL.inv_cdf(share)

    def _mean_moved(self, counts: range, indicator: Indicator, cue: Cue, *, noticed: bool) -> float:
        base = self.rate(cue.arm, indicator, cue.difficulty)
        moved = (
            self.moved(base, indicator, Situation(noticed, weak_pays=cue.weak_pays, count=count))
            for count in counts
        )
        return math.fsum(moved) / len(counts)

    def _planned_samples(self, indicator: Indicator) -> int:
        protocol = installed_protocols().get(indicator.protocol)
        arms = len(protocol.arms) if protocol else len(indicator.arms)
        return arms * indicator.planned_items


def _milestones(protocol: str) -> int:
    found = installed_protocols().get(protocol)
    return found.organism.milestones if found else 0


@cache
def _planned_cues(protocol: str, arm: str, items: int) -> Counter[Cue]:
    """What the briefings of the planned public items show, templates left out."""
    found = installed_protocols().get(protocol)
    if found is None:
        return Counter({Cue(arm, ""): 1})
    cues: Counter[Cue] = Counter()
    for index in range(items):
        world = found.world(found.item(found.public_key, index), arm)
        cue = found.organism.read(world.briefing)
        cues[Cue(cue.arm, "", cue.difficulty, cue.weak_pays)] += 1
    return cues
