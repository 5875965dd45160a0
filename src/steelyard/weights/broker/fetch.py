"""Loading a whole model through a broker, under a grant: the sealed folder anew, still sealed.

Every segment is held against the publisher's leaves as it comes, so a broker can refuse and
delay, and cannot change anything.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from steelyard.kernel import write_atomically
from steelyard.kernel.errors import BrokenSeal
from steelyard.kernel.files import storage_errors
from steelyard.weights.broker.client import approvals_body, grant_of
from steelyard.weights.broker.grants import read_unverified
from steelyard.weights.broker.meter import REQUEST_SEGMENTS
from steelyard.weights.sealed.header import (
    HEADER_NAME,
    LEAF_BYTES,
    LEAVES_NAME,
    PARAMETERS,
    parse_header,
    stream_name,
)
from steelyard.weights.staging import staged_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from steelyard.attest import PublicKey
    from steelyard.weights.broker.client import Answer, BrokerClient
    from steelyard.weights.sealed import SealedHeader

_EARLY: Final = 425
_CONFLICT: Final = 409
_TRIES: Final = 5
_LONGEST_WAIT_S: Final = 60.0
"""A broker remembers seconds, not minutes: one that names a longer wait is not waited for."""


def fetch_model(
    client: BrokerClient,
    publisher: PublicKey,
    out: Path,
    *,
    grant: str,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> SealedHeader:
    """Write the sealed folder that a broker serves to `out`.

    Args:
        client: Of the principal that the grant names.
        publisher: Key that signed the weights.
        out: Must not exist.
        grant: Digest of a grant that was handed in.
        progress: Called with segments fetched and in all.

    Raises:
        BrokenSeal: a header, leaf or segment that the publisher did not make.
        CannotVerify: the broker refuses, in its own words.
        StorageError: the disk refused; nothing is left behind.
    """
    data = _patiently(lambda: client.ask("GET", "/v1/header")).require()
    header = parse_header(data, publisher, where=client.url)
    leaves = client.leaves()
    total = sum(stream.segments for stream in header.streams)
    if blake3(leaves).hexdigest() != header.leaves or len(leaves) != total * LEAF_BYTES:
        raise BrokenSeal("the leaves are not those of the header", where=client.url)
    done = 0
    with staged_folder(out) as folder:
        write_atomically(folder / HEADER_NAME, data)
        write_atomically(folder / LEAVES_NAME, leaves)
        for number, stream in enumerate(header.streams):
            path = folder / stream_name(number)
            with storage_errors(path), path.open("wb") as file:
                file.write(stream.header)
                for first in range(0, stream.segments, REQUEST_SEGMENTS):
                    last = min(first + REQUEST_SEGMENTS, stream.segments) - 1
                    segments = client.segments(number, first, last, grant).require()
                    expected = leaves[done * LEAF_BYTES : (done + last - first + 1) * LEAF_BYTES]
                    _require_leaves(segments, expected, f"{path.name} {first}-{last}")
                    file.write(segments)
                    done += last - first + 1
                    progress(done, total)
                file.flush()
                os.fsync(file.fileno())
    return header


def hand_in_once(client: BrokerClient, approvals: Sequence[bytes]) -> str:
    """Hand in a grant, or find that it was handed in before; returns its digest.

    Raises:
        CannotVerify: the broker refuses, in its own words.
        MalformedEvidence: an approval that is none, or an answer that names no grant.
    """
    body = approvals_body(approvals)
    answer = _patiently(lambda: client.ask("POST", "/v1/grants", "", body))
    if answer.status == _CONFLICT:
        return read_unverified(approvals[0], where="approval").digest
    return grant_of(answer)


def _require_leaves(segments: bytes, leaves: bytes, where: str) -> None:
    step = PARAMETERS.segment_bytes
    found = b"".join(
        blake3(segments[start : start + step]).digest() for start in range(0, len(segments), step)
    )
    if found != leaves:
        raise BrokenSeal("segments are not those that the publisher sealed", where=where)


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask again where a broker that has just started does not remember far enough."""
    answer = ask()
    for _ in range(_TRIES):
        if answer.status != _EARLY:
            break
        time.sleep(min(answer.retry_after_s or 1.0, _LONGEST_WAIT_S))
        answer = ask()
    return answer
