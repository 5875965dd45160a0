"""What a collector is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from steelyard.attest import PublicKey
    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.levels import Outcome
    from steelyard.weights.posture.machine import Machine
    from steelyard.weights.signing import ModelPublicKey


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look.

    Attributes:
        at: The instant of the collection.
        model: Folder or file with the weights in the clear; None where they lie sealed only.
        sealed: Folder of sealed weights.
        signature: Bundle that signs the model.
        signers: Keys that may have signed it.
        publisher: Who must have signed the header of sealed weights.
        roots: Folders that copies are looked for in.
        repository: Checkout of the code that handles the weights.
        allowed_signers: File of the SSH keys that may sign its commits (ssh-keygen(1)).
        keys: Files of private keys.
        access_log: Log of what was opened.
        process: Number of the process that holds the weights; empty where none was named.
        services: Ports that are meant to be reached from outside.
        import_path: Folders that code is loaded from.
    """

    at: datetime
    model: Path | None = None
    sealed: Path | None = None
    signature: Path | None = None
    signers: tuple[ModelPublicKey, ...] = ()
    publisher: PublicKey | None = None
    roots: tuple[Path, ...] = ()
    repository: Path | None = None
    allowed_signers: Path | None = None
    keys: tuple[Path, ...] = ()
    access_log: Path | None = None
    process: str = ""
    services: frozenset[int] = frozenset()
    import_path: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[Path, ...]:
        """Where the weights lie, in the clear or sealed."""
        return tuple(place for place in (self.model, self.sealed) if place is not None)

    @property
    def network(self) -> str:
        """Tables of the network that the holder sees; of the collector where none was named."""
        return f"/proc/{self.process or 'self'}/net"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a collector found.

    Attributes:
        outcome: `unknown` where it could not look.
        summary: One sentence that names no path and no account, for the signed document.
        facts: The detail, which stays with the collector.
    """

    outcome: Outcome
    summary: str
    facts: JsonObject


@dataclass(frozen=True, slots=True)
class Collector:
    """One way of looking.

    Attributes:
        method: EXAMINE where it reads, TEST where it runs something.
        look: Gets machine, scope and the numbers of the control; may raise `Unreadable`.
    """

    name: str
    method: str
    look: Callable[[Machine, Scope, Mapping[str, int]], Finding]


def satisfied(summary: str, facts: JsonObject | None = None) -> Finding:
    """It is as the control wants it."""
    return Finding("satisfied", summary, facts or {})


def failing(summary: str, facts: JsonObject | None = None) -> Finding:
    """It is not as the control wants it."""
    return Finding("not_satisfied", summary, facts or {})


def unknown(summary: str, facts: JsonObject | None = None) -> Finding:
    """It could not be seen."""
    return Finding("unknown", summary, facts or {})


def many(count: int, what: str) -> str:
    """A count with its noun, which takes an s where it stands for several."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def some(items: list[str], limit: int = 50) -> JsonObject:
    """A count, and at most `limit` of the items: a folder of millions stays a short document."""
    return {"count": len(items), "first": list(items[:limit])}
