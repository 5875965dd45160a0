"""Certifying a score on an imported bank, with any harness that answers item by item.

Data flows one way: a plan is signed, waves of items are drawn and asked, answers are kept as they
come, and the claim is signed. A folder that was cut short goes on with the same draws.

    FOLDER/plan.dsse.json      signed before the first answer; holds the seed, keep it until the end
    FOLDER/answers.jsonl       answers as they came
    FOLDER/claim.dsse.json     signed at the end
    FOLDER/KEYID.pem           the signer's public key
    FOLDER/lock                held while a process is at work
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from steelyard.attest import (
    Statement,
    Subject,
    claimed_key_id,
    open_envelope,
    parse_public_key,
    predicate_type,
    sign_statement,
)
from steelyard.kernel import (
    canonical_json,
    parse_json_object,
    read_bytes,
    sha256_hex,
    write_atomically,
)
from steelyard.kernel.errors import (
    BrokenSeal,
    ConfigurationError,
    MalformedEvidence,
    StorageError,
    UsageError,
)
from steelyard.kernel.files import storage_errors
from steelyard.kernel.locks import locked
from steelyard.pipeline.asking import answer_of
from steelyard.risk.banks.score import ScorePlan, ScoreTest
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from steelyard.attest import PrivateKey
    from steelyard.kernel import JsonObject
    from steelyard.pipeline.asking import Asker
    from steelyard.risk.banks.item_bank import Bank
    from steelyard.stats.sequential import Certification

PLAN, CLAIM = "score-plan", "score-claim"
_LIMIT_BYTES = 256 << 20
_SEED_BYTES = 16
_DAMAGED = "begin anew in another folder: nobody can tell which answer was the model's"


@dataclass(frozen=True, slots=True)
class ScoreFolder:
    """Where a certified score lies."""

    path: Path

    @property
    def plan(self) -> Path:
        """The signed plan."""
        return self.path / "plan.dsse.json"

    @property
    def answers(self) -> Path:
        """Answers as they came."""
        return self.path / "answers.jsonl"

    @property
    def claim(self) -> Path:
        """The signed claim."""
        return self.path / "claim.dsse.json"


@dataclass(frozen=True, slots=True)
class Scored:
    """A certified score: its plan and bank, what was found, and the signer."""

    test: ScoreTest
    found: Certification
    signer: str


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Who certifies.

    Attributes:
        key: Signs plan and claim.
        count_attempt: Gives the number of a new plan; called once for each, before it is signed.
    """

    key: PrivateKey
    count_attempt: Callable[[], int]


def new_seed() -> str:
    """A seed that nobody chose."""
    return secrets.token_hex(_SEED_BYTES)


def certify_bank(
    test: ScoreTest,
    folder: ScoreFolder,
    asker: Asker,
    evaluator: Evaluator,
    *,
    resume: bool,
    progress: Callable[[int, int], None],
) -> Scored:
    """Plan, ask in waves until the score is decided, and sign what was found.

    Args:
        test: The plan wanted, and its bank. On resuming seed and attempt are the folder's.
        folder: Where everything is kept.
        asker: The harness.
        evaluator: Signs plan and claim.
        resume: Go on with what the folder holds.
        progress: Called with items answered and the most that may be.

    Raises:
        UsageError: arguments out of range, or a folder of another plan, or one that holds a test
            and `resume` is off.
        StorageError: the folder cannot be written, or another process is at work in it.
        TargetUnreachable: the harness failed; the folder keeps the answers.
        MalformedEvidence: the harness answered what it was not asked.
    """
    key = evaluator.key
    try:
        test.certifier()
    except ValueError as error:
        raise UsageError(str(error)) from error
    busy = StorageError("another process is at work in it", where=str(folder.path))
    with locked(folder.path, busy=busy):
        if folder.plan.exists():
            test = _reopened(test, folder, key, resume=resume)
        else:
            test = replace(test, plan=replace(test.plan, attempt=evaluator.count_attempt()))
            _sign(folder.plan, PLAN, test.bank, test.plan.to_predicate(), key)
        certifier = test.certifier()
        known, names = _Answers(folder.answers, test.items), test.items
        answered = 0
        while items := [names[index] for index in certifier.draw(test.plan.wave)]:
            if left := [item for item in items if item not in known.scores]:
                asker.ask(left, known.keep)
            for item in items:
                certifier.record(known.scores[item])
            answered += len(items)
            progress(answered, test.plan.budget)
        found = certifier.certification()
        predicate = test.claim(found, sha256_hex(read_bytes(folder.plan)))
        _sign(folder.claim, CLAIM, test.bank, predicate, key)
    return Scored(test, found, key.public_key.key_id)


