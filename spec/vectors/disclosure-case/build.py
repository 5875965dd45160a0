"""Writes the vectors of cases: cards, events, chains and checkpoints, each with one fault or none.

    python spec/vectors/disclosure-case/build.py

`what` says how a vector is read: `card` and `event` are an envelope in `text`; `chain` is a list of
entries; `checkpoint` is a note in `text` with the case, the host and its card. `expect` is what a
reader finds, or null where `error` is the class of the refusal and `message` a part of it.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from case_draft import (
    BIRCH,
    CASE,
    HUB,
    OTHER,
    begun,
    card,
    key,
    key_row,
    organization,
    put,
    resigned,
)

from steelyard.attest import PublicKey, Statement, sign_statement
from steelyard.disclosure.case import Entry, sign_checkpoint, sign_event
from steelyard.disclosure.case.event import FIRST
from steelyard.kernel import canonical_json, format_instant, parse_json_object

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent


def cards() -> dict[str, tuple[bytes, str, str]]:
    """Cards: envelope, error, message."""
    root = key("birch root")
    weak = PublicKey(bytes(32)).pem.decode()
    stranger = sign_statement(
        Statement.from_bytes(base64.b64decode(str(parse_json_object(BIRCH)["payload"]))),
        key("hub root"),
    )
    twice = [key_row("birch"), key_row("birch", revoked=True)]
    retired = [{**parse_predicate(BIRCH)["recipients"][0], "retired": True}]
    spaced = key("birch").public_key.pem.decode() + "\n"
    form = "MalformedEvidence"
    changed: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
        "other-organization": (
            put("organization", organization("hub")),
            "BrokenSeal",
            "the card is of another organization than its root",
        ),
        "field-added": (put("more", 1), form, "missing or too many: more"),
        "name-turns-around": (put("name", "birch\u202ehcrib"), form, "cannot be printed"),
        "name-of-two-lines": (put("name", "birch\nlab"), form, "cannot be printed"),
        "role-unknown": (put("roles", ["owner"]), form, "'owner' is none of"),
        "sequence-zero": (put("sequence", 0), form, "whole number from 1"),
        "key-twice": (put("keys", twice), form, "a signing key stands twice"),
        "key-of-small-order": (
            put("keys", [{**key_row("birch"), "pem": weak}]),
            form,
            "small order",
        ),
        "key-spelled-otherwise": (
            put("keys", [{**key_row("birch"), "pem": spaced}]),
            form,
            "another spelling of a key",
        ),
        "no-key-to-encrypt-to": (put("recipients", retired), form, "no key in use to encrypt"),
        "date-impossible": (put("made", "2026-02-30T00:00:00Z"), form, "is no date"),
    }
    found = {
        name: (resigned(BIRCH, root, change), error, message)
        for name, (change, error, message) in changed.items()
    }
    return {
        "good": (BIRCH, "", ""),
        "signed-by-another-root": (stranger, "BrokenSeal", "signed by key"),
        "not-canonical": (BIRCH.replace(b":", b": ", 1), form, "not in canonical JSON"),
        **found,
    }


def parse_predicate(envelope: bytes) -> dict[str, Any]:
    """What an envelope says."""
    payload = base64.b64decode(str(parse_json_object(envelope)["payload"]))
    return dict(Statement.from_bytes(payload).predicate)


def events() -> dict[str, tuple[bytes, str, str]]:
    """Events: envelope, error, message."""
    said = begun()
    good = sign_event(said.draft("birch", "target", OTHER), key("birch"))
    form, seal = "MalformedEvidence", "BrokenSeal"
    changed: dict[str, tuple[Callable[[dict[str, Any]], None], str, str]] = {
        "kind-unknown": (put("kind", "vote"), form, "no such kind of event: 'vote'"),
        "kind-no-text": (put("kind", ["target"]), form, "no such kind of event: 'list'"),
        "body-of-another-kind": (put("kind", "leave"), form, "missing or too many"),
        "handle-of-another": (
            put("body", {**OTHER, "handle": "hub/m1"}),
            form,
            "'hub/m1' is no handle",
        ),
        "sequence-true": (put("sequence", True), form, "whole number from 1"),  # noqa: FBT003
        "time-without-zone": (put("at", "2026-11-01T12:03:00"), form, "expected an instant"),
        "other-case": (put("case", "1" * 64), seal, "the subject is not the case"),
    }
    found = {
        name: (resigned(good, key("birch"), change), error, message)
        for name, (change, error, message) in changed.items()
    }
    more = canonical_json({**parse_json_object(good), "more": 1})
    return {
        "good": (good, "", ""),
        "signed-by-the-host": (
            sign_event(said.draft("birch", "target", OTHER), key("hub")),
            seal,
            "signed by key",
        ),
        "envelope-spelled-otherwise": (good.replace(b":", b": ", 1), seal, "not in canonical JSON"),
        "envelope-with-more": (more, seal, "not a DSSE envelope"),
        **found,
    }


def chains() -> dict[str, tuple[list[Entry], str, str]]:
    """Chains: entries, error, message."""
    said, seal = begun(), "BrokenSeal"
    good = said.entries()
    rotation = card("birch", ["developer"], sequence=2, keys=rotated())
    late = begun()
    late.say("birch", "card", {"card": parse_json_object(rotation)})
    replay = {"card": parse_json_object(BIRCH)}
    hub_card = {"card": parse_json_object(card("hub", ["coordinator"], sequence=2))}
    leave = {"reason": ""}
    future = said.now + timedelta(minutes=5, seconds=1)
    refused = "entry 3 had to be refused: "
    faults: dict[str, tuple[list[Entry], str]] = {
        "entry-removed": ([good[0], good[2]], "entry 2 does not follow entry 0"),
        "entry-repeated": ([*good, good[2]], "entry 2 does not follow entry 2"),
        "entries-exchanged": ([good[1], good[0], good[2]], "entry 1 does not follow entry -1"),
        "time-changed": (
            [replace(good[0], ordered=good[0].ordered + timedelta(seconds=1)), *good[1:]],
            "entry 1 does not follow entry 0",
        ),
        "time-goes-back": (
            said.with_event("birch", "target", OTHER, ordered=said.now - timedelta(seconds=1)),
            "ordered before the entry that it follows",
        ),
        "sequence-left-out": (
            said.with_event("birch", "target", OTHER, sequence=3),
            "event 3 of its author does not follow event 1",
        ),
        "previous-of-another": (
            said.with_event("birch", "target", OTHER, previous=said.own["hub"][1]),
            "event 2 of its author does not follow event 1",
        ),
        "saw-another-history": (
            said.with_event("birch", "target", OTHER, seen_size=2, seen_head="1" * 64),
            "one of the two histories is forged",
        ),
        "saw-nothing": (
            said.with_event("birch", "target", OTHER, seen_size=0, seen_head=FIRST),
            "only the opening is said by somebody who saw nothing",
        ),
        "saw-the-future": (
            said.with_event("birch", "target", OTHER, seen_size=9),
            "saw entries that this case does not have",
        ),
        "clock-of-the-author-ahead": (
            said.with_event("birch", "target", OTHER, at=future),
            refused + "the author's clock is ahead",
        ),
        "signed-by-the-host": (
            said.with_event("birch", "target", OTHER, signer=key("hub")),
            "signed by key",
        ),
        "role-forbids": (
            said.with_event("hub", "target", OTHER),
            refused + "'target' is for deployer, developer, open-weight-developer",
        ),
        "host-leaves": (said.with_event("hub", "leave", leave), refused + "the host cannot leave"),
        "opened-twice": (
            said.with_event("hub", "open", parse_predicate(good[0].event)["body"]),
            refused + "a case is opened once",
        ),
        "card-of-another": (
            said.with_event("birch", "card", hub_card),
            "the card is of another organization",
        ),
        "card-sent-again": (
            said.with_event("birch", "card", replay),
            "card 1 is not later than card 1",
        ),
        "key-revoked": (late.with_event("birch", "leave", leave), "signed by key"),
    }
    return {
        "good": (good, "", ""),
        "key-rotated": (
            late.with_event("birch", "leave", leave, signer=key("birch new")),
            "",
            "",
        ),
        **{name: (entries, seal, message) for name, (entries, message) in faults.items()},
    }


def rotated() -> list[dict[str, Any]]:
    """Birch's keys after the first was revoked."""
    return [key_row("birch", revoked=True), key_row("birch new")]


