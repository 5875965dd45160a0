"""Sealed weights: whole or not, who must approve, what lies beside them, who opened them.

A header counts once the publisher named has signed it; without that nothing is known of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import BrokenSeal, CannotVerify
from steelyard.weights.access_log import read_log
from steelyard.weights.model_folder import entries
from steelyard.weights.posture.collectors.content import holds_tensors
from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    many,
    satisfied,
    some,
    unknown,
)
from steelyard.weights.sealed.header import Expect, SealedHeader, read_header, stream_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine


class _Unsealed(Exception):
    """No header to rely on; carries the finding that says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


def sealed_weights(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether the weights lie sealed, complete, and nowhere in the clear on this host."""
    if not scope.places:
        return unknown("no weights were named")
    try:
        header = _header(machine, scope)
    except _Unsealed as error:
        return error.finding
    folder = machine.place(scope.sealed or "")
    other = [
        stream_name(number)
        for number, stream in enumerate(header.streams)
        if not _has_length(folder / stream_name(number), stream.cipher_bytes)
    ]
    facts: JsonObject = {
        "model": header.core.model,
        "release": header.core.release,
        "streams": len(header.streams),
        "incomplete": some(other),
    }
    if other:
        return failing(f"{many(len(other), 'stream')} not of the length that was signed", facts)
    if scope.model is not None:
        return failing("the weights are sealed, and lie in the clear as well", facts)
    return satisfied(f"sealed, {many(len(header.streams), 'stream')} complete", facts)


def approval_quorum(machine: Machine, scope: Scope, parameters: Mapping[str, int]) -> Finding:
    """Whether nobody can open alone."""
    if scope.sealed is None:
        return unknown("no sealed weights were named, so that no approvals are seen")
    try:
        header = _header(machine, scope)
    except _Unsealed as error:
        return error.finding
    custody = header.custody
    recipients = many(len(header.recipients), "recipient")
    facts: JsonObject = {"recipients": len(header.recipients)}
    if custody is None:
        told = f"{recipients} can open alone"
        return failing(told, facts)
    organizations = {custodian.organization for custodian in custody.custodians}
    facts |= {
        "threshold": custody.threshold,
        "organizations": [*sorted(organizations)],
    }
    if header.recipients:
        told = f"{recipients} can open without the custodians"
        return failing(told, facts)
    told = (
        f"{custody.threshold} approvals of {len(custody.custodians)} custodians "
        f"in {len(organizations)} organizations"
    )
    enough = (
        custody.threshold >= parameters["approvals_minimum"]
        and len(organizations) >= parameters["organizations_minimum"]
    )
    return satisfied(told, facts) if enough else failing(told, facts)


def plaintext_beside_sealed(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether files with tensors lie in the clear where the sealed weights lie."""
    if scope.sealed is None:
        return unknown("no sealed weights were named")
    beside = machine.place(scope.sealed).parent
    own = machine.place(scope.sealed)
    found: list[str] = []
    links = count = 0
    for entry in entries(beside):
        if entry.path.is_relative_to(own):
            continue
        if entry.kind != "file":
            links += 1
            continue
        count += 1
        if holds_tensors(entry):
            found.append(entry.name)
    facts: JsonObject = {"files": count, "in_the_clear": some(found)}
    if found:
        told = f"{many(len(found), 'file')} with tensors in the clear beside sealed ones"
        return failing(told, facts)
    if links:
        told = f"{many(links, 'link')} beside sealed weights, and what it leads to is not looked at"
        return unknown(told, facts)
    return satisfied(
        f"no tensors in the clear among {many(count, 'file')} beside sealed weights", facts
    )


def access_log(machine: Machine, scope: Scope, _: Mapping[str, int]) -> Finding:
    """Whether the log of openings is one chain without a gap (spec/access-log.md)."""
    if scope.access_log is None:
        return unknown("no access log was named")
    try:
        logged, head = read_log(machine.place(scope.access_log))
    except BrokenSeal as error:
        return failing("the access log is no unbroken chain", {"why": str(error)})
    except CannotVerify as error:
        return unknown("the access log cannot be read to its end", {"why": str(error)})
    facts: JsonObject = {"entries": head.entries, "digest": head.digest}
    if not logged:
        return unknown("the access log has no entry", facts)
    if logged[-1].at > scope.at:
        return unknown("the access log ends after the clock of this host", facts)
    return satisfied(f"the access log is one chain of {many(head.entries, 'line')}", facts)


def _header(machine: Machine, scope: Scope) -> SealedHeader:
    if scope.sealed is None:
        raise _Unsealed(failing("the weights are not sealed"))
    if scope.publisher is None:
        raise _Unsealed(unknown("the key of who sealed the weights was not named"))
    try:
        return read_header(machine.place(scope.sealed), Expect(scope.publisher))
    except CannotVerify as error:
        told = failing("the header is not one that the publisher signed", {"why": str(error)})
        raise _Unsealed(told) from error


def _has_length(path: Path, size: int) -> bool:
    try:
        return path.stat(follow_symlinks=False).st_size == size
    except OSError:
        return False


COLLECTORS: Final = (
    Collector("sealed-weights", "TEST", sealed_weights),
    Collector("approval-quorum", "TEST", approval_quorum),
    Collector("plaintext-beside-sealed", "EXAMINE", plaintext_beside_sealed),
    Collector("access-log", "TEST", access_log),
)
