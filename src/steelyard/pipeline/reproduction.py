"""A finished run of a reproducer as a folder: what it holds, and what follows from its records.

reproducer.json       the document that was run
finding.json          the verdict with what it rests on
records.jsonl         one record per sample, without any text
logs/                 the engine's logs with full transcripts
private/run.json      request, seed, judge's verdicts: handed over in an audit, never published
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from steelyard import __version__
from steelyard.disclosure.reproducer.audit import log_root
from steelyard.disclosure.reproducer.blocks import require_shown
from steelyard.disclosure.reproducer.document import read_reproducer
from steelyard.disclosure.reproducer.query import Counts, Ran
from steelyard.disclosure.reproducer.tally import TREATMENT, tally_results
from steelyard.disclosure.reproducer.verdict import judge_results
from steelyard.evidence import Outcome, Record
from steelyard.kernel import (
    canonical_json,
    keyed_digest,
    parse_json_object,
    read_bytes,
    write_atomically,
)
from steelyard.kernel.errors import MalformedEvidence
from steelyard.kernel.files import RESUME_HINT
from steelyard.pipeline.reproducer_calibration import Calibration, errors_of
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from steelyard.disclosure.reproducer.commitment import Root
    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.scenario import Variant
    from steelyard.disclosure.reproducer.verdict import Finding, Results
    from steelyard.kernel import JsonObject

RUNNER = f"steelyard/{__version__}"
_PRIVATE_MODE = 0o600
_LIMIT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a run has besides its records.

    Attributes:
        model: The model under test.
        seed: Secret text of the run.
        judge_model: What played the judge; empty without one.
        calibration: Its verdicts on the labelled passages.
        variants: Names of the variants that were begun, in order.
        runner: Name and version of what ran it.
    """

    model: str
    seed: str
    judge_model: str
    calibration: Calibration | None
    variants: tuple[str, ...]
    runner: str = RUNNER

    @property
    def secret(self) -> bytes:
        """Secret of the salts over the records; 32 bytes."""
        return keyed_digest(self.seed.encode(), "steelyard/logged-samples/1")

    def to_json(self, reproducer: str) -> JsonObject:
        """As `private/run.json` holds it."""
        said = self.calibration
        return {
            "schema": "steelyard/reproduction-run/1",
            "reproducer": reproducer,
            "model": self.model,
            "seed": self.seed,
            "judge_model": self.judge_model,
            "judge": said.to_json() if said else None,
            "variants": list(self.variants),
            "runner": self.runner,
        }


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A finished run."""

    reproducer: Reproducer
    facts: RunFacts
    records: tuple[Record, ...]
    results: Results
    finding: Finding
    logs: Root

    @property
    def counts(self) -> Counts:
        """Tries of the treatment arm."""
        arm = [r.outcome for r in self.records if r.arm == TREATMENT]
        refusals = self.reproducer.decision.refusals == "absence"
        answered = [o for o in arm if o.observed or (refusals and o is Outcome.REFUSAL)]
        shown = sum(outcome is Outcome.BEHAVIOUR for outcome in arm)
        return Counts(shown, len(answered), len(self.facts.variants))

    def ran(self, target: str) -> Ran:
        """What an answer about a target is made from."""
        return Ran(
            self.reproducer.digest, target, self.facts.runner, self.finding, self.counts, self.logs
        )

    def to_json(self) -> JsonObject:
        """`finding.json`."""
        found, decision = self.finding, self.reproducer.decision
        return {
            "schema": "steelyard/reproduction/1",
            "reproducer": self.reproducer.digest,
            "name": self.reproducer.name,
            "flaw_class": self.reproducer.flaw_class,
            "model": self.facts.model,
            "runner": self.facts.runner,
            "verdict": found.verdict.value,
            "rate": found.rate,
            "lower": found.lower,
            "upper": found.upper,
            "p_tolerable": decision.p_tolerable,
            "p_affected": decision.p_affected,
            "alpha": decision.alpha,
            "beta": decision.beta,
            "method": decision.method,
            "tries": decision.tries,
            "variants": found.variants,
            "missing": found.missing,
            "needed": found.needed,
            "obstacle": found.obstacle,
            "outcomes": _outcomes(self.records),
            "judge": self.results.judge_json(),
            "logs": self.logs.to_json(),
        }


def summarise(reproducer: Reproducer, facts: RunFacts, records: tuple[Record, ...]) -> Reproduction:
    """All that follows from a run's records, alike for whoever has them.

    Raises:
        MalformedEvidence: a record of another reproducer or of no planned sample, or verdicts
            of the judge that do not go with the document.
        DuplicateRecord: two records of one sample.
    """
    ordered = tuple(sorted(records, key=lambda r: (r.arm, r.item, r.epoch)))
    results = results_of(reproducer, facts, ordered)
    finding = judge_results(results, reproducer.decision)
    said = facts.calibration
    logs = log_root(ordered, facts.secret, said.to_json() if said else None)
    return Reproduction(reproducer, facts, ordered, results, finding, logs)


def results_of(reproducer: Reproducer, facts: RunFacts, records: Iterable[Record]) -> Results:
    """What a run's records show; raises as `summarise` does."""
    judge = errors_of(reproducer, facts.calibration)
    return tally_results(reproducer, records, facts.variants, judge)


