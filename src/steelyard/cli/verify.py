"""`steelyard verify` and `steelyard gate`: believe a passport, or do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from steelyard.disclosure.advisory.feed import Feed
    from steelyard.passport import Policy, Since, Verification

_MARKS = {"pass": "ok  ", "warn": "note", "fail": "FAIL", "skipped": "skip"}
_VERDICTS = {0: "SATISFIED", 1: "NOT SATISFIED", 3: "CANNOT VERIFY", 4: "EXPIRED"}
_LARGEST_PASSPORT_BYTES = 512 << 20

Passport = Annotated[Path, typer.Argument(help="The passport.")]
PolicyFile = Annotated[Path | None, typer.Option(help="Policy in TOML.")]
At = Annotated[str | None, typer.Option(help="The date the question is about; today.")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Public key (PEM file or key id) that may have signed; repeatable."),
]
Facts = Annotated[
    Path | None,
    typer.Option(help="What is known since it was issued, in TOML, for its triggers."),
]
Advisories = Annotated[
    Path | None, typer.Option(help="Folder of published advisories, to look for open ones.")
]
Publishers = Annotated[
    list[str] | None,
    typer.Option("--publisher", help="Key that may have signed advisories; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def verify(
    passport: Passport,
    policy: PolicyFile = None,
    at: At = None,
    key: Keys = None,
    facts: Facts = None,
    advisories: Advisories = None,
    publisher: Publishers = None,
    report: Annotated[
        Path | None, typer.Option(help="Report to write, with advisories as of now.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Accepted for clarity: no network is ever used.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Verify a passport: signatures, evidence root, and the level, recomputed."""
    del offline
    rules = _load_policy(policy) if policy else None
    known = since(facts, advisories, publisher, rules)
    verification = verify_file(passport, rules, at, key, known)
    if as_json:
        write_json(verification.to_json())
    else:
        _print_checks(verification)
    if report is not None:
        _write_report(report, passport, verification)
    raise typer.Exit(verification.exit_status)


def gate(
    passport: Passport, policy: PolicyFile = None, at: At = None, key: Keys = None,
    facts: Facts = None, advisories: Advisories = None, publisher: Publishers = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Decide by a policy; the exit status is the decision."""
    from steelyard.passport import decide, default_policy
    from steelyard.passport.gate import unpinned_coordinators
    from steelyard.standard import load_release

    rules = _load_policy(policy) if policy else default_policy(load_release())
    known = since(facts, advisories, publisher, rules)
    verification = verify_file(passport, rules, at, key, known)
    decision = decide(verification, rules)
    pinned = bool(key or rules.trusted_signers)
    claim = verification.classification
    coordinators = unpinned_coordinators(claim, rules) if claim else ()
    if not pinned and verification.signer:
        say(f"note: signer not pinned: anyone could have made key {verification.signer}")
    for coordinator in coordinators:
        say(f"note: coordinator not pinned: anyone could have made key {coordinator}")
    for check in verification.checks:
        if check.name == "advisories" and check.result == "warn":
            say(f"note: advisories: {check.detail}")
    if as_json:
        write_json(
            {
                "schema": "steelyard/gate-decision/1",
                "policy": rules.name,
                "exit_status": decision.exit_status,
                "signer": verification.signer,
                "signer_pinned": pinned,
                "coordinator_pinned": not coordinators,
                "unmet": list(decision.unmet),
            }
        )
    else:
        for sentence in decision.unmet:
            write(f"unmet: {sentence}")
        write(f"{_VERDICTS[decision.exit_status]} (policy: {rules.name})")
    raise typer.Exit(decision.exit_status)


def _write_report(path: Path, passport: Path, verification: Verification) -> None:
    from steelyard.kernel import read_bytes, write_atomically
    from steelyard.kernel.errors import CannotVerify
    from steelyard.passport.report.fresh import fresh_report
    from steelyard.standard import load_release

    if verification.classification is None:
        message = "a report is written of a passport that verifies"
        raise CannotVerify(message, where="--report", hint=f"see: steelyard verify {passport}")
    claim: dict[str, Any] = verification.classification
    data = read_bytes(passport, limit_bytes=_LARGEST_PASSPORT_BYTES)
    release = load_release(claim["standard"]["release"])
    write_atomically(path, fresh_report(data, verification, release).encode())
    say(f"report: {path}")


def verify_file(
    passport: Path,
    policy: Policy | None,
    at: str | None,
    keys: list[str] | None,
    known: Since | None = None,
) -> Verification:
    """Verify the passport in a file, as of a date or of now."""
    from steelyard.cli.places import key_id_of
    from steelyard.kernel import parse_instant, read_bytes, utc_now
    from steelyard.passport import verify_passport

    return verify_passport(
        read_bytes(passport, limit_bytes=_LARGEST_PASSPORT_BYTES),
        at=parse_instant(at, where="--at") if at else utc_now(),
        trusted=frozenset(key_id_of(name) for name in keys or ()),
        policy=policy,
        since=known,
    )


def since(
    facts: Path | None, advisories: Path | None, publishers: list[str] | None, policy: Policy | None
) -> Since:
    """What the caller knows since a passport was issued, from facts and a feed."""
    from steelyard.passport import Since, load_facts

    trusted = policy.trusted_publishers if policy is not None else frozenset[str]()
    return Since(
        load_facts(facts) if facts else {},
        load_feed(advisories, publishers, trusted),
    )


def load_feed(
    folder: Path | None, publishers: list[str] | None, trusted: frozenset[str] = frozenset()
) -> Feed | None:
    """The advisories of a folder that named keys, and those of a policy, may have signed.

    Raises:
        UsageError: keys without a folder.
    """
    from steelyard.cli.places import key_id_of
    from steelyard.disclosure.advisory.feed import read_feed
    from steelyard.disclosure.advisory.feed_folder import feed_files
    from steelyard.kernel.errors import UsageError

    if folder is None and publishers:
        raise UsageError("--publisher belongs to --advisories", hint="--advisories FOLDER")
    if folder is None:
        return None
    named = frozenset(key_id_of(name) for name in publishers or ())
    return read_feed(feed_files(folder), tuple(pin for pin in (named, trusted) if pin))


def _load_policy(path: Path) -> Policy:
    from steelyard.passport import load_policy

    return load_policy(path)


def _print_checks(verification: Verification) -> None:
    from steelyard.cli.summary import summary_lines

    for check in verification.checks:
        write(f"{_MARKS[check.result]} {check.name:<14} {check.detail}")
        if check.hint and check.result in ("fail", "warn"):
            write(f"     hint: {check.hint}")
    if verification.advisories is not None:
        view: dict[str, Any] = verification.advisories
        for sentence in view["open"]:
            write(f"open: {sentence}")
    for sentence in verification.unmet:
        write(f"unmet: {sentence}")
    for title in verification.fired:
        write(f"re-evaluate: {title}")
    words = {**_VERDICTS, 0: "VERIFIED"}
    write(words[verification.exit_status])
    if verification.classification and verification.exit_status in (0, 1):
        write("")
        for line in summary_lines(verification.classification):
            write(line)
