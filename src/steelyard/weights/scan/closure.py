"""The load closure: what configurations make a loader pull in, and whether a signature covers it.

Reads configurations as transformers, PEFT, sentence-transformers and diffusers do, and follows
custom code through its relative imports. Decides nothing about what a reference contains:
local files are scanned as files, remote ones can only be named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence
from steelyard.weights.scan.configs import CONFIG_LIMIT_BYTES, parse_config
from steelyard.weights.scan.finding import Finding
from steelyard.weights.scan.references import (
    Reference,
    config_references,
    is_configuration,
    loaded_unasked,
    relative_imports,
)
from steelyard.weights.scan.shards import shard_findings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.model import Model

_CODE_LIMIT_BYTES: Final = 1 << 22


def load_closure(model: Model) -> tuple[Reference, ...]:
    """Everything that configurations refer to, and the code that this code imports."""
    found = {(each.config, each.kind, each.target): each for each in loaded_unasked(model)}
    for name in sorted(model.files):
        if is_configuration(name):
            for reference in _references_of(model, name):
                found[reference.config, reference.kind, reference.target] = reference
    waiting = [reference for reference in found.values() if reference.kind == "code"]
    while waiting:
        for reference in _imports_of(model, waiting.pop().target):
            key = reference.config, reference.kind, reference.target
            if key not in found:
                found[key] = reference
                waiting.append(reference)
    return tuple(found.values())


def _references_of(model: Model, name: str) -> list[Reference]:
    try:
        config = parse_config(model.read(name, CONFIG_LIMIT_BYTES))
    except MalformedEvidence:
        # The scan of the file itself says why.
        return []
    return list(config_references(model, name, config))


def _imports_of(model: Model, name: str) -> list[Reference]:
    if not model.has(name):
        return []
    try:
        text = model.read(name, _CODE_LIMIT_BYTES)
    except MalformedEvidence:
        return []
    return [
        Reference(name, "import", "code", target, "") for target in relative_imports(name, text)
    ]


def closure_findings(
    model: Model, references: tuple[Reference, ...], covered: frozenset[str] | None
) -> Iterator[Finding]:
    """Findings about what is loaded.

    Args:
        model: The model.
        references: Its load closure.
        covered: Names that a signature covers; None where none was given.
    """
    for reference in references:
        yield from _verdict(model, reference, covered)
    yield from shard_findings(model)
    yield from _two_weights(model)
    if covered is not None:
        yield from _uncovered(model, covered)


def _uncovered(model: Model, covered: frozenset[str]) -> Iterator[Finding]:
    """Files that a signature leaves out, by the rule that signing goes by."""
    # Only where a signature was given: signing brings cryptography with it.
    from steelyard.weights.signing.names import is_inert  # noqa: PLC0415

    for name in sorted(model.files.keys() - covered):
        if not is_inert(name):
            yield Finding("uncovered", name, "", None, "loaded, and not covered")


def _verdict(
    model: Model, reference: Reference, covered: frozenset[str] | None
) -> Iterator[Finding]:
    text = f"{reference.shown_key} refers to {reference.target[:120]!r}"
    if reference.kind == "path":
        yield reference.finding("config-path", text)
    elif reference.kind == "name":
        yield reference.finding("name-reference", text)
    elif reference.kind == "code":
        there = "" if model.has(reference.target) else ", which is not there"
        safe = covered is not None and reference.target in covered
        yield reference.finding("code-covered" if safe else "code-at-load", f"{text}{there}")
    elif reference.kind == "remote code":
        yield reference.finding("code-remote", f"{text}, {reference.pinning}")
    elif reference.kind == "remote model":
        code = "base-remote" if covered is None else "base-uncovered"
        yield reference.finding(code, f"{text}, {reference.pinning}")


def _two_weights(model: Model) -> Iterator[Finding]:
    for name in sorted(model.files):
        folder, _, base = name.rpartition("/")
        other = f"{folder}/model.safetensors" if folder else "model.safetensors"
        if base == "pytorch_model.bin" and model.has(other):
            yield Finding("two-weights", name, "", None, f"beside {other}")
