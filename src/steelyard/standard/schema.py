"""The JSON Schemas of `spec/`, found whether installed or in a checkout.

A schema says which shape a document has; what it means is the business of the
room that reads it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.resources.abc import Traversable

    from jsonschema.exceptions import ValidationError


def spec_folder() -> Traversable:
    """The folder of normative texts: inside the wheel, or at the checkout's root."""
    packaged = files("steelyard") / "spec"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "spec"


def schema_names() -> list[str]:
    """Names of all schemas, without the `.schema.json` ending."""
    suffix = ".schema.json"
    names = (entry.name for entry in spec_folder().iterdir())
    return sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Read one schema; `NAME#PART` is the definition PART of schema NAME, with an id.

    Raises:
        UnknownName: no such schema.
    """
    name, _, part = name.partition("#")
    if part:
        whole = load_schema(name)
        return _definition(whole, part)
    entry = spec_folder() / f"{name}.schema.json"
    if not entry.is_file():
        message = f"no schema {name!r}; known: {', '.join(schema_names())}"
        raise UnknownName(message)
    return parse_json_object(entry.read_bytes(), where=entry.name)


def _definition(whole: dict[str, Any], part: str) -> dict[str, Any]:
    """A definition as a schema of its own, of which the `id` outside it is a field."""
    definition = whole["$defs"][part]
    identifier = {"type": "string", "pattern": "^[a-z0-9](?:[a-z0-9_.-]{0,126}[a-z0-9])?$"}
    return {
        "$schema": whole["$schema"],
        **definition,
        "required": ["id", *definition["required"]],
        "properties": {"id": identifier, **definition["properties"]},
        "$defs": whole["$defs"],
    }


def check_schema(value: object, name: str, *, where: str) -> None:
    """Refuse a document that breaks the named schema (JSON Schema 2020-12).

    Raises:
        ConfigurationError: naming the path inside the document and the rule.
    """
    validator: Any = _bounded_validator()(load_schema(name))
    errors: Iterable[ValidationError] = validator.iter_errors(value)
    worst = min(errors, key=lambda error: list(map(str, error.path)), default=None)
    if worst is not None:
        path = ".".join(map(str, worst.path)) or "top level"
        message = f"{path}: {worst.message[:200]}"
        raise ConfigurationError(message, where=where, hint=f"see spec/{name}.schema.json")


def require_schema(value: object, name: str, *, where: str) -> None:
    """Like `check_schema`, of what somebody else wrote: evidence, not configuration.

    Raises:
        MalformedEvidence: naming the path inside the document and the rule.
    """
    try:
        check_schema(value, name, where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where, hint=error.hint) from error


@cache
def _bounded_validator() -> Any:  # noqa: ANN401 - jsonschema makes the class at run time
    """JSON Schema 2020-12 that looks into a list or object only when it keeps to its maximum.

    jsonschema checks every keyword, so that a list over `maxItems` would still be
    compared with itself for `uniqueItems`, in quadratic time.
    """
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - heavy

    original: Any = Draft202012Validator.VALIDATORS
    extend: Any = cast("Any", validators).extend
    limits = {
        "items": "maxItems",
        "uniqueItems": "maxItems",
        "additionalProperties": "maxProperties",
        "propertyNames": "maxProperties",
    }
    bounded = {keyword: _within(limit, original[keyword]) for keyword, limit in limits.items()}
    return extend(Draft202012Validator, bounded)


def _within(limit: str, check: Callable[..., Any]) -> Callable[..., Any]:
    """The keyword's check, for values no longer than `limit` of their schema says."""
    kind: type = list if limit == "maxItems" else dict

    def bounded(validator: Any, rule: Any, value: Any, schema: Any) -> Any:  # noqa: ANN401
        if type(value) is kind and len(value) > schema.get(limit, len(value)):
            return ()
        return check(validator, rule, value, schema)

    return bounded
