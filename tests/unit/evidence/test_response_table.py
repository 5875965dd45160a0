"""Plain tables of responses, CSV and Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from steelyard.evidence import ImportOptions, Record, read_evidence
from steelyard.evidence.parquet import write_parquet
from steelyard.kernel.errors import DuplicateRecord, MalformedEvidence, UsageError

if TYPE_CHECKING:
    from pathlib import Path

CYBER = ImportOptions(domain="cyber", indicator="cyber.horizon")


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "responses.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_fill_fields_and_covariates(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "model,agent,item,task_family,score,total_tokens,human_minutes,human_source,input_tokens\n"
        'GPT-2,openai/gpt2,"a,1",fam,1,120,12.5,completion,7\n'
        "GPT-2,openai/gpt2,b,fam,0,,,,\n",
    )
    first, second = read_evidence(path, CYBER).records()
    assert first == Record(
        model="GPT-2", protocol="imported", protocol_version="unknown", domain="cyber",
        indicator="cyber.horizon", item="a,1", template="fam", outcome="behaviour", score=1.0,
        covariates={"human_minutes": 12.5}, measures={"total_tokens": 120.0}, input_tokens=7,
        source="response_table",
    )  # fmt: skip
    assert (second.outcome, second.score) == ("no_behaviour", 0.0)
    assert (second.covariates, second.measures, second.input_tokens) == ({}, {}, None)


def test_parquet_table(tmp_path: Path) -> None:
    path = tmp_path / "responses.parquet"
    types = {
        "model": "VARCHAR", "item": "BIGINT", "score": "DOUBLE", "human_minutes": "DOUBLE",
        "epoch": "INTEGER", "arm": "VARCHAR", "weight": "DECIMAL(4, 2)", "Bad Name": "DOUBLE",
        "solved": "BOOLEAN",
    }  # fmt: skip
    columns = {
        "model": ["m", "m"], "item": [1, 1], "score": [0.5, None],
        "human_minutes": [float("nan"), 3.0], "epoch": [1, 2], "arm": [None, "x"],
        "weight": [0.25, 0.5], "Bad Name": [1.0, 2.0], "solved": [True, False],
    }  # fmt: skip
    write_parquet(path, types, columns)
    first, second = read_evidence(path, CYBER).records()
    assert (first.item, first.epoch, first.arm, first.score) == ("1", 1, "default", 0.5)
    assert first.covariates == {"weight": 0.25, "solved": 1.0}
    assert (second.outcome, second.reason) == ("malformed", "no score in the table")
    assert (second.arm, second.epoch) == ("x", 2)
    assert second.covariates == {"human_minutes": 3.0, "weight": 0.5, "solved": 0.0}


def test_the_file_states_and_options_win(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "model,item,score,domain,indicator,protocol,protocol_version,elicitation,kind\n"
        "m,i,1,cyber,cyber.horizon,p,3,E1,k\n",
    )
    (stated,) = read_evidence(path, ImportOptions()).records()
    named = (stated.domain, stated.indicator, stated.protocol, stated.protocol_version)
    assert named == ("cyber", "cyber.horizon", "p", "3")
    assert (stated.elicitation, stated.template) == ("E1", "i")
    given = ImportOptions(domain="deception", protocol="q", template_field="kind", model="n")
    (changed,) = read_evidence(path, given).records()
    shown = (changed.domain, changed.protocol, changed.template, changed.model)
    assert shown == ("deception", "q", "k", "n")


def test_domain_and_indicator_are_asked_for(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "model,item,score,human_minutes\nm,i,1,5\n")
    with pytest.raises(UsageError) as caught:
        read_evidence(path, ImportOptions())
    assert caught.value.message == "the file does not state its domain"
    assert caught.value.hint == ("name the indicator with --indicator; its domain follows")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("37", "score 37.0 is no number in [0, 1]"),
        ("-1", "score -1.0 is no number in [0, 1]"),
        ("NaN", "score nan is no number in [0, 1]"),
        ("pass", "score 'pass' is no number"),
    ],
)
def test_unusable_scores_are_named(tmp_path: Path, cell: str, message: str) -> None:
    path = csv_file(tmp_path, f"model,item,score\nm,a,1\nm,b,{cell}\n")
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(path, CYBER)
    assert str(caught.value) == f"responses.csv:2.score: {message}"
    assert caught.value.hint != ""


def test_an_empty_score_is_missing(tmp_path: Path) -> None:
    (found,) = read_evidence(csv_file(tmp_path, "model,item,score\nm,a,\n"), CYBER).records()
    shown = (found.outcome, found.score, found.reason)
    assert shown == ("malformed", None, "no score in the table")


def test_repeats_without_an_epoch(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "model,item,score\nm,a,1\nm,a,0\n")
    with pytest.raises(DuplicateRecord) as caught:
        read_evidence(path, CYBER)
    assert caught.value.hint == "repeats need an `epoch` column that counts them from 1"


def test_repeats_with_equal_epochs(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "model,item,score,epoch\nm,a,1,1\nm,a,0,1\n")
    with pytest.raises(DuplicateRecord) as caught:
        read_evidence(path, CYBER)
    assert caught.value.hint == "repeats need distinct epochs; keep each run's file once"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("model,item,score\nm,a,1\nm,b\n", "responses.csv:3", "2 cells under 3 column names"),
        ("model,item,score,epoch\nm,a,1,1.5\n", "responses.csv:1.epoch", "is no whole number"),
        ("model,item,score,seconds\nm,a,1,x\n", "responses.csv:1.seconds", "is no finite number"),
        ("model,item,score,m\nm,a,1,inf\n", "responses.csv:1.m", "'inf' is no finite number"),
        ("model,item,score\nm,,1\n", "responses.csv:1.item", "None is no printable label"),
        ("model,item,score,epoch\nm,a,1,0\n", "responses.csv:1.epoch", "at least 1, found 0"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, text: str, where: str, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read_evidence(csv_file(tmp_path, text), CYBER)
    assert caught.value.where == where
    assert message in caught.value.message


def test_broken_csv(tmp_path: Path) -> None:
    twice = csv_file(tmp_path, "model,item,score,score\nm,a,1,0\n")
    with pytest.raises(MalformedEvidence, match="two columns share a name"):
        read_evidence(twice, CYBER)
    quoted = csv_file(tmp_path, 'model,item,score\nm,"a,1\n')
    with pytest.raises(MalformedEvidence, match="not a readable CSV file: unexpected end"):
        read_evidence(quoted, CYBER)
    (tmp_path / "responses.csv").write_bytes(b"model,item,score\nm,\xff,1\n")
    with pytest.raises(MalformedEvidence, match="not a readable CSV file: 'utf-8'") as caught:
        read_evidence(tmp_path / "responses.csv", CYBER)
    assert caught.value.hint == "save it as UTF-8 CSV"


def test_byte_order_mark_of_spreadsheets(tmp_path: Path) -> None:
    path = tmp_path / "responses.csv"
    path.write_text("\ufeffmodel,item,score\r\nm,a,1\r\n", encoding="utf-8", newline="")
    assert len(read_evidence(path, CYBER)) == 1


def test_file_names_are_never_part_of_a_query(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s "a" *[b]?; DROP.parquet'
    types = {"model": "VARCHAR", "item": "VARCHAR", "score": "BIGINT", 'a"b': "BIGINT"}
    write_parquet(path, types, {"model": ["m"], "item": ["i"], "score": [1], 'a"b': [1]})
    (found,) = read_evidence(path, CYBER).records()
    assert found.covariates == {}
