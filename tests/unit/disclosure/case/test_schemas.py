"""The checks of shapes against the published schemas: each takes what the other takes."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from steelyard.attest import PublicKey, parse_public_key
from steelyard.attest.recipients import parse_recipient
from steelyard.disclosure.case import event, findings, organization, shapes
from steelyard.disclosure.case.bodies import BODIES
from steelyard.kernel import canonical_json, exact_instant, parse_json
from steelyard.kernel.errors import MalformedEvidence, SteelyardError
from steelyard.standard import load_schema

from . import samples

FORMATS = FormatChecker(())
# Y coordinates beyond the prime spell points that have another spelling, too.
TWINS = [
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@FORMATS.checks("date-time", raises=SteelyardError)
def is_instant(value: object) -> bool:
    return not isinstance(value, str) or bool(exact_instant(value))


@FORMATS.checks("ed25519-spki-pem", raises=(SteelyardError, UnicodeError))
def is_signing_key(value: object) -> bool:
    if not isinstance(value, str):
        return True
    key = parse_public_key(value.encode(), where="")
    # Eight times a point of small order is the neutral element: any signature fits any text.
    return key.pem == value.encode() and not small_order(key.raw)


@FORMATS.checks("hpke-spki-pem", raises=(SteelyardError, UnicodeError))
def is_recipient(value: object) -> bool:
    return not isinstance(value, str) or parse_recipient(value.encode(), where="").pem == (
        value.encode()
    )


PRIME = 2**255 - 19
CURVE_D = -121665 * pow(121666, -1, PRIME) % PRIME


def small_order(raw: bytes) -> bool:
    """Whether eight times the point is the neutral element, by arithmetic on the curve."""
    y = int.from_bytes(raw, "little") % 2**255 % PRIME
    x2 = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(x2, (PRIME + 3) // 8, PRIME)
    if (x * x - x2) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - x2) % PRIME:
        return False
    for _ in range(3):
        z = CURVE_D * x * x * y * y % PRIME
        x, y = (
            2 * x * y * pow(1 + z, -1, PRIME) % PRIME,
            (y * y + x * x) * pow(1 - z, -1, PRIME) % PRIME,
        )
    return (x, y) == (0, 1)


def pattern(
    _validator: object, rule: str, value: object, _schema: object
) -> Iterator[ValidationError]:
    """`pattern` as ECMA 262 means it: `$` is the end, not the break before it."""
    if isinstance(value, str) and not re.search(rule.replace("$", r"\Z"), value):
        yield ValidationError(f"does not match {rule}")


VALIDATOR: Any = validators.extend(Draft202012Validator, {"pattern": pattern})


def takes(name: str) -> Callable[[object], bool]:
    """Whether a schema takes a value."""
    validator = VALIDATOR(load_schema(name), format_checker=FORMATS)
    return lambda value: bool(validator.is_valid(value))


BY_SCHEMA = {
    name: takes(name) for name in ("disclosure-event", "organization-card", "affectedness-update")
}
VALID: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"event {kind}": ("disclosure-event", {**samples.PREDICATE, "kind": kind, "body": body})
        for kind, body in samples.BODIES.items()
    },
    "card": ("organization-card", samples.CARD),
    "update": ("affectedness-update", samples.UPDATE),
}


def by_shape(schema: str, value: dict[str, Any]) -> bool:
    """Whether the checks that are written out take a value."""
    checks = {
        "organization-card": organization._FIELDS,
        "affectedness-update": findings._UPDATE,
    }
    try:
        if schema == "disclosure-event":
            event._check(value)
        else:
            shapes.require_fields(value, checks[schema], schema)
    except MalformedEvidence:
        return False
    return True


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a document."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*path, index))


def changed(value: Any, path: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """The document with one place changed."""
    whole = copy.deepcopy({"": value})
    at: Any = whole
    for step in ("", *path[:-1]) if path else ():
        at = at[step]
    last = path[-1] if path else ""
    at[last] = change(at[last])
    return whole[""]


TRICKS = [
    "",
    " ",
    "\n",
    "a\n",
    "a\tb",
    "\u202eevil",
    "a\u200bb",
    "a\u00a0b",
    "\u00ad",
    "\u0378",
    "\U0001fae8",
    "\U0001f9d1\u200d\U0001f680",
    "\ufe0f",
    "\ufffd",
    "e\u0301" * 60,
    "f" * 64,
    "f" * 64 + "\n",
    "F" * 64,
    "f" * 63 + "\uff10",
    f"org:{'0' * 64}",
    "2026-02-30T00:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T00:00:00Z\n",
    "2026-01-31T00:00:60Z",
    "1969-12-31T23:59:59Z",
    "9001-01-01T00:00:00Z",
    "\u0662026-01-31T00:00:00Z",
    "x" * 401,
    "x" * 4001,
    "text/plain\n",
    "h4",
    "-a",
    "a-",
    "a" * 65,
]
NUMBERS = [0, 1, -1, 2**31, 2**31 + 1, 2**53 - 1, 1.5, 730, 731, 513]
OTHERS: list[Any] = [None, True, False, [], {}, [[]], {"a": 1}, ["a", "a"], [1, True]]
VALUES = st.one_of(
    st.sampled_from([*TRICKS, *NUMBERS, *OTHERS]),
    st.text(max_size=3),
    st.characters(codec="utf-8"),
    st.integers(-2, 2**32),
)


def twice(value: Any) -> Any:  # noqa: ANN401
    """A list whose last item stands twice; of anything else, the value in a list."""
    return [*value, *value[-1:]] if isinstance(value, list) else [value]


def longer(value: Any) -> Any:  # noqa: ANN401
    """A text, list or object with something added at its end; a number and one more."""
    if isinstance(value, str):
        return value + "\n"
    if isinstance(value, list):
        return [*value, *(f"org:{number:064x}" for number in range(512))]
    if isinstance(value, dict):
        return {**value, "more": None}
    return min(value + 1, 2**53 - 1) if isinstance(value, int) else value


def shorter(value: Any) -> Any:  # noqa: ANN401
    """A text, list or object with something missing at its end."""
    if isinstance(value, dict):
        return dict(list(value.items())[:-1])
    return value[:-1] if isinstance(value, str | list) else value


@st.composite
def mutants(draw: st.DrawFn) -> tuple[str, Any]:
    name = draw(st.sampled_from(sorted(VALID)))
    schema, value = VALID[name]
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(sorted(paths(value), key=str)))
        how = draw(st.sampled_from([twice, longer, shorter, None]))
        put = draw(VALUES)
        value = changed(value, path, how or (lambda _old, put=put: put))
    return schema, value


@pytest.mark.parametrize("name", VALID)
def test_an_ordinary_document_is_taken_by_both(name: str) -> None:
    schema, value = VALID[name]
    assert BY_SCHEMA[schema](value)
    assert by_shape(schema, value)


@pytest.mark.parametrize("name", VALID)
def test_each_place_of_each_document_is_held_alike(name: str) -> None:
    schema, whole = VALID[name]
    changes: list[Callable[[Any], Any]] = [twice, longer, shorter]
    changes += [lambda _old, put=put: put for put in [*TRICKS, *NUMBERS, *OTHERS]]
    refused = 0
    for path in paths(whole):
        for change in changes:
            value = parse_json(canonical_json(changed(whole, path, change)))
            shape = isinstance(value, dict) and by_shape(schema, value)
            assert BY_SCHEMA[schema](value) is shape, (path, value)
            refused += not shape
    assert refused > 100


@given(mutants())
@settings(max_examples=400)
def test_what_one_refuses_the_other_refuses(mutant: tuple[str, Any]) -> None:
    schema, raw = mutant
    value = parse_json(canonical_json(raw))
    shape = isinstance(value, dict) and by_shape(schema, value)
    assert BY_SCHEMA[schema](value) is shape


@given(st.characters(codec="utf-8"))
@example("\u061c")
@example("\U000e0041")
@settings(max_examples=500)
def test_a_character_is_held_alike_in_a_title_and_in_an_abstract(char: str) -> None:
    for field in ("title", "abstract"):
        body = {**samples.BODIES["open"], field: f"a{char}"}
        value = {**samples.PREDICATE, "kind": "open", "body": body}
        assert BY_SCHEMA["disclosure-event"](value) is by_shape("disclosure-event", value)


def test_every_character_that_python_3_11_calls_printable_may_stand_but_the_reserved() -> None:
    """Against the interpreter's own table, so that the written one has no gap."""
    one_line = BODIES["open"]["title"]
    refused = {chr(n) for n in range(0x110000) if not takes_text(one_line, f"a{chr(n)}")}
    unassigned = {c for c in map(chr, range(0x110000)) if category(c) == "Cn"}
    unprintable = {chr(n) for n in range(0x110000) if not chr(n).isprintable()}
    assert unprintable - unassigned <= refused
    reserved = {chr(n) for n in (*range(0xFFF0, 0x10000), *range(0xE0000, 0xF0000))}
    assert refused - unprintable <= reserved