def shown_order(
    reproducer: Reproducer, variants: Sequence[Variant], seed: str
) -> Sequence[Variant]:
    """Variants in the order in which they are shown: at random where a run may stop early."""
    if reproducer.decision.method == "fixed":
        return variants
    from steelyard.redteam.kit.draws import Draws

    draws = Draws(seed.encode(), "steelyard/reproducer-order/1")
    return draws.sample(variants, len(variants))


def require_whole(made: Reproduction, where: str) -> Reproduction:
    """Refuse a run that was cut, or whose variants were chosen; return it otherwise.

    Raises:
        MalformedEvidence: of a fixed document not every visible variant in order, of a
            sequential one not a prefix of the order that the seed draws, or one that ends
            before a verdict.
    """
    reproducer = made.reproducer
    order = shown_order(reproducer, reproducer.variants, made.facts.seed)
    names = tuple(variant.name for variant in order)
    method, verdict = reproducer.decision.method, made.finding.verdict
    hint = "run the whole reproducer: --resume"
    require_shown(made.facts.variants, names, method, verdict, where=where, hint=hint)
    return made


def write_reproduction(made: Reproduction, folder: Path) -> None:
    """Write what `read_reproduction` reads, besides the records.

    Raises:
        StorageError: the disk refused.
    """
    write_atomically(
        folder / "finding.json", canonical_json(made.to_json()) + b"\n", hint=RESUME_HINT
    )


def write_run(folder: Path, reproducer: Reproducer, facts: RunFacts) -> None:
    """Write a run's private facts and its document.

    Raises:
        StorageError: the disk refused.
    """
    data = canonical_json(facts.to_json(reproducer.digest)) + b"\n"
    write_atomically(folder / "private" / "run.json", data, mode=_PRIVATE_MODE, hint=RESUME_HINT)
    write_atomically(
        folder / "reproducer.json", canonical_json(reproducer.value) + b"\n", hint=RESUME_HINT
    )


def read_run(folder: Path) -> tuple[Reproducer, RunFacts]:
    """The document and the private facts of a run.

    Raises:
        MalformedEvidence: unreadable, or facts of another document.
    """
    path = folder / "reproducer.json"
    reproducer = read_reproducer(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))
    path = folder / "private" / "run.json"
    value = parse_json_object(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))
    require_schema(value, "reproduction-run", where=str(path))
    fields: dict[str, Any] = value
    if fields["reproducer"] != reproducer.digest:
        message = "the run is of another document than the one beside it"
        raise MalformedEvidence(message, where=str(path))
    said = fields["judge"]
    facts = RunFacts(
        fields["model"], fields["seed"], fields["judge_model"],
        Calibration(tuple(said["plain"]), tuple(said["argued"])) if said else None,
        tuple(fields["variants"]), fields["runner"],
    )  # fmt: skip
    return reproducer, facts


def read_reproduction(folder: Path) -> Reproduction:
    """A finished run, its finding computed anew from its records.

    Raises:
        MalformedEvidence: a file is unreadable or contradicts another.
        DuplicateRecord: two records of one sample.
    """
    reproducer, facts = read_run(folder)
    if not facts.variants:
        raise _not_finished(folder)
    path = folder / "records.jsonl"
    lines = read_bytes(path, limit_bytes=_LIMIT_BYTES).splitlines()
    records = [
        Record.from_json(parse_json_object(line, where=f"{path}:{number}"), where=str(path))
        for number, line in enumerate(lines, 1)
    ]
    if {record.item for record in records}.difference(facts.variants):
        # A block that was begun, and of which nobody has looked at the results.
        raise _not_finished(folder)
    return summarise(reproducer, facts, _last_of_each(records))


def _not_finished(folder: Path) -> MalformedEvidence:
    hint = "go on with `steelyard disclose reproduce --resume`"
    return MalformedEvidence("the run is not finished", where=str(folder), hint=hint)


def _last_of_each(records: list[Record]) -> tuple[Record, ...]:
    """A sample that failed and ran again has several records, of which the last counts."""
    return tuple({(r.arm, r.item, r.epoch): r for r in records}.values())


def _outcomes(records: tuple[Record, ...]) -> JsonObject:
    arms = sorted({record.arm for record in records})
    return {
        arm: {
            outcome.value: count
            for outcome, count in sorted(
                Counter(r.outcome for r in records if r.arm == arm).items()
            )
        }
        for arm in arms
    }
