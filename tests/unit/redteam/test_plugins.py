"""Plug-ins that cannot be used are refused by name, with what is wrong, before anything runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from steelyard.kernel.errors import ConfigurationError
from steelyard.redteam.kit import installed_protocols
from steelyard.redteam.kit import protocol as kit

PROTOCOL = """
from steelyard.redteam.kit import Cue, Organism, Protocol, Reply

class Player(Organism):
    signature = frozenset({"nothing"})
    def read(self, messages): return Cue("a", "t")
    def reply(self, messages, *, behave): return Reply("")

class Toy(Protocol):
    id = "toy"
    organism = Player()
    def generate(self, seed, index): return "t", {}, None
    def world(self, item, arm): raise NotImplementedError

PROTOCOL = Toy()
"""
PARAMETERS = """
id: toy
version: "1.0"
domain: deception
title: "Toy"
indicator: toy.rate
claim: propensity
arms: [a, b]
turn_limit: 3
public_key: "3f9a0c55d1e84b7290ab63cf17de4482"
hints: []
parameters: {}
"""
INDICATOR = """
id: toy.rate
domain: deception
title: "Toy"
construct: "Nothing."
kind: rate
claim: propensity
unit: rate
protocol: toy
protocol_version: "1.0"
arms: {treatment: a, control: b}
cluster_key: template
design: {method: fixed, alpha: 0.01, n_min: 20, n_max: 20, batch: 20, seed_commitment: true}
planned_items: 20
planned_templates: 20
intracluster_correlation_floor: 0.05
elicitation:
  minimum: E1
  margins: {E0: 0.5, E1: 0.0, E2: 0.0, E3: 0.0, unknown: 0.5}
  margin_unit: logit
thresholds:
  - {level: 1, value: 0.05, status: provisional, rationale: "x"}
  - {level: 2, value: 0.20, status: provisional, rationale: "x"}
  - {level: 3, value: 0.50, status: provisional, rationale: "x"}
"""
Install = Callable[..., EntryPoint]
_numbers = itertools.count()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A plug-in package of its own name, with some of its files changed or left out."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(
        code: str = PROTOCOL, parameters: str | None = PARAMETERS, indicator: str = INDICATOR
    ) -> EntryPoint:
        name = f"toy_plugin_{next(_numbers)}"
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(code)
        (folder / "indicator.yaml").write_text(indicator)
        if parameters is not None:
            (folder / "protocol.yaml").write_text(parameters)
        return EntryPoint("toy", f"{name}:PROTOCOL", kit.ENTRY_POINT_GROUP)

    return write


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The entry points that are installed for the length of a test."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(kit, "entry_points", lambda **_: entries)
    installed_protocols.cache_clear()
    yield entries
    installed_protocols.cache_clear()


def refusal(found: list[EntryPoint], *entries: EntryPoint) -> ConfigurationError:
    found.extend(entries)
    with pytest.raises(ConfigurationError) as caught:
        installed_protocols()
    return caught.value


def test_a_sound_plug_in_runs_but_is_of_no_standard(
    install: Install, found: list[EntryPoint]
) -> None:
    found.append(install())
    toy = installed_protocols()["toy"]
    assert (toy.measured.id, toy.standard, toy.hints) == ("toy.rate", False, ())


def test_a_plug_in_that_fails_on_import(install: Install, found: list[EntryPoint]) -> None:
    entry = install(code="raise RuntimeError('no such thing')")
    error = refusal(found, entry)
    assert error.message == "the plug-in cannot be loaded: RuntimeError: no such thing"
    assert error.where == f"entry point toy = {entry.value}"
    assert error.hint == "mend or uninstall the plug-in"


def test_a_plug_in_that_is_no_protocol(install: Install, found: list[EntryPoint]) -> None:
    error = refusal(found, install(code="PROTOCOL = 3"))
    assert error.message == "expected a Protocol with an id, found int"


def test_a_protocol_without_an_id(install: Install, found: list[EntryPoint]) -> None:
    error = refusal(found, install(code=PROTOCOL.replace('id = "toy"', "")))
    assert error.message == "expected a Protocol with an id, found Toy"


def test_a_plug_in_without_parameters(install: Install, found: list[EntryPoint]) -> None:
    error = refusal(found, install(parameters=None))
    assert error.message == "cannot read: No such file or directory"
    assert str(error.where).endswith("protocol.yaml")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("parameters", "turn_limit: 3", "turn_limit: 0", "turn_limit: 0 is less than the minimum"),
        ("parameters", "arms: [a, b]", "arms: []", "arms: [] should be non-empty"),
        ("parameters", "public_key", "secret_key", "'public_key' is a required property"),
        ("indicator", "kind: rate", "kind: mean", "kind: 'mean' is not one of"),
        ("indicator", "value: 0.05", "value: 5.0", "thresholds.0.value"),
        ("indicator", "id: toy.rate", "id: toy.other", "disagree on indicator and id"),
        ("indicator", 'version: "1.0"', 'version: "2.0"', "disagree on version: 1.0, 2.0"),
        ("indicator", "treatment: a", "treatment: c", "arms that protocol.yaml does not have"),
    ],
)
def test_a_definition_that_breaks_its_schema_or_itself(
    install: Install, found: list[EntryPoint], file: str, old: str, new: str, message: str
) -> None:  # fmt: skip
    text = {"parameters": PARAMETERS, "indicator": INDICATOR}[file]
    assert old in text
    error = refusal(found, install(**{file: text.replace(old, new)}))
    assert message in error.message


def test_two_plug_ins_of_one_id(install: Install, found: list[EntryPoint]) -> None:
    error = refusal(found, install(), install())
    assert error.message == "two plug-ins define a protocol 'toy'"


def test_every_shipped_protocol_is_of_the_standard() -> None:
    assert all(protocol.standard for protocol in installed_protocols().values())
