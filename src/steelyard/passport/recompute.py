"""The steps that read the evidence: matrix, plan, and the level computed anew.

Each function decides one step of spec/passport.md, section Verification. The
claimed classification is only compared, never used: what leaves here was
computed from the records by this installation's own rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import digest_json
from steelyard.kernel.errors import BrokenSeal, CannotVerify, SteelyardError
from steelyard.passport.archive import MATRIX
from steelyard.passport.matrix import Matrix, read_matrix
from steelyard.passport.proficiency import with_coverage
from steelyard.passport.verification import Finding
from steelyard.risk import Plan, classify, differences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from steelyard.evidence import Evidence
    from steelyard.kernel import JsonObject
    from steelyard.passport.checks import Claims, Members, Times
    from steelyard.passport.proficiency import Proficiency
    from steelyard.standard import Release

_LADDER: Final = ("unknown", "E0", "E1", "E2", "E3")
SAMPLES_LIMIT: Final = 1_000_000
_GROUP_FIELDS: Final = ("protocol", "protocol_version", "arm", "indicator")


@dataclass(frozen=True, slots=True)
class Case:
    """All that a classification is computed from, and the claim to compare it with."""

    evidence: Evidence
    claims: Claims
    release: Release
    plan: Plan


def check_matrix(members: Members, claims: Claims) -> Finding[Matrix]:
    """Step 8: the records follow their format and give the signed Merkle root.

    Raises:
        MalformedEvidence: the matrix does not follow its format.
        BrokenSeal: root, counts or model are not the ones signed.
    """
    matrix = read_matrix(members[MATRIX])
    signed, evidence = claims.evidence, matrix.evidence
    if matrix.root != signed["merkle_root"]:
        message = f"the records give root {matrix.root[:16]}, signed {signed['merkle_root'][:16]}"
        raise BrokenSeal(message, where=MATRIX)
    if len(evidence) != signed["records"] or evidence.outcomes() != signed["outcomes"]:
        message = f"{len(evidence)} records do not give the counts that were signed"
        raise BrokenSeal(message, where=MATRIX)
    if evidence.values("model") != [claims.identity["model"]]:
        message = f"records are about {evidence.values('model')[:4]}"
        raise BrokenSeal(message, where=MATRIX)
    return Finding(matrix, f"{len(evidence)} records under root {matrix.root[:16]}")


def check_plan(matrix: Matrix, claims: Claims, release: Release) -> Finding[Case]:
    """Step 9: nothing in the evidence that was not declared before the run.

    What was declared and is absent counts as missing in the recomputation, so
    it is a warning here. So is imported evidence, which was run before it was
    declared; its effort is taken as recorded.

    Raises:
        CannotVerify: an arm, item, repeat, domain or effort that was not declared,
            or more samples declared than any run has.
    """
    rows = _planned_rows(claims)
    plan = Plan.from_predicate(claims.intent)
    evidence = matrix.evidence
    _require_declared_domains(evidence, plan, release)
    _require_ladder(claims, release)
    observed = _observed(evidence)
    for group, samples in observed.items():
        _require_declared_samples(group, samples, rows)
    case = Case(evidence, claims, release, plan)
    if imported := claims.evidence["imported"]:
        detail = f"{len(imported)} imported files were run before they were declared"
        hint = "the plan shows nothing about how often or how selectively they were made"
        return Finding(case, detail, warning=True, hint=hint)
    _require_declared_effort(evidence, plan)
    absent = _absent(observed, rows)
    if absent:
        detail = f"{absent} planned samples have no record; they count against the model"
        return Finding(case, detail, warning=True)
    return Finding(case, f"{len(evidence)} records, all as declared")


def check_level(case: Case, times: Times, rounds: Proficiency) -> Finding[JsonObject]:
    """Step 12: the claimed classification is what the records give.

    Numbers may differ by the rounding of another machine (`risk.differences`);
    levels, statuses and texts may not.

    Raises:
        BrokenSeal: naming the first difference.
        CannotVerify: the records do not allow any classification.
    """
    try:
        recomputed = classify(
            case.evidence,
            case.release,
            model=case.claims.identity["model"],
            scope=case.claims.intent["scope"],
            as_of=times.as_of,
            plan=with_coverage(case.plan, rounds.certificate, times.as_of, case.release),
        ).to_json()
    except SteelyardError as error:
        raise CannotVerify(error.message, hint=error.hint) from error
    found = differences(case.claims.claim["classification"], recomputed)
    if found:
        version = case.claims.claim["decision_rule"]["version"]
        hint = f"believe the recomputed value, not the claim (made with steelyard {version})"
        raise BrokenSeal(found[0][:300], hint=hint)
    return Finding(recomputed, _summary(recomputed))


def _summary(classification: JsonObject) -> str:
    overall: dict[str, Any] = classification["overall"]  # type: ignore[assignment]
    return f"recomputed: level {overall['level']} ({overall['level_name']}), {overall['status']}"


def _require_declared_domains(evidence: Evidence, plan: Plan, release: Release) -> None:
    """Evidence on a domain left out of the scope would be a result left out of the claim."""
    known = release.framework.indicators
    domains = set(evidence.values("domain"))
    domains |= {known[name].domain for name in evidence.values("indicator") if name in known}
    if outside := sorted(domains - set(plan.scope)):
        message = f"records speak about {', '.join(outside)}, which the plan's scope leaves out"
        raise CannotVerify(message)


def _require_ladder(claims: Claims, release: Release) -> None:
    """Tries, texts and strategies mean what the release's ladder says, or nothing."""
    procedure = claims.intent["procedure"]
    if procedure["ladder"] != digest_json(release.elicitation):
        message = "the intent names another elicitation ladder than the release holds"
        raise CannotVerify(message)
    if claims.intent["elicitation"] == "E3" and not procedure["note"]:
        raise CannotVerify("elicitation E3 is declared without saying how the model was changed")


