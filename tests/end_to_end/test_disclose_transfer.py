"""`steelyard disclose consent` and `transfer` on signed answers of three laboratories."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import PrivateKey, generate_key, load_private_key, save_key
from steelyard.cli.main import run
from steelyard.disclosure.reproducer.commitment import Root
from steelyard.disclosure.reproducer.consent import sign_consent
from steelyard.disclosure.reproducer.document import parse_reproducer
from steelyard.disclosure.reproducer.query import (
    Counts,
    Query,
    Ran,
    make_answer,
    sign_answer,
    sign_query,
)
from steelyard.disclosure.reproducer.verdict import Finding, Verdict
from steelyard.kernel import utc_now
from steelyard.standard import check_schema

from .test_disclose_reproduce import document

CLASSES = ("secret-disclosure", "quoted-orders")
LABS = ("alpha", "beta", "gamma")
NOW = utc_now()


def answered(folder: Path, name: str, lab: str, key: PrivateKey, query: Query, k: int) -> None:
    finding = Finding(Verdict.AFFECTED, k / 20, 0.1, 0.9, 20, 0.0, None, "")
    ran = Ran(query.reproducer, f"{lab}/m", "test", finding, Counts(k, 20, 20), Root("b" * 64, 40))
    answer = make_answer(query, ran, level="counts", now=NOW)
    (folder / f"{name}-{lab}.json").write_bytes(sign_answer(answer, key))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two queries; three answers to the first, two to the second."""
    monkeypatch.chdir(tmp_path)
    asker = generate_key()
    save_key(asker, tmp_path / "asker.pem")
    keys = {lab: generate_key() for lab in LABS}
    for lab, key in keys.items():
        save_key(key, tmp_path / f"{lab}.pem")
    for number, name in enumerate(CLASSES):
        value = document(flaw_class=name)
        (tmp_path / f"{name}.json").write_text(json.dumps(value), "utf-8")
        digest = parse_reproducer(value, where="r").digest
        query = Query("vault-7", digest, "counts", f"{number}" * 32, NOW, NOW + timedelta(days=1))
        (tmp_path / f"{name}.query").write_bytes(sign_query(query, asker))
        for lab, k in zip(LABS[: 3 - number], (18, 2, 12), strict=False):
            answered(tmp_path, name, lab, keys[lab], query, k)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    capsys.readouterr()
    answers = [str(path.name) for path in sorted(Path().glob("*-*-*.json"))]
    given = [f"--query={name}.query" for name in CLASSES]
    given += [f"--reproducer={name}.json" for name in CLASSES]
    given += [f"--signer={lab}.pem.pub" for lab in LABS]
    status = run(["disclose", "transfer", *answers, *given, "--asker", "asker.pem.pub", *more])
    seen = capsys.readouterr()
    return status, seen.out, seen.err


def consent(lab: str, name: str, **changes: str) -> list[str]:
    """The command by which a laboratory consents, with options changed."""
    given = {
        "query": f"{name}.query", "asker": "asker.pem.pub", "target": f"{lab}/m",
        "out": f"{lab}-{name}.consent", "key": f"{lab}.pem", **changes,
    }  # fmt: skip
    options = [f"--{option}={value}" for option, value in given.items()]
    return ["disclose", "consent", f"{name}-{lab}.json", *options]


def agree(lab: str, name: str) -> str:
    assert run(consent(lab, name)) == 0
    return f"--consent={lab}-{name}.consent"


def test_who_was_not_asked_yet_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys)
    assert (status, sorted(place.glob("*.matrix"))) == (0, [])
    assert out.startswith("quoted-orders: 1 not tested\n  gamma/m  ")
    assert out.endswith("secret-disclosure: all were tested\n")
    assert err == "note: nothing about a target follows from this; it says whom to ask first\n"
    status, out, _ = said(capsys, "--json")
    found: Any = json.loads(out)
    check_schema(found, "transfer-ranking", where="transfer")
    assert [row["target"] for row in found["next"]] == ["gamma/m"]


