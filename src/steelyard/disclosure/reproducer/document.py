"""The reproducer: a flaw as a document that says what to show, what to look for, how to decide.

Decides which documents are reproducers (spec/reproducer.md) and what each part is. Nothing in
one is executed, fetched or opened. Who signed it is for the case that carries it, running it
for `pipeline.reproduce`, what its results mean for `verdict`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.reproducer.declarative import PlacedText, require_inert, texts_of
from steelyard.disclosure.reproducer.scenario import (
    Scenario,
    Stub,
    Variant,
    check_variable,
    places,
    require_places,
)
from steelyard.disclosure.reproducer.scorers import Scorer, read_scorer, require_scorer
from steelyard.disclosure.reproducer.trace import DEPTH_LIMIT, depth_of
from steelyard.kernel import digest_json, parse_json_object, parse_yaml
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.standard import require_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.kernel import JsonObject

SCHEMA: Final = "steelyard/reproducer/1"
SIZE_LIMIT_BYTES: Final = 4 << 20
YAML_LIMIT_BYTES: Final = 64 << 10
"""Above it a document is written as JSON: reading YAML takes far longer."""
SHOWN_LIMIT: Final = 1 << 20
"""Characters that all variants may show together."""
_MODEL_NAMES: Final = frozenset((("scorer", "model"), ("claim", "target")))
# `provider/organisation/model` reads like a path, but names what is asked, not where.
_MODEL_NAME: Final = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*){1,3}(?:[?:@#][\w.=&-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Decision:
    """How results become a verdict.

    Attributes:
        p_tolerable: Rate that is not called affected, but by error.
        p_affected: Rate that is not called unaffected, but by error; above `p_tolerable`.
        alpha: Chance of `affected` where the rate is at most `p_tolerable`.
        beta: Chance of `not_affected` where the rate is at least `p_affected`.
        method: `fixed` runs every variant, `sequential` stops when it can.
        tries: Tries of each variant in each arm.
        refusals: Whether a refusal shows the flaw's `absence`, or is `missing`.
    """

    p_tolerable: float
    p_affected: float
    alpha: float
    beta: float
    method: str
    tries: int
    refusals: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What the author saw, for readers; it decides nothing."""

    target: str
    k: int
    n: int
    settings: str


@dataclass(frozen=True, slots=True)
class SealedSet:
    """Variants that are kept back: their root and how many there are."""

    root: str
    size: int


@dataclass(frozen=True, slots=True)
class Benign:
    """Requests that a mitigation must not refuse.

    Attributes:
        margin: Increase of the refusal rate that is accepted.
        requests: Text of each request by name.
        system: System message shown with each; empty for none.
    """

    margin: float
    requests: tuple[tuple[str, str], ...]
    system: str


@dataclass(frozen=True, slots=True)
class Reproducer:
    """A document that was accepted.

    Attributes:
        digest: SHA-256 of its canonical JSON, which names it everywhere.
        value: The document.
    """

    name: str
    title: str
    flaw_class: str
    variables: frozenset[str]
    scenario: Scenario
    control: Scenario | None
    variants: tuple[Variant, ...]
    sealed: SealedSet | None
    scorer: Scorer
    decision: Decision
    claim: Claim | None
    benign: Benign | None
    hazard_tier: str
    licence: str
    digest: str
    value: JsonObject

    def require_variants(self, variants: Sequence[Variant], where: str) -> None:
        """Refuse variants that are not of this document's kind, e.g. opened sealed ones.

        Raises:
            MalformedEvidence: other variables, a repeated name or values, a text that is
                refused, or a scenario or pattern that they break.
        """
        _require_variants(variants, self.variables, where)
        self._require_little(variants, where)
        for variant in variants:
            for name, text in variant.values.items():
                require_inert(text, f"{where}.{variant.name}.{name}")
            self.scenario.filled(variant)
            if self.control is not None:
                self.control.filled(variant)
            require_scorer(self.scorer, variant, where)

    def _require_little(self, variants: Sequence[Variant], where: str) -> None:
        """Refuse what would take long to check, before any of it is."""
        controls = self.control.texts if self.control else ()
        fixed = sum(map(len, (*self.scenario.texts, *controls)))
        values = sum(sum(map(len, variant.values.values())) for variant in variants)
        # A value stands wherever it has a place.
        used = max(1, sum(text.count("[[") for text in (*self.scenario.texts, *controls)))
        shown = fixed * len(variants) + values * used
        if shown > SHOWN_LIMIT:
            message = f"all variants show up to {shown} characters, at most {SHOWN_LIMIT} are read"
            raise MalformedEvidence(
                message, where=where, hint="shorten texts, or use fewer variants"
            )


def read_reproducer(data: bytes, *, where: str) -> Reproducer:
    """A reproducer from a file's bytes: strict JSON where it begins with `{`, else strict YAML.

    Raises:
        MalformedEvidence: too large, unreadable, or no reproducer.
    """
    if len(data) > SIZE_LIMIT_BYTES:
        message = f"a reproducer has at most {SIZE_LIMIT_BYTES} bytes, found {len(data)}"
        raise MalformedEvidence(message, where=where)
    is_json = data.lstrip()[:1] == b"{"
    value = (parse_json_object if is_json else parse_reproducer_yaml)(data, where=where)
    return parse_reproducer(value, where=where)


