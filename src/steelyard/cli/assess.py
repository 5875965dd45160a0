"""`steelyard assess`: run the protocols on a model and issue its passport."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.evidence import Evidence
    from steelyard.pipeline import RunFolder
    from steelyard.redteam.rounds.certificate import Certificate
    from steelyard.risk.banks.item_bank import Bank


_LEAST_SECRET_LENGTH = 16


def assess(
    model: Annotated[str, typer.Argument(help="provider/model, steelyard/<target>, or a URL.")],
    out: Annotated[Path, typer.Option(help="Folder for the run.")],
    domain: Annotated[
        list[str] | None,
        typer.Option(
            help="Domain to speak about; repeatable; those that the run or --evidence measures."
        ),
    ] = None,
    suite: Annotated[
        str,
        typer.Option(help="core: what every level needs; full: every protocol of the domains."),
    ] = "core",
    samples: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Items per arm; the standard's design by default."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Repeats of each item.")] = 1,
    seed: Annotated[
        str | None, typer.Option(help="Seed text; random by default. Keep it private.")
    ] = None,
    split: Annotated[str, typer.Option(help="public or private items.")] = "public",
    safeguards: Annotated[str, typer.Option(help="Deployment safeguards: on, off, unknown.")] = (
        "unknown"
    ),
    evidence: Annotated[
        list[Path] | None, typer.Option(help="Evidence file to include; repeatable.")
    ] = None,
    elicitation: Annotated[
        str, typer.Option(help="E0 goal left out, E1 as written, E2 driven, E3 changed model.")
    ] = "E1",
    attempts: Annotated[
        int | None, typer.Option(min=1, max=64, help="Tries at each item from E2 on.")
    ] = None,
    auditor: Annotated[
        str, typer.Option(help="Who goes on when the model stops: table, none, or a model.")
    ] = "table",
    auditor_turns: Annotated[
        int | None, typer.Option(min=0, max=16, help="Further messages in one try.")
    ] = None,
    awareness: Annotated[
        bool, typer.Option("--awareness", help="Play twins with notices and ask the probe.")
    ] = False,
    sandbagging: Annotated[
        bool, typer.Option("--sandbagging", help="Play treatment items at E1 too.")
    ] = False,
    noised: Annotated[
        str | None, typer.Option(help="The same model with noise in its weights.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="At E3: how the tested model was made.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the weights, to bind the passport to them.")
    ] = None,
    round: Annotated[  # noqa: A002 - the option is --round
        Path | None, typer.Option(help="Certificate of a proficiency round, for the passport.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Signing key; your own by default.")] = None,
    call_timeout: Annotated[int, typer.Option(min=1, help="Seconds per model call.")] = 120,
    call_retries: Annotated[int, typer.Option(min=0, help="Further attempts per call.")] = 3,
    connections: Annotated[int, typer.Option(min=1, help="Concurrent model calls.")] = 10,
    executor: Annotated[
        str, typer.Option(help="Who plays the shards: local, command or ray.")
    ] = "local",
    shards: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Shards to cut the run into; one by default."),
    ] = None,
    mode: Annotated[
        str,
        typer.Option(help="full: every item; certify: until decided; screen: a cheap look."),
    ] = "full",
    wave: Annotated[
        int, typer.Option(min=1, max=100_000, help="Items drawn at once from certify on.")
    ] = 20,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Items of each protocol to ask at most.")
    ] = None,
    bank: Annotated[
        list[Path] | None, typer.Option(help="Item bank that steers the draws; repeatable.")
    ] = None,
    regressions: Annotated[
        list[Path] | None,
        typer.Option(help="List of reproducers of published flaws, or its folder; repeatable."),
    ] = None,
    advisories: Annotated[
        Path | None, typer.Option(help="Folder of published advisories, for what is known today.")
    ] = None,
    publisher: Annotated[
        list[str] | None,
        typer.Option("--publisher", help="Key that may have signed advisories; repeatable."),
    ] = None,
    base: Annotated[
        list[str] | None,
        typer.Option(help="Weights that the model was derived from: folder or digest; repeatable."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the classification.")] = False,
) -> None:
    """Assess a model: run, classify, sign, report."""
    from steelyard.attest import manifest_root
    from steelyard.cli.flaws import flaw_lines
    from steelyard.cli.places import attempts_file, signing_key
    from steelyard.cli.summary import summary_lines
    from steelyard.cli.verify import load_feed
    from steelyard.kernel import digest_file, utc_now
    from steelyard.pipeline import Effort, Request, RunFolder, Surroundings
    from steelyard.pipeline import assess as run_assessment
    from steelyard.pipeline.regress import read_regressions
    from steelyard.pipeline.request import base_roots
    from steelyard.pipeline.waves import MODES, Waves
    from steelyard.standard import CURRENT_RELEASE

    require_choice("--suite", suite, ("core", "full"))
    require_choice("--mode", mode, MODES)
    banks = read_banks(bank or [], mode)
    require_choice("--elicitation", elicitation, ("E0", "E1", "E2", "E3"))
    require_choice("--split", split, ("public", "private"))
    _require_secret(seed, split)
    _require_weights_of_their_own(weights, model)
    require_choice("--executor", executor, ("local", "command", "ray"))
    require_choice("--safeguards", safeguards, ("on", "off", "unknown"))
    imported, digests = _imported(evidence or [], model)
    scope = chosen_scope(domain, imported.values("domain"))
    _require_importable(imported, scope)
    folder = RunFolder(out)
    listed, feed = read_regressions(regressions or ()), load_feed(advisories, publisher)
    request = Request(
        model=model,
        scope=scope,
        suite=suite,
        samples=samples,
        epochs=epochs,
        seed=seed if seed is not None else _saved(folder, "seed", resume=resume),
        salt=_saved(folder, "salt", resume=resume),
        split=split,
        elicitation=elicitation,
        safeguards=safeguards,
        imported=digests,
        weights=manifest_root(weights) if weights else None,
        release=CURRENT_RELEASE,
        effort=Effort(
            attempts=attempts,
            auditor=auditor,
            auditor_turns=auditor_turns,
            awareness=awareness,
            sandbagging=sandbagging,
            noised=noised,
            note=note,
        ),
        certificate=digest_file(round) if round else None,
        waves=Waves(
            mode=mode,
            wave=wave,
            budget=budget,
            banks={protocol: one.digest for protocol, one in banks.items()},
        ),
        bases=base_roots(base or ()),
        regressions=tuple(one.declared() for one in listed),
    )
    if mode == "full":
        _warn_if_undersized(samples, scope, suite)
    with progress_bar("assessing") as progress:
        around = Surroundings(
            feed=feed,
            out=out,
            key=signing_key(key),
            certificate=_certificate(round),
            now=utc_now,
            attempts=attempts_file(),
            resume=resume,
            call_timeout_seconds=call_timeout,
            call_retries=call_retries,
            connections=connections,
            progress=progress,
            executor=executor,
            shards=shards,
            banks=banks,
            regressions=listed,
        )
        from steelyard.redteam.scale import ShardsPending

        try:
            assessed = run_assessment(request, imported, around)
        except ShardsPending as pending:
            if resume or as_json:
                raise
            write(str(pending.manifest))
            say(f"planned: {pending.message}")
            say(f"next:    {pending.hint}")
            return
    claim = assessed.classification.to_json()
    if as_json:
        write_json(claim)
    else:
        for line in summary_lines(claim):
            write(line)
        for line in flaw_lines(assessed.regressions):
            write(line)
    say(f"passport: {folder.passport}")
    say(f"report:   {folder.report}")
    say(f"next:     steelyard verify {folder.passport} --key {around.key.public_key.key_id}")


def read_banks(paths: Sequence[Path], mode: str) -> dict[str, Bank]:
    """Item banks by protocol.

    Raises:
        UsageError: a bank without a mode that uses it, or two of one protocol.
    """
    from steelyard.kernel.errors import UsageError
    from steelyard.risk.banks.item_bank import read_bank

    if paths and mode == "full":
        message = "a bank steers draws, and a full run draws nothing"
        raise UsageError(message, where="--bank", hint="add --mode certify")
    found: dict[str, Bank] = {}
    for path in paths:
        bank = read_bank(path)
        if bank.measured.protocol in found:
            message = f"two banks are of {bank.measured.protocol}"
            raise UsageError(message, where="--bank", hint="give one of them")
        found[bank.measured.protocol] = bank
    return found


def _certificate(path: Path | None) -> Certificate | None:
    from steelyard.kernel import read_bytes
    from steelyard.redteam.rounds.certificate import BUNDLE_LIMIT_BYTES, read_bundle

    if path is None:
        return None
    return read_bundle(read_bytes(path, limit_bytes=BUNDLE_LIMIT_BYTES), where=str(path))


def chosen_scope(domains: Sequence[str] | None, recorded: Sequence[str]) -> tuple[str, ...]:
    """The domains named, else those with a core protocol of the release or with evidence.

    A domain that only imported results speak about is not in scope by default: it
    would be at level 3 for want of evidence in every run (docs/decisions/0014).

    Raises:
        UnknownName: no such domain.
    """
    from steelyard.kernel.errors import UnknownName
    from steelyard.standard import load_release

    framework = load_release().framework
    known = framework.domains
    for name in domains or ():
        if name not in known:
            message = f"no domain {name!r}"
            raise UnknownName(message, hint=f"domains: {', '.join(known)}")
    if domains:
        return tuple(name for name in known if name in domains)
    core = {n: [framework.indicators[i].protocol for i in d.indicators] for n, d in known.items()}
    own = {name for name, protocols in core.items() if set(protocols) != {"imported"}}
    return tuple(name for name in known if name in own | set(recorded))


def _warn_if_undersized(samples: int | None, scope: Sequence[str], suite: str) -> None:
    from steelyard.standard import load_release

    framework = load_release().framework
    domains = [framework.domains[name] for name in scope]
    names = {name for d in domains for name in d.indicators}
    if suite == "full":
        names |= {name for d in domains for name in d.supporting}
    own = [i for i in framework.indicators.values() if i.id in names and i.protocol != "imported"]
    design = max((i.planned_items for i in own), default=0)
    if samples is not None and samples < design:
        say(
            f"note: the standard asks for up to {design} items per arm, this run has {samples}; "
            "what is short of it counts against the model"
        )


def _saved(folder: RunFolder, name: str, *, resume: bool) -> str:
    """A resumed run's own secret, or a fresh one of 256 bits."""
    if resume and folder.request.exists():
        return getattr(folder.saved_request(), name)
    return secrets.token_hex(32)


