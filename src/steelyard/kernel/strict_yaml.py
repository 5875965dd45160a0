"""YAML in which nothing is guessed.

Reads the subset of YAML 1.2 that maps one-to-one onto JSON. Refused: duplicate
keys, tags, directives, anchors, aliases, several documents, integers of 2**53
and beyond, numbers no double holds, nesting beyond the interpreter's depth, and
every plain scalar that YAML versions read differently (`no`, `22:30`, `1e3`,
`0o7`, `.5`, `2026-01-31` without quotes). Whoever means the text writes quotes;
whoever means the number writes it as JSON would.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

import yaml

from steelyard.kernel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.kernel.canonical import JsonObject, JsonValue

_KEYWORDS: dict[str, JsonValue] = {"null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_AMBIGUOUS = re.compile(
    r"(?i:y|n|yes|no|on|off|true|false|null|~|[-+]?\.?(?:inf|nan)|=|<<)"
    r"|[-+]?\.?\d[\d_]*(?:[.:_eExXoObB+-][\w.:+-]*)?"
    r"|\d{4}-\d{1,2}-\d{1,2}.*"
)
_REFUSED_TOKENS = (yaml.AliasToken, yaml.AnchorToken, yaml.DirectiveToken, yaml.TagToken)
# Begins every token of those; a text without it need not be read for them, half the work.
# A directive begins a line, as PyYAML counts lines.
_MAY_BE_REFUSED = re.compile("[*&!]|(?<![^\r\n\x85\u2028\u2029\ufeff])%")
_FASTEST: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LARGEST_EXACT_INTEGER = 2**53 - 1
_LONGEST_INTEGER = len(str(-_LARGEST_EXACT_INTEGER))


def parse_yaml(text: str, *, where: str, is_ours: bool = False) -> JsonObject:
    """Parse strict YAML whose top level is a mapping.

    Args:
        text: The document.
        where: File named in messages.
        is_ours: Whether it ships with this package: then libyaml reads it where it is there,
            in a fifth of the time. It lets a little more through than what reads others' texts.

    Raises:
        ConfigurationError: with file and line of the offending node.
    """
    try:
        root, tokens = _parsed(text, _FASTEST if is_ours else yaml.SafeLoader)
        for token in tokens:
            if isinstance(token, _REFUSED_TOKENS):
                message = "anchors, aliases, tags and directives are not allowed"
                line = token.start_mark.line + 1
                raise ConfigurationError(message, where=f"{where}:{line}")
        if not isinstance(root, yaml.MappingNode):
            message = "expected a mapping at top level"
            raise ConfigurationError(message, where=where)
        return _mapping(root, where)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        # PyYAML lets through what Python says to a version or an escape that is too large.
        message = f"not YAML: {' '.join(str(error).split())}"
        raise ConfigurationError(message, where=where) from error


def _parsed(text: str, loader: type) -> tuple[yaml.Node | None, Iterable[yaml.Token]]:
    """Root node, and the tokens where any may be refused; PyYAML itself is not typed."""
    compose, scan = cast("Any", yaml).compose, cast("Any", yaml).scan
    root = compose(text, Loader=loader)
    return root, scan(text) if _MAY_BE_REFUSED.search(text) else ()


def _value(node: yaml.Node, where: str) -> JsonValue:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where)
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, where) for child in node.value]
    return _scalar(node, where)


def _mapping(node: yaml.MappingNode, where: str) -> JsonObject:
    result: JsonObject = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node, where)
        if not isinstance(key, str):
            raise _refuse(key_node, f"key {key!r} must be text", where)
        if key in result:
            raise _refuse(key_node, f"duplicate key {key!r}", where)
        result[key] = _value(value_node, where)
    return result


def _scalar(node: yaml.Node, where: str) -> JsonValue:
    text = str(node.value)
    if not isinstance(node, yaml.ScalarNode):
        raise _refuse(node, "a key must be a plain or quoted scalar", where)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _refuse(node, "text with a lone surrogate", where)
    if node.style:
        return text
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _NUMBER.fullmatch(text):
        return _number(node, text, where)
    if not text or _AMBIGUOUS.fullmatch(text):
        raise _refuse(node, f"{text!r} is ambiguous", where)
    return text


def _number(node: yaml.Node, text: str, where: str) -> int | float:
    if "." not in text:
        # By its length first: Python itself refuses to read a number of thousands of digits.
        if len(text) > _LONGEST_INTEGER or abs(int(text)) > _LARGEST_EXACT_INTEGER:
            raise _refuse(node, f"integer {text[:24]} exceeds 2**53 - 1", where)
        return int(text)
    number = float(text)
    if math.isinf(number):
        raise _refuse(node, f"number {text[:24]} exceeds what a double holds", where)
    return number


def _refuse(node: yaml.Node, message: str, where: str) -> ConfigurationError:
    line = node.start_mark.line + 1
    return ConfigurationError(
        message, where=f"{where}:{line}", hint="quote text; write numbers as JSON does"
    )
