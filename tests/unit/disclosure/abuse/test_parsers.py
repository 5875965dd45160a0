"""Whatever others send is read or refused in our words, soon, and with little memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.disclosure.advisory.samples import full

from steelyard.disclosure.advisory import advisory_from, read_advisory
from steelyard.disclosure.deadlines import load_rules, read_facts
from steelyard.kernel.errors import (
    MESSAGE_LIMIT,
    ConfigurationError,
    MalformedEvidence,
    SteelyardError,
)

from .documents import Format, formats
from .hostile import bent, damaged, signed_bent

# Set it higher to look longer: every format gets so many seconds, twice.
SECONDS = float(os.environ.get("STEELYARD_FUZZ_SECONDS", "0.3"))
# What a coordinator opens never raises: a lie is a problem of its author.
SILENT = {"sealed answer in a case", "sealed step in a case"}


def is_refused(form: Format, data: bytes) -> bool:
    try:
        form.read(data)
    except SteelyardError as error:
        words = error.message
    else:
        words = ""
    assert len(words) <= MESSAGE_LIMIT
    return words != ""


@pytest.mark.parametrize("name", formats())
def test_a_good_document_is_read(name: str) -> None:
    form = formats()[name]
    assert form.read(form.good) is not None


@pytest.mark.parametrize("name", formats())
def test_damaged_bytes_are_read_or_refused_in_our_words(name: str) -> None:
    form, drawn = formats()[name], random.Random(name)  # noqa: S311 - the same damage every time
    until, refused = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        refused += is_refused(form, damaged(form.good, drawn))
    assert refused > 0 or name in SILENT


@pytest.mark.parametrize("name", [name for name, form in formats().items() if form.is_json])
def test_any_field_bent_and_signed_by_who_may_sign_is_read_or_refused(name: str) -> None:
    form, drawn = formats()[name], random.Random(name)  # noqa: S311 - the same damage every time
    until, refused = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        if form.key is not None:
            data = signed_bent(form.good, form.key, drawn)
        else:
            data = json.dumps(bent(json.loads(form.good), drawn)).encode()
        refused += is_refused(form, data)
    assert refused > 0 or name in SILENT


_MEASURE = """
import resource, sys, time
from tests.unit.disclosure.abuse.documents import formats
from tests.unit.disclosure.abuse.hostile import huge_texts
from steelyard.kernel.errors import SteelyardError
texts = huge_texts(1 << 20)
for name, form in formats().items():
    form.read(form.good)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, form in formats().items():
    for kind, data in texts.items():
        begun = time.process_time()
        try:
            form.read(data)
        except SteelyardError as error:
            if len(str(error)) > 5000:
                print("long words", name, kind, sep="|")
        if time.process_time() - begun > 2:
            print("slow", name, kind, time.process_time() - begun, sep="|")
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
if grown > 200:
    print("memory", grown, sep="|")
print("done")
"""


def test_a_hostile_megabyte_costs_little_time_and_memory_in_every_format(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        capture_output=True,
        check=False,
        text=True,
        cwd=repository,
    )
    assert done.stdout.splitlines() == ["done"], done.stderr[-2000:]


def test_a_long_advisory_in_yaml_is_refused_unread_and_in_json_it_is_read() -> None:
    data = json.dumps(full()).encode()
    assert read_advisory(data + b" " * 65_536, where="a") == advisory_from(full(), where="a")
    with pytest.raises(MalformedEvidence) as caught:
        read_advisory(b"# of another organization\n" + data + b" " * 65_536, where="a")
    assert "YAML has at most 65536 bytes" in caught.value.message
    assert caught.value.hint == "write it as JSON"
    with pytest.raises(MalformedEvidence, match="at most 4194304 bytes, found 4194305"):
        read_advisory(b"{" * 4_194_305, where="a")


def test_long_facts_are_refused_unread() -> None:
    message = "facts.yaml: facts have at most 65536 characters, found 65537"
    with pytest.raises(ConfigurationError) as caught:
        read_facts("[" * 65_537, load_rules(), where="facts.yaml")
    assert str(caught.value) == message
