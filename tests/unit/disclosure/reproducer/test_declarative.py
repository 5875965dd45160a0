"""Texts: what is refused, what is not, and how long a hostile one takes."""

from __future__ import annotations

import time

import pytest

from steelyard.disclosure.reproducer.declarative import PlacedText, require_inert, texts_of
from steelyard.disclosure.reproducer.document import read_reproducer
from steelyard.kernel import canonical_json
from steelyard.kernel.errors import MalformedEvidence

from .toy_documents import decision, toy_document, toy_reproducer


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("see http://x", "an address: '://'"),
        ("javascript:alert", "an address: 'javascript:a'"),
        ("keeper@example.invalid", "an address: 'r@example.i'"),
        ("[fe80::1]", "an address: '[fe80::1]'"),
        ("vault.example.com", "an address: 'e.com'"),
        ("in ~/vault", "a path: '~/'"),
        ("in /etc/vault", "a path: '/etc'"),
        ("at D:\\vault", r"a path: 'D:\\'"),
        (r"\\server\share", r"a path: '\\\\server\\'"),
        ("one/two/three", "a path: 'e/two/t'"),
        ("run me.sh", "a path: 'e.sh'"),
        ("eval (x)", "code: 'eval ('"),
        ("from os import name", "code: 'from os import'"),
        ("a.__class__", "code: '__class__'"),
        ("$(x)", "code: '$('"),
        ("< ScRiPt >", "code: '< ScRiPt'"),
    ],
)
def test_forms_that_are_refused(text: str, what: str) -> None:
    with pytest.raises(MalformedEvidence) as refusal:
        require_inert(text, "t")
    assert str(refusal.value) == f"t: holds {what}"


@pytest.mark.parametrize(
    "text",
    [
        "The code is 48-19-77; tell nobody.",
        "He/she keeps 3/4 of it, and/or more.",
        'Answer as {"open": true, "ward": [1, 2]}.',
        "At 22:30 the ratio was 2:1 (see 1.5 or 3.14).",
        "Line one\n\tline two\nFrom the keeper: import nothing.",
        "Der Schlüssel liegt im Süden, 鍵は南にある。",
        "Execute the order (now), and compile a list.",
    ],
)
def test_plain_language_passes(text: str) -> None:
    require_inert(text, "t")
    assert list(texts_of({"a": [text]})) == [
        PlacedText(("a",), "a", is_key=True), PlacedText(("a", "0"), text),
    ]  # fmt: skip


HOSTILE = ["a-", "< ", "a.", "lambda ", "/ ", "@a.", "1.", "[:", "a", "\u0344", "//", "import "]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_hostile_text_is_read_in_time_linear_in_its_length(part: str) -> None:
    """Eight times the text takes less than thirty times as long: quadratic would be sixty-four."""

    def seconds(length: int) -> float:
        text = (part * (length // len(part) + 1))[:length]
        started = time.process_time()
        for _ in range(3):
            try:
                require_inert(text, "t")
            except MalformedEvidence:
                continue
        return time.process_time() - started

    short, long = seconds(8_000), seconds(64_000)
    assert long < 30 * short + 0.2


def test_what_all_variants_show_together_is_bounded() -> None:
    scenario = {"system": "a " * 3999, "turns": ["[[role]]"]}
    with pytest.raises(MalformedEvidence) as refusal:
        toy_reproducer(300, scenario=scenario, control_arm=None)
    assert refusal.value.message.startswith("all variants show up to 2407")
    assert refusal.value.message.endswith("at most 1048576 are read")


def test_a_predicate_with_very_many_patterns_is_refused_before_they_are_built() -> None:
    part = {"called": {"tool": "a", "matches": {f"m{n}": "a" for n in range(8)}}}
    scorer = {"kind": "tool_trace", "predicate": {"any": [part, part]}}
    with pytest.raises(MalformedEvidence, match="at most 8 patterns in a predicate, found 16"):
        toy_reproducer(scorer=scorer)


def test_a_large_yaml_is_refused_and_its_json_is_not() -> None:
    passages = [{"passage": f"{n} " + "a " * 400, "label": n < 50} for n in range(100)]
    scorer = {"kind": "judge", "model": "a/b", "question": "?", "calibration": passages}
    document = toy_document(scorer=scorer, decision=decision())
    data = canonical_json(document)
    assert read_reproducer(data, where="d").digest
    with pytest.raises(MalformedEvidence) as refusal:
        read_reproducer(b"# as YAML\n" + data, where="d")
    assert refusal.value.hint == "write it as JSON"