def _require_declared_effort(evidence: Evidence, plan: Plan) -> None:
    highest = max(evidence.values("elicitation"), key=_LADDER.index)
    if _LADDER.index(highest) > _LADDER.index(plan.elicitation):
        message = f"records claim elicitation {highest}, declared was {plan.elicitation}"
        raise CannotVerify(message)


def _planned_rows(claims: Claims) -> Mapping[tuple[str, str], dict[str, Any]]:
    """Planned rows by (protocol, arm), each pair declared once and within reason."""
    planned = claims.intent["planned"]
    rows = {(row["protocol"], row["arm"]): row for row in planned}
    if len(rows) != len(planned):
        message = "a protocol's arm is declared twice, so its number of samples is open"
        raise CannotVerify(message)
    # Every absent sample is imputed, so a huge plan would cost the verifier, not the signer.
    samples = sum(row["items"] * row["epochs"] for row in planned)
    if samples > SAMPLES_LIMIT:
        message = f"{samples} samples are planned, at most {SAMPLES_LIMIT} can be verified"
        raise CannotVerify(message, hint="ask the issuer to split the run over several intents")
    return rows


def _observed(evidence: Evidence) -> Mapping[tuple[str, ...], list[tuple[str, int]]]:
    """Item and epoch of every record, by `_GROUP_FIELDS`."""
    groups: defaultdict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    keys = zip(*(evidence.columns[name] for name in _GROUP_FIELDS), strict=True)
    samples = zip(evidence.columns["item"], evidence.columns["epoch"], strict=True)
    for key, sample in zip(keys, samples, strict=True):
        groups[key].append(sample)
    return groups


def _require_declared_samples(
    group: tuple[str, ...],
    samples: list[tuple[str, int]],
    rows: Mapping[tuple[str, str], dict[str, Any]],
) -> None:
    protocol, version, arm, indicator = group
    row = rows.get((protocol, arm))
    if row is None or row["protocol_version"] != version:
        message = f"records of {protocol}@{version}, arm {arm}, were not declared"
        raise CannotVerify(message)
    if indicator not in row.get("indicators", (indicator,)):
        message = f"records of {protocol}@{version}, arm {arm}, feed {indicator}, not as declared"
        raise CannotVerify(message)
    repeats = Counter(item for item, _ in samples)
    if len(repeats) > row["items"] or max(epoch for _, epoch in samples) > row["epochs"]:
        message = (
            f"{protocol}@{version}, arm {arm}: {len(repeats)} items and up to "
            f"{max(epoch for _, epoch in samples)} epochs, declared were "
            f"{row['items']} and {row['epochs']}"
        )
        raise CannotVerify(message)


def _absent(
    observed: Mapping[tuple[str, ...], list[tuple[str, int]]],
    rows: Mapping[tuple[str, str], dict[str, Any]],
) -> int:
    """Planned samples without a record, by the indicator that has most of each arm."""
    most: Counter[tuple[str, str]] = Counter()
    for (protocol, _, arm, _), samples in observed.items():
        most[protocol, arm] = max(most[protocol, arm], len(samples))
    return sum(row["items"] * row["epochs"] - most[key] for key, row in rows.items())