def checkpoints() -> dict[str, tuple[bytes, str, str]]:
    """Checkpoints: note, error, message."""
    said = begun()
    head, at, host = said.chain.head, said.now, organization("hub")

    def sign(signer: str, name: str = host, case: str = CASE) -> bytes:
        return sign_checkpoint(case, 3, head, host=name, key=key(signer), at=at)

    good = sign("hub")
    lines = good.split(b"\n")
    form, seal = "MalformedEvidence", "BrokenSeal"
    return {
        "good": (good, "", ""),
        "size-changed": (good.replace(b"\n3\n", b"\n2\n"), seal, "does not verify"),
        "size-spelled-otherwise": (good.replace(b"\n3\n", b"\n03\n"), form, "origin, a size and"),
        "of-another-case": (sign("hub", case="1" * 64), seal, "the checkpoint is of"),
        "signed-by-another": (sign("birch", organization("birch")), seal, "not signed by org:"),
        "signed-in-the-host-s-name": (sign("birch"), seal, "not signed by org:"),
        "without-a-time": (b"\n".join([*lines[:5], b""]), seal, "not cosigned by org:"),
        "without-a-signature": (
            b"\n".join([*lines[:4], *lines[5:]]),
            seal,
            "not signed by org:",
        ),
        "cut": (good[:-1], form, "a note ends in signature lines"),
        "with-an-extension": (
            good.replace(b"\n\n", b"\nmore\n\n"),
            form,
            "origin, a size and a root",
        ),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as a vector holds it."""
    return {
        "index": entry.index,
        "previous": entry.previous,
        "ordered": format_instant(entry.ordered),
        "event": entry.event.decode(),
    }


def vectors() -> dict[str, dict[str, Any]]:
    """Every vector by the name of its file."""
    found: dict[str, dict[str, Any]] = {}
    for name, (envelope, error, message) in cards().items():
        expect = None if error else {"organization": organization("birch")}
        found[f"card-{name}"] = _vector("card", {"text": envelope.decode()}, expect, error, message)
    keys = {"card": BIRCH.decode()}
    for name, (envelope, error, message) in events().items():
        expect = None if error else {"kind": "target", "author": organization("birch")}
        given = {"text": envelope.decode(), **keys}
        found[f"event-{name}"] = _vector("event", given, expect, error, message)
    for name, (entries, error, message) in chains().items():
        given = {"case": CASE, "entries": [entry_json(entry) for entry in entries]}
        expect = None if error else {"size": len(entries), "head": entries[-1].hash}
        found[f"chain-{name}"] = _vector("chain", given, expect, error, message)
    said = begun()
    for name, (note, error, message) in checkpoints().items():
        given = {
            "text": note.decode(),
            "case": CASE,
            "host": organization("hub"),
            "card": HUB.decode(),
        }
        expect = None if error else {"size": 3, "head": said.chain.head}
        found[f"checkpoint-{name}"] = _vector("checkpoint", given, expect, error, message)
    return found


def _vector(
    what: str, given: dict[str, Any], expect: dict[str, Any] | None, error: str, message: str
) -> dict[str, Any]:
    return {"what": what, **given, "expect": expect, "error": error, "message": message}


def main() -> None:
    """Write every vector."""
    for name, vector in vectors().items():
        text = json.dumps(vector, indent=2, sort_keys=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