def category(char: str) -> str:
    return unicodedata.category(char)


def takes_text(check: shapes.Check, value: str) -> bool:
    try:
        check(value, "title")
    except MalformedEvidence:
        return False
    return True


@pytest.mark.parametrize("point", [*sorted(shapes._SMALL_ORDER), *map(bytes.fromhex, TWINS)])
def test_a_key_of_small_order_is_refused(point: bytes) -> None:
    assert small_order(point)
    pem = PublicKey(point).pem.decode()
    with pytest.raises(MalformedEvidence) as refused:
        shapes.signing_key(pem, "card.root")
    assert str(refused.value) == "card.root: a key of small order proves nothing"


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: f" {pem}",
        lambda pem: f"{pem}\n",
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.strip(),
        lambda pem: f"Comment: x\n{pem}",
        lambda pem: pem.replace("PUBLIC KEY-----\nMC", "PUBLIC KEY-----\nM\nC"),
    ],
)
def test_a_key_in_another_spelling_of_pem_is_refused(change: Callable[[str], str]) -> None:
    for check, pem in (
        (shapes.signing_key, samples.CARD["root"]),
        (shapes.recipient_key, samples.CARD["recipients"][0]["pem"]),
    ):
        check(pem, "key")
        with pytest.raises(MalformedEvidence):
            check(change(pem), "key")
