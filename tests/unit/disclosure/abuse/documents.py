"""A good document of each format that others send, how it is read, and who would sign it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from tests.unit.disclosure.advisory.samples import full
from tests.unit.disclosure.case.cast import DAY, START, Scene, reported_case, sealed_answer
from tests.unit.disclosure.deadlines.conftest import CRA, HEAD
from tests.unit.disclosure.intake import foreign
from tests.unit.disclosure.reproducer.toy_documents import toy_document

from steelyard.attest import PrivateKey
from steelyard.attest.http_signatures import HttpRequest, sign_request, verify_request
from steelyard.attest.signed_note import read_note
from steelyard.disclosure.advisory.reading import read_advisory
from steelyard.disclosure.case import open_card
from steelyard.disclosure.case.checkpoint import open_checkpoint, sign_checkpoint
from steelyard.disclosure.case.event import read_claim
from steelyard.disclosure.case.fault import Evidence, verify_fault, write_linked
from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.deadlines.facts import read_facts
from steelyard.disclosure.deadlines.record import Record, read_record
from steelyard.disclosure.deadlines.rules import load_rules
from steelyard.disclosure.intake import inspect_attachment, read_intake
from steelyard.disclosure.reproducer.consent import open_consent, sign_consent
from steelyard.disclosure.reproducer.document import read_reproducer
from steelyard.disclosure.reproducer.query import open_answer, open_query, sign_query
from steelyard.disclosure.reproducer.scenario import Variant
from steelyard.disclosure.reproducer.sealed_file import SealedFile, read_sealed, read_variants
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import ConfigurationError


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        good: A document that is read.
        read: Reads it.
        key: Whose signature it needs; None for a format without one.
        is_json: Whether its fields can be bent one by one.
    """

    good: bytes
    read: Callable[[bytes], object]
    key: PrivateKey | None = None
    is_json: bool = True


@cache
def formats() -> dict[str, Format]:
    """Every format, by name."""
    return {**_of_cases(), **_of_affectedness(), **_of_documents(), **_of_reports()}


@cache
def scene() -> Scene:
    """A case in which labs were asked, and have answered nothing."""
    made = reported_case()
    for name in ("birch", "cedar"):
        made.target(name)
    made.ask("birch", "cedar")
    return made


def _of_cases() -> dict[str, Format]:
    made = scene()
    hub, birch, case = made["hub"], made["birch"], made.chain.case
    keys = {hub.key.public_key.key_id: hub.key.public_key}

    def note_of(chain: Scene) -> bytes:
        size, head = chain.chain.size, chain.chain.head
        return sign_checkpoint(case, size, head, host=hub.id, key=hub.key, at=chain.now)

    event = made.chain.ordered[-1].entry.event
    note, other = note_of(made), made.copied()
    forged = made.copied()
    other.say("hub", "emergency", {"facts": "for one", "told": []})
    for facts in ("for another", "and more"):
        forged.say("hub", "emergency", {"facts": facts, "told": []})
    linked = write_linked(note_of(forged), [forged.chain.ordered[-1].entry])
    first = note_of(other)
    request = HttpRequest("POST", "node.example.org", "/inbox", body=b"x")
    created = int(START.timestamp())
    fields = sign_request(request, hub.key, created=created, nonce=bytes(16))
    return {
        "card": Format(birch.envelope, open_card, birch.root),
        "event": Format(event, lambda data: read_claim(data).verified(keys), hub.key),
        "claim": Format(event, read_claim, hub.key),
        "note": Format(note, read_note, is_json=False),
        "checkpoint": Format(
            note, lambda data: open_checkpoint(data, case, hub.id, keys), is_json=False
        ),
        "evidence": Format(
            linked, lambda data: verify_fault(Evidence(case, hub.id, first, data), keys)
        ),
        "signature of a request": Format(
            canonical_json({name.lower(): value for name, value in fields.items()}),
            lambda data: verify_request(request, _fields(data), keys),
        ),
    }


