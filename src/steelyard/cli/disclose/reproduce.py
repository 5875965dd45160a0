"""`steelyard disclose check`, `reproduce`, `seal-variants`, `verify-fix`: reproducers at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json
from steelyard.cli.places import require_absent

if TYPE_CHECKING:
    from steelyard.disclosure.reproducer.document import Reproducer
    from steelyard.disclosure.reproducer.mitigation import Mitigated
    from steelyard.disclosure.reproducer.scenario import Variant
    from steelyard.kernel import JsonObject
    from steelyard.pipeline.reproduce import ReproduceRequest
    from steelyard.pipeline.reproduction import Reproduction

_PRIVATE_MODE = 0o600
_SECRET_BYTES = 32
_LIMIT_BYTES = 32 << 20

ReproducerFile = Annotated[Path, typer.Argument(help="The reproducer: JSON or strict YAML.")]
OutFolder = Annotated[Path, typer.Option(help="Folder for the run.")]
JudgeModel = Annotated[
    str | None, typer.Option("--judge", help="Model that plays the judge; the document's own.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what was cut short.")]
SealedPath = Annotated[Path | None, typer.Option(help="Sealed variants with their secret.")]
Timeout = Annotated[int, typer.Option(min=1, help="Seconds that one model call may take.")]
Retries = Annotated[int, typer.Option(min=0, help="Further tries of a failed call.")]
Connections = Annotated[int, typer.Option(min=1, help="Concurrent model calls.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def check(reproducer: ReproducerFile, as_json: AsJson = False) -> None:
    """Validate a reproducer, and say what running it would do and can show. Runs nothing."""
    from steelyard.disclosure.advisory.escape import terminal_text
    from steelyard.disclosure.reproducer.preview import preview, summary

    document = _read(reproducer)
    seen = preview(document)
    found = summary(document, seen)
    if as_json:
        write_json(found)
        return
    control = "with a control arm" if found["control"] else "no control arm"
    write(f"{document.name}: {terminal_text(document.title)}")
    write(f"  digest    {found['digest']}")
    licence = terminal_text(document.licence)
    write(f"  class     {found['flaw_class']}, tier {found['hazard_tier']}, {licence}")
    write(f"  shows     {found['variants']} variants, {found['turns']} turns, {control}")
    write(f"  scores    {found['scorer']}")
    write(f"  samples   {found['samples']}")
    write(f"  needs     {_or_never(found['least_affected'])} variants to say affected,")
    write(f"            {_or_never(found['least_not_affected'])} to say not affected")
    for note in seen.notes:
        say(f"note: {note}")


def reproduce(
    reproducer: ReproducerFile,
    model: Annotated[str, typer.Argument(help="Model under test, as `assess` names models.")],
    out: OutFolder,
    judge: JudgeModel = None,
    sealed: SealedPath = None,
    resume: Resume = False,
    call_timeout: Timeout = 120,
    retries: Retries = 3,
    connections: Connections = 10,
    as_json: AsJson = False,
) -> None:
    """Run a reproducer on a model: status 0 not affected, 1 affected, 3 undetermined."""
    from steelyard.disclosure.reproducer.verdict import Verdict
    from steelyard.kernel.errors import CannotVerify
    from steelyard.pipeline.reproduce import reproduce as run

    document = _read(reproducer)
    variants = document.variants if sealed is None else _opened(document, sealed)
    request = _request(document, variants, (model, judge), (call_timeout, retries, connections))
    with progress_bar(f"reproducing {document.name}") as progress:
        made = run(request, out, resume=resume, progress=progress)
    if as_json:
        write_json(made.to_json())
    else:
        _show(made)
    if made.finding.verdict is Verdict.UNDETERMINED:
        needed, obstacle = made.finding.needed, made.finding.obstacle
        message = "the verdict is undetermined"
        hint = f"about {needed} variants in all would decide" if needed else obstacle
        raise CannotVerify(message, where=str(out), hint=hint)
    if made.finding.verdict is Verdict.AFFECTED:
        raise typer.Exit(1)


def seal_variants(
    variants: Annotated[
        Path, typer.Argument(help="Variants in YAML or JSON: a list under `variants`.")
    ],
    reproducer: Annotated[Path, typer.Option(help="The reproducer they are to belong to.")],
    out: Annotated[Path, typer.Option(help="New file for the variants with their secret.")],
    as_json: AsJson = False,
) -> None:
    """Commit to variants that are kept back; prints what the reproducer has to hold."""
    import secrets

    from steelyard.disclosure.reproducer.sealed_file import SealedFile
    from steelyard.kernel import write_atomically

    require_absent(out)
    document, found = _read(reproducer), _read_variants(variants)
    document.require_variants([*document.variants, *found], str(variants))
    file = SealedFile(found, secrets.token_bytes(_SECRET_BYTES))
    write_atomically(out, file.to_bytes(), mode=_PRIVATE_MODE)
    if as_json:
        write_json({"schema": "steelyard/sealed-variants-summary/1", **file.root.to_json()})
    else:
        # Quoted: a digest can look like a number, which strict YAML asks to be told apart.
        root, size = file.root.root, file.root.size
        write(f'sealed_variants_commitment: {{root: "{root}", size: {size}}}')
    say(f"keep secret until the mitigation is verified: {out}")


def verify_fix(
    reproducer: ReproducerFile,
    model: Annotated[str, typer.Argument(help="The mitigated model.")],
    before: Annotated[str, typer.Option(help="The model without the mitigation.")],
    sealed: Annotated[Path, typer.Option(help="Sealed variants with their secret.")],
    out: OutFolder,
    judge: JudgeModel = None,
    resume: Resume = False,
    call_timeout: Timeout = 120,
    retries: Retries = 3,
    connections: Connections = 10,
    as_json: AsJson = False,
) -> None:
    """Verify a mitigation on variants its makers never saw: status 0 verified, 1 not."""
    from steelyard.pipeline.verify_fix import verify_fix as verify

    document = _read(reproducer)
    opened = _opened(document, sealed)
    models, calls = (model, judge), (call_timeout, retries, connections)
    request = _request(document, document.variants, models, calls)
    with progress_bar(f"verifying {document.name}") as progress:
        found = verify(request, before, opened, out, resume=resume, progress=progress)
    if as_json:
        write_json(_mitigation_json(document, found, (before, model)))
    else:
        _show_mitigation(document, found)
    if not found.verified:
        raise typer.Exit(1)


def _read(path: Path) -> Reproducer:
    from steelyard.disclosure.reproducer.document import read_reproducer
    from steelyard.kernel import read_bytes

    return read_reproducer(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))


def _opened(document: Reproducer, path: Path) -> tuple[Variant, ...]:
    from steelyard.disclosure.reproducer.sealed_file import open_sealed, read_sealed
    from steelyard.kernel import read_bytes

    file = read_sealed(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))
    return open_sealed(document, file)


def _read_variants(path: Path) -> tuple[Variant, ...]:
    from steelyard.disclosure.reproducer.sealed_file import read_variants
    from steelyard.kernel import read_bytes

    return read_variants(read_bytes(path, limit_bytes=_LIMIT_BYTES), where=str(path))


def _request(
    document: Reproducer,
    variants: tuple[Variant, ...],
    models: tuple[str, str | None],
    calls: tuple[int, int, int],
) -> ReproduceRequest:
    import secrets

    from steelyard.pipeline.reproduce import ReproduceRequest
    from steelyard.redteam.engine.models import CallSettings

    seed = secrets.token_hex(_SECRET_BYTES)
    model, judge = models
    return ReproduceRequest(document, variants, model, judge, seed, CallSettings(*calls))


def _show(made: Reproduction) -> None:
    found, decision = made.finding, made.reproducer.decision
    write(f"{made.facts.model}: {found.verdict.value.replace('_', ' ')}")
    over = "over its control" if made.reproducer.control is not None else "no control arm"
    write(f"  rate      {found.rate:.3f} {over}, {found.variants} variants")
    write(f"  limits    {found.lower:.3f} (error {decision.alpha:g})")
    write(f"            {found.upper:.3f} (error {decision.beta:g})")
    write(f"  tolerable {decision.p_tolerable:g}, affected from {decision.p_affected:g}")
    if found.missing:
        write(f"  missing   {found.missing:.1%} of the tries, counted as either")
    if made.results.judge is not None:
        judge = made.results.judge
        write(
            f"  judge     sensitivity {judge.sensitivity:.2f}, specificity {judge.specificity:.2f}"
        )


def _show_mitigation(document: Reproducer, found: Mitigated) -> None:
    decision, refusals = document.decision, found.refusals
    write("verified" if found.verified else "not verified")
    limit = f"at most {found.sealed_upper:.3f}, tolerable {decision.p_tolerable:g}"
    write(f"  sealed    {found.sealed_rate:.3f}, {limit}")
    write(f"  visible   {found.visible_rate:.3f}")
    write(f"  benign    {refusals.newly_refused} of {refusals.requests} newly refused,")
    write(
        f"            {refusals.no_longer_refused} no longer; increase at most {refusals.upper:.3f}"
    )
    for reason in found.reasons:
        say(f"not verified: {reason}")


def _mitigation_json(document: Reproducer, found: Mitigated, models: tuple[str, str]) -> JsonObject:
    refusals, benign = found.refusals, document.benign
    return {
        "schema": "steelyard/mitigation-check/1",
        "reproducer": document.digest,
        "before": models[0],
        "after": models[1],
        "verified": found.verified,
        "sealed_rate": found.sealed_rate,
        "sealed_upper": found.sealed_upper,
        "visible_rate": found.visible_rate,
        "p_tolerable": document.decision.p_tolerable,
        "margin": benign.margin if benign else 0.0,
        "benign": {
            "requests": refusals.requests,
            "newly_refused": refusals.newly_refused,
            "no_longer_refused": refusals.no_longer_refused,
            "missing": refusals.missing,
            "upper": refusals.upper,
        },
        "sealed_needed": found.sealed_needed,
        "reasons": list(found.reasons),
    }


def _or_never(count: object) -> str:
    return "no number of" if count is None else str(count)