def _imported(paths: Sequence[Path], model: str) -> tuple[Evidence, dict[str, str]]:
    """Evidence files about the model, with their digests.

    Raises:
        UsageError: a file is about other models only.
    """
    from steelyard.cli.evidence import options_for
    from steelyard.evidence import Evidence, read_evidence
    from steelyard.evidence.bank import complete_bank
    from steelyard.kernel import digest_file
    from steelyard.kernel.errors import UsageError
    from steelyard.standard import load_release

    parts: list[Evidence] = []
    for path in paths:
        part = complete_bank(read_evidence(path, options_for([path], load_release())))
        if model not in part.values("model"):
            message = f"holds no records of {model!r}, but of {part.values('model')[:4]}"
            hint = "name the model as the file does, or import it first with --model"
            raise UsageError(message, where=str(path), hint=hint)
        parts.append(part.where(model=model))
    return Evidence.concatenate(parts), {path.name: digest_file(path) for path in paths}


def _require_importable(evidence: Evidence, scope: Sequence[str]) -> None:
    """Refuse evidence that this run's passport could not speak about.

    Raises:
        UsageError: a domain outside the scope, or an indicator that
            a shipped protocol feeds (its plan must be signed before it runs).
    """
    from steelyard.kernel.errors import UsageError
    from steelyard.standard import load_release

    outside = [domain for domain in evidence.values("domain") if domain not in scope]
    if outside:
        message = f"the evidence speaks about {outside[0]}, which is outside the scope"
        raise UsageError(message, where="--evidence", hint=f"add --domain {outside[0]}")
    indicators = load_release().framework.indicators
    for name in evidence.values("indicator"):
        if name in indicators and indicators[name].protocol != "imported":
            message = f"{name} is measured by this run itself and cannot be imported into it"
            hint = "steelyard classify reads such results, as presumptive evidence"
            raise UsageError(message, where="--evidence", hint=hint)


def _require_secret(seed: str | None, split: str) -> None:
    """Refuse a seed that could be guessed where it decides the private items.

    Raises:
        UsageError: under sixteen characters with a private split.
    """
    from steelyard.kernel.errors import UsageError

    if seed is None or len(seed) >= _LEAST_SECRET_LENGTH:
        return
    if split == "private":
        message = f"a private split needs a seed of at least {_LEAST_SECRET_LENGTH} characters"
        raise UsageError(message, hint="leave --seed out for a random one")
    say("note: a seed that can be guessed lets others open this run's commitments")


def _require_weights_of_their_own(weights: Path | None, model: str) -> None:
    from steelyard.kernel.errors import UsageError

    if weights is not None and model.startswith("steelyard/"):
        message = "a reference target has no weights"
        raise UsageError(message, hint="leave --weights out")


def require_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of an option's.

    Raises:
        UsageError: it is not.
    """
    from steelyard.kernel.errors import UsageError

    if value not in choices:
        message = f"{option} {value!r} is none of: {', '.join(choices)}"
        raise UsageError(message)