def _fields(data: bytes) -> dict[str, str]:
    """Header fields as a server hands them over: any text, but text."""
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        found = {"signature": data.decode("latin-1"), "signature-input": data.decode("latin-1")}
    rows = found.items() if isinstance(found, dict) else ()
    return {name: value if isinstance(value, str) else str(value)[:9000] for name, value in rows}


def _of_affectedness() -> dict[str, Format]:
    made = scene()
    hub, birch = made["hub"], made["birch"]
    asked = made.query(issued=made.now, until=made.now + 7 * DAY)
    keys = {hub.key.public_key.key_id: hub.key.public_key}
    labs = {birch.key.public_key.key_id: birch.key.public_key}
    answer = sealed_answer(birch, asked, Verdict.AFFECTED, made.now)
    later = made.now + timedelta(days=1)
    variants = tuple(Variant(f"x{n}", {"role": f"keeper {n}"}) for n in range(20))
    return {
        "query": Format(
            sign_query(asked, hub.key), lambda data: open_query(data, keys, now=made.now), hub.key
        ),
        "answer": Format(answer, lambda data: open_answer(data, labs, asked), birch.key),
        "consent": Format(
            sign_consent(answer, "m1", birch.key, now=later),
            lambda data: open_consent(data, labs),
            birch.key,
        ),
        "sealed answer in a case": Format(answer, _found_in_case(made), birch.key),
        "sealed step in a case": Format(write_update("mitigate"), _found_in_case(made)),
        "sealed variants": Format(
            SealedFile(variants, bytes(32)).to_bytes(),
            lambda data: read_sealed(data, where="theirs"),
        ),
        "variants": Format(
            canonical_json({"variants": [item.to_json() for item in variants]}),
            lambda data: read_variants(data, where="theirs"),
        ),
    }


def _found_in_case(made: Scene) -> Callable[[bytes], object]:
    """What a coordinator makes of a sealed object: never an error, as it is another's lie."""
    answered = made.copied()
    query = next(iter(answered.view.queries))
    body: Any = {"target": "m1", "query": query, "object": answered.object("sealed", "hub")}
    for event in ("acknowledge", "run"):
        answered.say("birch", "progress", {"target": "m1", "event": event})
    answered.say("birch", "answer", body)
    answered.say("birch", "status", {"target": "m1", "object": answered.object("step", "hub")})
    names = [str(answered.object(label)["id"]) for label in ("sealed", "step")]
    return lambda data: find(answered.chain, dict.fromkeys(names, data))


def _of_documents() -> dict[str, Format]:
    book = load_rules()
    record = Record("case-1", START, {}, {"exploitation-aware": START})
    return {
        "reproducer": Format(canonical_json(toy_document()), _named(read_reproducer)),
        "reproducer in YAML": Format(
            b"# a comment\n" + canonical_json(toy_document()),
            _named(read_reproducer),
            is_json=False,
        ),
        "advisory": Format(canonical_json(full()), _named(read_advisory)),
        "facts": Format(
            f"{HEAD}{CRA}".encode(),
            lambda data: read_facts(_text(data), book, where="theirs"),
            is_json=False,
        ),
        "record of deadlines": Format(canonical_json(record.to_json()), _named(read_record)),
    }


def _of_reports() -> dict[str, Format]:
    made = {
        f"report in {name}": Format(canonical_json(value), _named(read_intake))
        for name, value in foreign.ALL.items()
    }
    return {
        **made,
        "attachment": Format(
            b"a text\n", lambda data: inspect_attachment("a.txt", data), is_json=False
        ),
    }


def _named(read: Callable[..., object]) -> Callable[[bytes], object]:
    return lambda data: read(data, where="theirs")


def _text(data: bytes) -> str:
    """A file as the command line hands it over."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("not UTF-8", where="theirs") from error
