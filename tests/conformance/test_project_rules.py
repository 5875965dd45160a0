from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


house = script("house_rules")
links = script("doc_links")
RULES = house.load_rules()


def broken_rules(tmp_path: Path, files: dict[str, str]) -> list[tuple[str, int, str]]:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return [(f.path, f.line, f.rule) for f in house.findings(tmp_path, sorted(files))]


@pytest.mark.parametrize(
    "body",
    [
        "assert 1",
        "with pytest.raises(ValueError):\n        f()",
        "expect_same(1, 1)",
        "if x:\n        raise AssertionError(x)",
        "checked(1)",
        "for x in y:\n        assert x",
    ],
)
def test_a_test_that_asserts_is_fine(tmp_path: Path, body: str) -> None:
    text = f"def checked(x):\n    assert x\n\n\ndef test_it():\n    {body}\n"
    assert broken_rules(tmp_path, {"tests/test_a.py": text}) == []


def test_a_test_that_cannot_fail_is_found(tmp_path: Path) -> None:
    text = "def shown(x):\n    print(x)\n\n\ndef test_it():\n    shown(1)\n"
    assert broken_rules(tmp_path, {"tests/test_a.py": text}) == [
        ("tests/test_a.py", 5, "assertion")
    ]


@pytest.mark.parametrize(
    ("comment", "code", "echoes"),
    [
        ("# Load the rules", "rules = load_rules()", True),
        ("# increment counts", "count = count.increment()", True),
        ("# the disk may be full", "write(path)", False),
        ("# rules", "rules = 1", False),
        ("# RFC 9162 section 2.1", "root = tree_root(leaves)", False),
    ],
)
def test_a_comment_that_repeats_the_code_is_found(
    tmp_path: Path, comment: str, code: str, *, echoes: bool
) -> None:
    found = broken_rules(tmp_path, {"src/a.py": f"{comment}\n{code}\n"})
    assert found == ([("src/a.py", 1, "echo")] if echoes else [])


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("src/" + "utils.py", "x = 1\n", 1),
        ("src/a.py", "class Case" + "Manager:\n    pass\n", 1),
        ("src/a.py", "x = 1\n\n\ndef process" + "_data():\n    return 1\n", 4),
    ],
)
def test_names_that_say_nothing_are_found(tmp_path: Path, path: str, text: str, line: int) -> None:
    assert broken_rules(tmp_path, {path: text}) == [(path, line, "name")]


def test_a_long_file_is_found_and_one_line_less_is_not(tmp_path: Path) -> None:
    assert broken_rules(tmp_path, {"src/a.py": "x = 1\n" * 401}) == [("src/a.py", 401, "length")]
    assert broken_rules(tmp_path, {"src/a.py": "x = 1\n" * 400}) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("TO" + "DO later", "unfinished"),
        ("see iss" + "ue #12", "production"),
        ("as an " + "AI", "production"),
        ("/ho" + "me/someone/data", "machine"),
        ("/wo" + "rk/main", "machine"),
        ("/tm" + "p/out.zip", "machine"),
        ("from https://py" + "pi.org/simple", "machine"),
    ],
)
def test_words_that_do_not_belong_are_found(tmp_path: Path, line: str, rule: str) -> None:
    assert broken_rules(tmp_path, {"docs/a.md": f"# Title\n\n{line}\n"}) == [("docs/a.md", 3, rule)]


@pytest.mark.parametrize(
    "line", ["a framework/work/plan", "the task ends", "an agent with tools", "a mastodon"]
)
def test_ordinary_words_are_not(tmp_path: Path, line: str) -> None:
    assert broken_rules(tmp_path, {"docs/a.md": line + "\n"}) == []


@pytest.mark.parametrize(
    "line",
    ["--index-url x", "--extra-index-url x", "-f wheels", "--find-links w", "a @ file", "x://y"],
)
def test_a_lock_file_with_an_address_is_found(tmp_path: Path, line: str) -> None:
    found = broken_rules(tmp_path, {"requirements/a.txt": f"a==1\n{line}\n"})
    assert found == [("requirements/a.txt", 2, "lock")]


def test_a_crowded_root_is_found(tmp_path: Path) -> None:
    files = {f"f{number:02}": "" for number in range(16)}
    assert broken_rules(tmp_path, files) == [(".", 1, "root")]
    files.pop("f00")
    assert broken_rules(tmp_path, files) == []


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "b.md").write_text("# A title, here\n", "utf-8")
    page = docs / "a.md"
    page.write_text(
        "[ok](b.md#a-title-here) [gone](c.md) [no](b.md#absent) [net](https://example.org)\n"
        "`docs/b.md` `docs/c.md`\n```\n[in code](d.md)\n```\n",
        "utf-8",
    )
    assert list(links.broken(tmp_path, page)) == [
        "docs/a.md: c.md does not exist",
        "docs/a.md: b.md#absent has no such heading",
        "docs/a.md: `docs/c.md` does not exist",
    ]


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)(?: ;.*)? \\$", text, re.MULTILINE))


def declared() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    base = project["project"]["dependencies"]
    redteam = base + project["project"]["optional-dependencies"]["redteam"]
    build = project["dependency-groups"]["build"]
    dev = redteam + build + project["dependency-groups"]["dev"]
    return {"base": base, "redteam": redteam, "build": build, "dev": dev}


@pytest.mark.parametrize("name", ["base", "redteam", "build", "dev"])
def test_the_lock_holds_everything_the_project_declares(name: str) -> None:
    wanted = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in declared()[name]}
    assert wanted - set(locked(name)) == set()


@pytest.mark.parametrize("name", ["base", "redteam", "build"])
def test_no_two_locks_disagree(name: str) -> None:
    dev = locked("dev")
    assert {package: dev.get(package) for package in locked(name)} == locked(name)


@pytest.mark.parametrize("name", ["base", "redteam", "build", "dev", "oracles"])
def test_every_locked_package_carries_a_digest(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_entry_script_is_posix_and_explains_itself() -> None:
    shown = subprocess.run(
        ["/bin/sh", str(ROOT / "dev"), "--help"], check=True, capture_output=True, text=True
    )
    assert shown.stdout.startswith("usage: ./dev COMMAND [ARGUMENTS]\n")
    assert shown.stderr == ""


def test_the_scripts_themselves_parse_on_the_oldest_python() -> None:
    for path in (ROOT / ".ci").glob("*.py"):
        assert ast.parse(path.read_text("utf-8"), feature_version=(3, 11)).body