def parse_reproducer_yaml(data: bytes, *, where: str) -> JsonObject:
    """The document in strict YAML of bounded size.

    Raises:
        MalformedEvidence: too large, or no strict YAML with a mapping.
    """
    if len(data) > YAML_LIMIT_BYTES:
        message = f"YAML has at most {YAML_LIMIT_BYTES} bytes, found {len(data)}"
        raise MalformedEvidence(message, where=where, hint="write it as JSON")
    try:
        return parse_yaml(data.decode("utf-8"), where=where)
    except UnicodeDecodeError as error:
        raise MalformedEvidence("is not UTF-8", where=where) from error
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=error.where, hint=error.hint) from error


def parse_reproducer(value: JsonObject, *, where: str) -> Reproducer:
    """A reproducer from its parsed document.

    Raises:
        MalformedEvidence: breaks the schema or a rule of spec/reproducer.md.
    """
    _require_form(value, where)
    fields: dict[str, Any] = value
    decision = Decision(**fields["decision"])
    if decision.p_tolerable >= decision.p_affected:
        message = f"p_tolerable {decision.p_tolerable} is not below {decision.p_affected}"
        raise MalformedEvidence(message, where=f"{where}.decision.p_affected")
    for name in fields["variables"]:
        check_variable(name, f"{where}.variables")
    made = Reproducer(
        name=fields["name"],
        title=fields["title"],
        flaw_class=fields["flaw_class"],
        variables=frozenset(fields["variables"]),
        scenario=_scenario(fields["scenario"]),
        control=None if fields["control_arm"] is None else _scenario(fields["control_arm"]),
        variants=tuple(Variant(v["id"], v["values"]) for v in fields["variants"]),
        sealed=_optional(SealedSet, fields["sealed_variants_commitment"]),
        scorer=read_scorer(fields["scorer"]),
        decision=decision,
        claim=_optional(Claim, fields["claim"]),
        benign=_benign(fields["benign"]),
        hazard_tier=fields["hazard_tier"],
        licence=fields["licence"],
        digest=digest_json(value),
        value=value,
    )
    _require_consistent(made, where)
    return made


def _require_form(value: JsonObject, where: str) -> None:
    scorer = value.get("scorer")
    if isinstance(scorer, dict) and depth_of(scorer.get("predicate")) > DEPTH_LIMIT:
        message = f"predicates nest deeper than {DEPTH_LIMIT}"
        raise MalformedEvidence(message, where=f"{where}.scorer.predicate")
    require_schema(value, "reproducer", where=where)
    for entry in texts_of(value):
        if entry.path == ("schema",) and not entry.is_key:
            continue  # the only text that has to hold slashes
        names = entry.path in _MODEL_NAMES and _MODEL_NAME.fullmatch(entry.text)
        text = entry.text.replace("/", " ") if names else entry.text
        place = ".".join((where, *entry.path))
        require_inert(text, place, pattern=_is_pattern(entry))


def _is_pattern(entry: PlacedText) -> bool:
    """Whether a text is searched with; others may have the names that these places have."""
    match entry.path:
        case ("scorer", "pattern") | ("scorer", "predicate", *_, "matches", _):
            return not entry.is_key
        case _:
            return False


def _require_consistent(made: Reproducer, where: str) -> None:
    used: set[str] = set()
    controls = made.control.texts if made.control else ()
    for text in chain(made.scenario.texts, controls, made.scorer.texts):
        require_places(text, made.variables, where)
    for text in made.scenario.texts:
        used |= places(text)
    if made.variables - used:
        message = (
            f"variables that the scenario never shows: {', '.join(sorted(made.variables - used))}"
        )
        hint = "variants that look alike to the model are one variant"
        raise MalformedEvidence(message, where=f"{where}.variables", hint=hint)
    if made.control == made.scenario:
        message = "the control arm is the scenario itself"
        raise MalformedEvidence(message, where=f"{where}.control_arm")
    for scenario in (made.scenario, made.control):
        names = [tool.name for tool in scenario.tools] if scenario else []
        if len(set(names)) != len(names):
            raise MalformedEvidence("two tools have one name", where=f"{where}.scenario.tools")
    made.require_variants(made.variants, f"{where}.variants")
    if made.claim and made.claim.k > made.claim.n:
        message = f"{made.claim.k} of {made.claim.n} is no count"
        raise MalformedEvidence(message, where=f"{where}.claim")
    names = [name for name, _ in made.benign.requests] if made.benign else []
    if len(set(names)) != len(names):
        raise MalformedEvidence("two requests have one id", where=f"{where}.benign.requests")


def _require_variants(variants: Sequence[Variant], variables: frozenset[str], where: str) -> None:
    names, values = set[str](), set[tuple[str, ...]]()
    for variant in variants:
        if frozenset(variant.values) != variables:
            message = f"variant {variant.name} has values for {sorted(variant.values)}"
            hint = f"variables: {', '.join(sorted(variables)) or 'none'}"
            raise MalformedEvidence(message, where=where, hint=hint)
        content = tuple(variant.values[name].casefold() for name in sorted(variables))
        if variant.name in names or content in values:
            message = f"variant {variant.name} is there twice, by its id or by its values"
            hint = "repeats of a variant are no evidence of their own; use tries"
            raise MalformedEvidence(message, where=where, hint=hint)
        names.add(variant.name)
        values.add(content)


def _scenario(value: dict[str, Any]) -> Scenario:
    tools = tuple(Stub(**tool) for tool in value.get("tools", []))
    return Scenario(value.get("system", ""), tuple(value["turns"]), tools)


def _benign(value: dict[str, Any] | None) -> Benign | None:
    if value is None:
        return None
    requests = tuple((entry["id"], entry["text"]) for entry in value["requests"])
    return Benign(value["margin"], requests, value.get("system", ""))


def _optional(kind: Any, value: dict[str, Any] | None) -> Any:  # noqa: ANN401 - kind(**value)
    return None if value is None else kind(**value)