def test_what_is_published_has_consent_of_the_answers_own_key(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreed = [agree(lab, CLASSES[0]) for lab in ("alpha", "beta")]
    answer = (place / f"{CLASSES[0]}-gamma.json").read_bytes()
    stolen = sign_consent(answer, "gamma/m", load_private_key(place / "beta.pem"), now=NOW)
    (place / "stolen.consent").write_bytes(stolen)
    agreed.append("--consent=stolen.consent")
    ended = ["--out", "m.json", "--embargo-end", "2026-01-01T00:00:00Z"]
    status, _, err = said(capsys, *agreed, *ended)
    assert (status, "published: m.json; 3 of 5 answers have no cell in it\n" in err) == (0, True)
    assert "note: a consent is to none of these answers" in err
    found: Any = json.loads((place / "m.json").read_bytes())
    check_schema(found, "transfer-matrix", where="m.json")
    assert [cell["target"] for cell in found["cells"]] == ["alpha/m", "beta/m"]
    assert "gamma" not in str(found)


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"key": "beta.pem"}, 3, "affectedness-answer: "),
        ({"query": f"{CLASSES[1]}.query"}, 3, "it answers query "),
        ({"asker": "beta.pem.pub"}, 3, "affectedness-query: "),
        ({"target": "alpha/n"}, 2, "the answer is about 'alpha/m', not about 'alpha/n'"),
    ],
)
def test_nobody_consents_to_what_is_no_answer_of_their_own_in_the_case(
    changes: dict[str, str], status: int, told: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(consent("alpha", CLASSES[0], **changes)) == status
    assert told in capsys.readouterr().err
    assert list(place.glob("*.consent")) == []


@pytest.mark.parametrize("content", [b"anything", b"{}"])
def test_nobody_consents_to_just_anything(content: bytes, place: Path) -> None:
    (place / f"{CLASSES[0]}-alpha.json").write_bytes(content)
    assert run(consent("alpha", CLASSES[0])) == 3
    assert list(place.glob("*.consent")) == []


@pytest.mark.usefixtures("place")
def test_who_consents_is_told_the_case(capsys: pytest.CaptureFixture[str]) -> None:
    agree("alpha", CLASSES[0])
    assert capsys.readouterr().err == (
        f"case vault-7: the cell of alpha/m may be published: alpha-{CLASSES[0]}.consent\n"
    )


def test_nothing_is_published_before_the_embargo_ends(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreed = [agree(lab, CLASSES[0]) for lab in ("alpha", "beta")]
    status, _, err = said(
        capsys, *agreed, "--out", "m.json", "--embargo-end", "2126-01-01T00:00:00Z"
    )
    assert (status, (place / "m.json").exists()) == (1, False)
    assert err.startswith("error: the embargo ends at 2126-01-01T00:00:00Z")
    status, _, err = said(capsys, "--out", "m.json")
    assert (status, err.splitlines()[0]) == (
        2, "error: a matrix is published with --out and --embargo-end",
    )  # fmt: skip


def test_one_answer_is_not_counted_twice(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = place / f"{CLASSES[0]}-alpha.json"
    (place / f"{CLASSES[0]}-again.json").write_bytes(first.read_bytes())
    status, _, err = said(capsys)
    assert (status, "target alpha/m has answered this query" in err) == (3, True)


def test_an_answer_about_a_reproducer_that_was_not_given_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / f"{CLASSES[1]}.json").write_bytes((place / f"{CLASSES[0]}.json").read_bytes())
    status, _, err = said(capsys)
    assert (status, "which is none of the reproducers" in err) == (2, True)


def test_an_answer_to_a_query_that_was_not_given_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / f"{CLASSES[1]}.query").write_bytes((place / f"{CLASSES[0]}.query").read_bytes())
    status, _, err = said(capsys)
    assert (status, "which is none of those asked" in err) == (3, True)
