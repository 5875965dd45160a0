"""The error tree: every failure a user can meet, with exit status and hint.

    SteelyardError                 (exit 5 unless a branch says otherwise)
    ├── UsageError            2    the command cannot mean anything
    │   ├── UnknownName       2    no such protocol, domain, model or target
    │   └── ConfigurationError 2   a policy, configuration or standard file is wrong
    ├── NotSatisfied          1    everything was checked and the answer is no
    ├── CannotVerify          3    evidence is missing, unreadable or inconsistent
    │   ├── MalformedEvidence 3    a file does not follow its format
    │   ├── DuplicateRecord   3    a sample's record, or a grant, came twice
    │   ├── BrokenSeal        3    a signature, digest or root does not match
    │   ├── UnsafeArchive     3    a zip that must not be opened
    │   └── TargetUnreachable 3    the model under test cannot be called
    ├── Expired               4    valid once, not at the date asked about
    └── StorageError          5    the disk refused a write; nothing is lost

Only `cli` prints these or turns them into a process exit.
"""

from __future__ import annotations

from typing import ClassVar, Final

MESSAGE_LIMIT: Final = 4000
"""Most characters of a message: it quotes what was found, which may be a megabyte of a stranger."""


class SteelyardError(Exception):
    """Base of the tree.

    Args:
        message: What was found and what was required, one sentence; cut where it is longer than
            `MESSAGE_LIMIT`.
        hint: The next thing to do or type; empty when there is none.
        where: File, line, field or statement the message is about.
    """

    exit_status: ClassVar[int] = 5

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        if len(message) > MESSAGE_LIMIT:
            message = f"{message[: MESSAGE_LIMIT - 4]} ..."
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(SteelyardError):
    """The command, as given, cannot mean anything."""

    exit_status = 2


class UnknownName(UsageError):
    """No such protocol, domain, model, reference target or release."""


class ConfigurationError(UsageError):
    """A policy, configuration or standard file does not follow its schema."""


class NotSatisfied(SteelyardError):
    """Everything could be checked, and the answer is no."""

    exit_status = 1


class CannotVerify(SteelyardError):
    """Evidence is missing, unreadable or inconsistent: neither yes nor no."""

    exit_status = 3


class MalformedEvidence(CannotVerify):
    """A file does not follow the format it claims."""


class DuplicateRecord(CannotVerify):
    """What counts once came twice: two records of one sample of a run, or a grant to a broker."""


class BrokenSeal(CannotVerify):
    """A signature, digest, subject or Merkle root does not match."""


class UnsafeArchive(CannotVerify):
    """An archive with path tricks, duplicate names or an unreasonable size."""


class TargetUnreachable(CannotVerify):
    """The model under test cannot be called at all."""


class Expired(SteelyardError):
    """Valid once, not at the date asked about."""

    exit_status = 4


class StorageError(SteelyardError):
    """The disk refused a write. What was complete before is kept."""