def recheck_score(folder: ScoreFolder, bank: Bank, key_id: str | None) -> Scored:
    """Repeat a certified score from its folder, without the model.

    Args:
        folder: Of `certify_bank`.
        bank: The bank that the plan names.
        key_id: Who must have signed; None for whoever did.

    Raises:
        BrokenSeal: a signature, the signer, the bank, or the claim does not hold.
        MalformedEvidence: a file breaks its format.
    """
    signer, plan, digest = _open(folder.plan, PLAN, bank)
    claimer, claim, _ = _open(folder.claim, CLAIM, bank)
    if key_id is not None and signer != key_id:
        raise BrokenSeal(f"signed by {signer[:16]}, not by {key_id[:16]}", where=str(folder.plan))
    if claimer != signer:
        raise BrokenSeal("plan and claim are signed by two", where=str(folder.claim))
    if claim["plan"] != digest:
        raise BrokenSeal("the claim is of another plan", where=str(folder.claim))
    test = ScoreTest(ScorePlan.from_predicate(plan), bank)
    return Scored(test, test.verify(claim), signer)


def _reopened(test: ScoreTest, folder: ScoreFolder, key: PrivateKey, *, resume: bool) -> ScoreTest:
    if not resume or folder.claim.exists():
        message = f"{folder.path} already holds a certified score, or a part of one"
        raise UsageError(message, hint="choose another --out, or --resume what was cut short")
    signer, predicate, _ = _open(folder.plan, PLAN, test.bank)
    planned = ScorePlan.from_predicate(predicate)
    wanted = replace(test.plan, seed=planned.seed, attempt=planned.attempt)
    if signer != key.public_key.key_id or planned != wanted:
        message = "the plan of this folder is another, or of another signer"
        raise UsageError(message, where=str(folder.plan), hint="resume with the same arguments")
    return ScoreTest(planned, test.bank)


class _Answers:
    """Answers on disk, each written through before the next; a torn last line is dropped."""

    def __init__(self, path: Path, items: Sequence[str]) -> None:
        self._path = path
        known = frozenset(items)
        self.scores: dict[str, float] = {}
        data = read_bytes(path, limit_bytes=_LIMIT_BYTES) if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            where = f"{path.name}:{number}"
            item, score = answer_of(parse_json_object(line, where=where), where, _DAMAGED)
            if item in self.scores or item not in known:
                message = f"{item!r} is answered twice, or is no item of the bank"
                raise MalformedEvidence(message, where=where, hint=_DAMAGED)
            self.scores[item] = score
        if whole != data:
            write_atomically(path, whole)

    def keep(self, item: str, score: float) -> None:
        self.scores[item] = score
        with storage_errors(self._path), self._path.open("ab") as stream:
            stream.write(canonical_json({"item": item, "score": score}) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def _sign(path: Path, kind: str, bank: Bank, predicate: JsonObject, key: PrivateKey) -> None:
    check_schema(predicate, kind, where=kind)
    statement = Statement(_subjects(bank), predicate_type(kind), predicate)
    write_atomically(path.parent / f"{key.public_key.key_id}.pem", key.public_key.pem)
    write_atomically(path, sign_statement(statement, key))


def _subjects(bank: Bank) -> tuple[Subject, ...]:
    return (Subject(bank.origin.id, bank.digest),)


def _open(path: Path, kind: str, bank: Bank) -> tuple[str, dict[str, Any], str]:
    """Signer, predicate and digest of a statement of this folder."""
    data = read_bytes(path, limit_bytes=_LIMIT_BYTES)
    signer = claimed_key_id(data, where=str(path))
    pem = path.parent / f"{signer}.pem"
    key = parse_public_key(read_bytes(pem), where=str(pem))
    statement = open_envelope(data, {key.key_id: key}, where=str(path))
    if statement.predicate_type != predicate_type(kind):
        raise BrokenSeal(f"this is no {kind}", where=str(path))
    if statement.subjects != _subjects(bank):
        message = "the statement is about another bank"
        raise BrokenSeal(message, where=str(path), hint="give the bank that it names")
    try:
        check_schema(statement.predicate, kind, where=str(path))
    except ConfigurationError as error:
        raise BrokenSeal(error.message, where=str(path), hint=error.hint) from error
    return signer, dict(statement.predicate), sha256_hex(data)
