"""Writes the vectors of custody by quorum: openings that succeed, and openings with one fault each.

    python spec/vectors/weights-quorum/build.py

`custody` is the part `quorum` of a header and `core` the core digest; `request` the envelope of a
request, `requester` the public key it is verified with, `approvals` envelopes, `half` the sealed
half of the broker in base64 or null, `identity` the private key that answers are sealed to, `now`
the instant of opening. `content_key` is what opens, in hex; else `error` is the class of the
refusal and `message` a part of it. Shares, halves and nonces are drawn anew each time.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from steelyard.attest import PrivateKey, Statement, Subject, sign_statement
from steelyard.attest.recipients import Identity
from steelyard.kernel import format_instant
from steelyard.weights.quorum import (
    Custody,
    Member,
    approve,
    open_request,
    release_half,
    sign_request,
    take_into_custody,
)
from steelyard.weights.quorum.custody import release_info
from steelyard.weights.quorum.sharing import PRIME, to_bytes

FOLDER = Path(__file__).parent
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CORE, CONTENT_KEY = bytes(range(32)), b"\x5a" * 32
SUBJECT = Subject("toy", CORE.hex())
ORGANIZATIONS = ("Aster", "Birch", "Cedar", "Aster")


def signing(number: int) -> PrivateKey:
    """A signing key by number."""
    return PrivateKey.from_seed(bytes([number]) * 32)


def identity(number: int) -> Identity:
    """A key to decrypt with, by number."""
    return Identity(X25519PrivateKey.from_private_bytes(bytes([number]) * 32))


ASKER, BROKER = 9, identity(8)
MEMBERS = [
    Member(f"custodian {n}", name, signing(n).public_key, identity(n).recipient)
    for n, name in enumerate(ORGANIZATIONS, start=1)
]


@dataclass(frozen=True)
class Case:
    """What somebody opens with."""

    custody: Custody
    request: bytes
    approvals: tuple[bytes, ...]
    asker: int = ASKER
    half: bytes | None = None
    now: datetime = NOW
    core: bytes = CORE

    def approved(self, *numbers: int) -> Case:
        """The same with approvals of custodians 1, 2, ..."""
        return replace(self, approvals=tuple(self.approval(number) for number in numbers))

    def approval(self, number: int) -> bytes:
        """The approval of one custodian."""
        request = open_request(self.request, signing(self.asker).public_key)
        return approve(self.custody, request, signing(number), identity(number), NOW)


def asked(
    custody: Custody, by: int = ASKER, subject: Subject = SUBJECT, at: datetime = NOW
) -> Case:
    """A request of four hours without approvals."""
    until = (at, at + timedelta(hours=4))
    envelope = sign_request(subject, "benchmark", identity(by).recipient, until, signing(by))
    return Case(custody, envelope, (), by)


def altered(envelope: bytes, signer: int, **changes: object) -> bytes:
    """The same statement with other fields, signed by somebody."""
    payload = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    subject = Subject(payload["subject"][0]["name"], payload["subject"][0]["digest"]["sha256"])
    predicate = payload["predicate"] | changes
    statement = Statement((subject,), payload["predicateType"], predicate)
    return sign_statement(statement, signing(signer))


def bad_share(case: Case, number: int) -> bytes:
    """An approval whose share is another number."""
    request = open_request(case.request, signing(ASKER).public_key)
    info = release_info(CORE, bytes.fromhex(request.digest))
    share = base64.b64encode(request.recipient.encrypt(to_bytes(12345), info)).decode()
    return altered(case.approval(number), number, share=share)


def good() -> dict[str, Case]:
    """Openings that succeed."""
    plain = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2))
    brokered = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2, BROKER.recipient))
    both = brokered.approved(1, 3)
    request = open_request(both.request, signing(ASKER).public_key)
    half = release_half(both.custody, request, both.approvals, BROKER, NOW)
    third = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 3)).approved(3, 4, 2)
    traced = plain.approved(1, 3)
    return {
        "good": plain.approved(1, 2),
        "good-three": third,
        "good-broker": replace(both, half=half),
        "good-beside-a-bad-share": replace(
            traced, approvals=(bad_share(plain, 2), *traced.approvals)
        ),
        "good-at-its-last-instant": replace(traced, now=NOW + timedelta(hours=4)),
    }


def of_approvals() -> dict[str, tuple[Case, str, str]]:
    """Approvals that do not count."""
    case = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2))
    first, second = case.approval(1), case.approval(2)
    other = asked(case.custody)

    def beside(approval: bytes) -> Case:
        return replace(case, approvals=(approval, second))

    faults = {
        "too-few": (case.approved(1), "no more were given"),
        "approval-twice": (replace(case, approvals=(first, first)), "is counted already"),
        "organization-twice": (case.approved(1, 4), "Aster is counted already"),
        "approval-of-another-request": (beside(other.approval(1)), "for another request"),
        "approval-for-another-purpose": (beside(altered(first, 1, purpose="x")), "another purpose"),
        "approval-signed-by-another": (beside(altered(first, 3)), "signed by key"),
        "approval-signed-by-nobody": (beside(altered(first, ASKER)), "signed by key"),
        "share-does-not-fit": (beside(bad_share(case, 1)), "custodian 1 does not fit"),
        "approval-over": (
            beside(altered(first, 1, expires=format_instant(NOW - timedelta(seconds=1)))),
            "expired 2026-05-04T11:59:59Z",
        ),
        "approval-outlives-its-request": (
            beside(altered(first, 1, expires=format_instant(NOW + timedelta(days=1)))),
            "expired 2026-05-05T12:00:00Z",
        ),
        "approval-before-its-request": (
            beside(altered(first, 1, approved=format_instant(NOW - timedelta(hours=1)))),
            "approved before the request was made",
        ),
    }
    return {name: (case, "NotSatisfied", text) for name, (case, text) in faults.items()}


def of_requests() -> dict[str, tuple[Case, str, str]]:
    """Requests that open nothing, whoever approved."""
    custody = take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2)
    case = asked(custody).approved(1, 2)
    own = asked(custody, by=1)
    borrowed = altered(
        asked(custody).approval(1), 1,
        request=open_request(own.request, signing(1).public_key).digest,
        requester=signing(1).public_key.key_id,
    )  # fmt: skip
    changed = json.loads(case.request)
    changed["payload"] = json.loads(asked(custody).request)["payload"]
    longer = altered(case.request, ASKER, expires=format_instant(NOW + timedelta(days=8)))
    return {
        "request-over": (
            replace(case, now=NOW + timedelta(hours=4, seconds=1)), "Expired", "expired",
        ),
        "request-in-the-future": (
            replace(case, now=NOW - timedelta(minutes=6)), "CannotVerify", "later than now",
        ),
        "request-of-eight-days": (
            replace(case, request=longer), "BrokenSeal", "lasts longer than 7 days",
        ),
        "request-changed": (
            replace(case, request=json.dumps(changed).encode()), "BrokenSeal", "signature",
        ),
        "request-for-another-model": (
            asked(custody, subject=Subject("toy", "ab" * 32)), "BrokenSeal", "for another model",
        ),
        "requester-is-a-custodian": (
            replace(own, approvals=(borrowed, own.approval(2))), "NotSatisfied",
            "nobody approves a request of their own",
        ),
    }  # fmt: skip


def of_custodies() -> dict[str, tuple[Case, str, str]]:
    """Custodies that contradict themselves, or need a half."""
    brokered = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2, BROKER.recipient))
    case = asked(take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2)).approved(1, 2)
    custody = case.custody
    outside = (custody.commitments[0], PRIME - 1)
    twice = (custody.custodians[0], custody.custodians[0], *custody.custodians[2:])
    alone = tuple(replace(c, organization=" aster ") for c in custody.custodians)
    shares = replace(custody, wrapped=take_into_custody(CONTENT_KEY, CORE, MEMBERS, 2).wrapped)
    faults = {
        "commitment-outside-the-group": (replace(custody, commitments=outside), "no element"),
        "custodian-twice": (replace(custody, custodians=twice), "listed twice"),
        "organizations-spelled-apart": (replace(custody, custodians=alone), "as many organiz"),
        "threshold-above-its-commitments": (
            replace(custody, threshold=3), "one commitment for each",
        ),
        "wrapped-by-another-secret": (shares, "the shares do not open this model"),
    }  # fmt: skip
    found = {
        name: (replace(case, custody=other), "BrokenSeal", text)
        for name, (other, text) in faults.items()
    }
    found["half-missing"] = (brokered.approved(1, 2), "NotSatisfied", "needs the broker's half")
    return found


def main() -> None:
    """Write every vector."""
    found = {name: (case, "", "") for name, case in good().items()}
    found |= of_approvals() | of_requests() | of_custodies()
    for name, (case, error, message) in found.items():
        (FOLDER / f"{name}.json").write_text(_text(case, error, message), "utf-8")


def _text(case: Case, error: str, message: str) -> str:
    vector: dict[str, Any] = {
        "custody": case.custody.to_json(),
        "core": case.core.hex(),
        "requester": signing(case.asker).public_key.pem.decode(),
        "request": case.request.decode(),
        "approvals": [approval.decode() for approval in case.approvals],
        "half": None if case.half is None else base64.b64encode(case.half).decode(),
        "identity": identity(case.asker).pem(None).decode(),
        "now": format_instant(case.now),
        "content_key": None if error else CONTENT_KEY.hex(),
        "error": error,
        "message": message,
    }
    return json.dumps(vector, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
