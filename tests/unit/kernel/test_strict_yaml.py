from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import ConfigurationError

VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "strict-yaml"
HINT = "quote text; write numbers as JSON does"


def vector(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "expect"), [tuple(row.values()) for row in vector("accepted")["scalars"]]
)
def test_accepted_scalars(text: str, expect: object) -> None:
    found = parse_yaml(f"a: {text}", where="f.yaml")["a"]
    assert found == expect
    assert type(found) is type(expect)


@pytest.mark.parametrize("text", [row["yaml"] for row in vector("ambiguous")["scalars"]])
def test_ambiguous_scalars_are_refused_with_their_line(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(f"first: 1\nsecond: {text}\n", where="f.yaml")
    assert caught.value.where == "f.yaml:2"
    assert caught.value.hint == HINT
    assert text in caught.value.message


@pytest.mark.parametrize("text", [row["yaml"] for row in vector("ambiguous")["scalars"]])
def test_what_is_ambiguous_becomes_text_in_quotes(text: str) -> None:
    assert parse_yaml(f'a: "{text}"', where="f.yaml") == {"a": text}


@pytest.mark.parametrize("name", sorted(file.stem for file in VECTORS.glob("refused-*.json")))
def test_refused_documents(name: str) -> None:
    case = vector(name)
    expect = case["expect"]
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(case["yaml"], where="f.yaml")
    assert caught.value.message.startswith(expect["error"])
    assert caught.value.where == (f"f.yaml:{expect['line']}" if "line" in expect else "f.yaml")


@pytest.mark.parametrize("before", ["", "\ufeff", "# a\n", "# a\r", "# a\x85", "# a\u2028"])
def test_a_directive_is_refused_after_every_line_break(before: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(f"{before}%YAML 1.1\n---\na: 1\n", where="f.yaml")
    assert caught.value.message == "anchors, aliases, tags and directives are not allowed"


texts = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.decimals(-9, 9, places=4).map(float)
values = st.recursive(
    st.none() | st.booleans() | numbers.filter(lambda n: "e" not in repr(n)) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=4))
def test_json_without_exponents_reads_as_itself(value: dict[str, object]) -> None:
    assert parse_yaml(json.dumps(value, ensure_ascii=False), where="f.yaml") == value


NESTED = "a: " + "[" * 20_000


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("a: " + "9" * 100_000, f"integer {'9' * 24} exceeds 2**53 - 1", "f.yaml:1"),
        ("a: -" + "9" * 100_000, f"integer -{'9' * 23} exceeds 2**53 - 1", "f.yaml:1"),
        ("a: " + "9" * 400 + ".0", f"number {'9' * 24} exceeds what a double holds", "f.yaml:1"),
        ("? " + "9" * 100_000 + "\n: 1", f"integer {'9' * 24} exceeds 2**53 - 1", "f.yaml:1"),
        ('a: "\\UFFFFFFFF"', "not YAML: ", "f.yaml"),
        ('a: "\\U00110000"', "not YAML: ", "f.yaml"),
        ("%YAML " + "9" * 100_000 + ".1\n---\na: 1", "not YAML: ", "f.yaml"),
        (NESTED, "not YAML: maximum recursion depth exceeded", "f.yaml"),
        (NESTED + "]" * 20_000, "not YAML: maximum recursion depth exceeded", "f.yaml"),
        ("a: \ud800", "not YAML: ", "f.yaml"),
    ],
    ids=range(10),
)
def test_what_breaks_a_parser_is_refused_like_the_rest(text: str, message: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, where="f.yaml")
    assert caught.value.message.startswith(message)
    assert caught.value.where == where


def test_every_depth_is_read_or_refused() -> None:
    outcomes = set()
    for depth in range(1, 500, 7):
        try:
            parse_yaml("a: " + "[" * depth + "]" * depth, where="f.yaml")
            outcomes.add("read")
        except ConfigurationError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


@settings(max_examples=200)
@given(st.text(max_size=60) | st.from_regex(r'[%&*!|>"\'\\\[\]{}:,0-9UxuN\n -]{0,40}'))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_yaml(text, where="f.yaml")
    except ConfigurationError as error:
        found = {"where": error.where}
    assert json.loads(json.dumps(found)) == found
