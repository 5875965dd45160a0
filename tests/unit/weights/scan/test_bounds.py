"""What a scan of one file may cost, and that what lies beyond a bound is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.kernel.errors import UnsafeArchive
from steelyard.weights.scan import part, scan_model, scan_source
from steelyard.weights.scan.part import Allowance
from steelyard.weights.scan.pickles import walk
from steelyard.weights.scan.source import MemorySource

from .assembling import HARMLESS, MAGIC_NUMBER, onnx, wrapped, zipped
from .hostile_archives import tarred
from .hostile_readings import entry, records

NOTHING = b"N0" * 1000
LIMITED = [("archive-limit", "more than 3 members")]


def found(data: bytes, name: str) -> list[tuple[str, str]]:
    return [(f.code, f.text) for f in scan_source(MemorySource(data), name)]


def importing(count: int) -> bytes:
    """A pickle with as many imports that are findings."""
    return b"".join(b"cm%d\nx\n0" % n for n in range(count)) + b"N."


@pytest.mark.parametrize(
    "first", [b"", b"N.", b"L%dL\n." % MAGIC_NUMBER], ids=["alone", "second", "legacy"]
)
def test_a_later_pickle_that_is_given_up_is_told(
    monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    monkeypatch.setattr(part, "OPCODE_LIMIT", 2000)
    data = first + NOTHING + HARMLESS + b"."
    assert found(data, "notes.txt") == [
        ("pickle-broken", "read as a pickle, it has more than 2000 opcodes")
    ]
    monkeypatch.setattr(part, "OPCODE_LIMIT", 4000)
    assert [code for code, _ in found(data, "notes.txt")] == ["polyglot"]


def test_opcodes_are_counted_of_a_file_and_not_of_each_member(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part, "OPCODE_LIMIT", 5000)
    assert found(zipped({"a.pkl": NOTHING + b"N.", "b.pkl": NOTHING + b"N."}), "m.zip") == []
    members = {f"{name}.pkl": NOTHING + b"N." for name in "abc"}
    assert found(zipped(members), "m.zip") == [
        ("pickle-broken", "it breaks off: more than 5000 opcodes")
    ]


def test_more_pickles_than_are_followed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "_PICKLE_LIMIT", 3)
    assert found(b"N." * 3, "notes.txt") == []
    assert found(b"N." * 3 + HARMLESS + b".", "notes.txt") == [
        ("pickle-broken", "read as a pickle, more than 3 stand one behind the other")
    ]


def test_more_pickles_than_are_followed_in_an_array_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walk, "_PICKLE_LIMIT", 3)
    assert found(wrapped("u1", b"0N.N."), "m.joblib") == []
    assert found(wrapped("u1", b"0N." + b"N." * 2 + HARMLESS + b"."), "m.joblib") == [
        ("pickle-broken", "its arrays, read as opcodes, give more than 3 pickles")
    ]


@pytest.mark.parametrize("count", [499, 500])
def test_as_many_findings_as_are_listed(count: int) -> None:
    data = zipped({f"m{n}.pkl": importing(1) for n in range(count)})
    assert [code for code, _ in found(data, "m.zip")] == ["pickle-global"] * count


def test_more_findings_than_are_listed() -> None:
    told = found(zipped({f"m{n}.pkl": importing(3) for n in range(300)}), "m.zip")
    assert len(told) == 501
    assert told[-1] == ("findings-limit", "more than 500 findings")


def test_findings_of_the_load_closure_count_with_those_of_their_file(tmp_path: Path) -> None:
    names = [{"_name_or_path": f"acme/m{n}"} for n in range(600)]
    code = {"auto_map": {"AutoModel": "m.M"}}
    (tmp_path / "config.json").write_text(json.dumps([*names, code]), "utf-8")
    (tmp_path / "other.json").write_text(json.dumps(names[:500]), "utf-8")
    report = scan_model(tmp_path)
    codes = [finding.code for finding in report.findings if finding.file == "config.json"]
    assert len(codes) == 501
    assert {"code-at-load", "findings-limit"} < set(codes)
    others = [finding.code for finding in report.findings if finding.file == "other.json"]
    assert others == ["name-reference"] * 500
    assert report.verdict == "blocked"


def test_shards_that_are_missing_are_told_up_to_the_limit(tmp_path: Path) -> None:
    index = {"weight_map": {f"t{n}": f"s{n}.safetensors" for n in range(700)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    codes = [finding.code for finding in scan_model(tmp_path).findings]
    assert (codes.count("shard-missing"), codes.count("findings-limit")) == (500, 1)


def test_members_beyond_the_allowance() -> None:
    allowance = Allowance()
    allowance.members = 1
    allowance.open_member(1)
    with pytest.raises(UnsafeArchive, match=r"^more than 200000 members$"):
        allowance.open_member(1)
    with pytest.raises(UnsafeArchive, match=r"^archives are nested deeper than 8$"):
        Allowance().open_member(9)


@pytest.mark.parametrize("kind", [b"0", b"5"], ids=["files", "folders"])
def test_members_of_a_tar_count_once(monkeypatch: pytest.MonkeyPatch, kind: bytes) -> None:
    monkeypatch.setattr(part, "MEMBER_LIMIT", 3)
    assert found(tarred([(f"d{n}", kind, b"") for n in range(3)]), "m.tar") == []
    assert found(tarred([(f"d{n}", kind, b"") for n in range(4)]), "m.tar") == LIMITED


def test_headers_of_a_tar_count_where_no_member_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part, "MEMBER_LIMIT", 3)
    said = entry("pax_global_header", b"g", records({"comment": "0" * 40}))
    file = tarred([("a", b"0", b"")])
    assert found(said * 2 + file, "m.tar") == []
    assert found(said * 9 + file, "m.tar") == LIMITED


def test_messages_of_a_graph_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from steelyard.weights.scan.readers import onnx as reader  # noqa: PLC0415 - named as a file is

    monkeypatch.setattr(reader, "_NODE_LIMIT", 1)
    assert found(onnx(), "m.onnx") == [("header-limit", "more than 1 messages")]
