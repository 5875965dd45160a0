"""Endpoints that misbehave: every failure is named, hinted at, and loses nothing."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from steelyard.redteam.targets import TargetServer, parse_target

from .assessing import STEELYARD, Said, in_process, plain

# The engine leaves its HTTP clients' sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Assess = Callable[..., Said]
Answer = tuple[int, str, bytes]

CHECK_HINT = "hint: check that the endpoint runs and that its key is set, then run again\n"
PROTOCOL_HINT = "hint: check that it speaks the chat completions protocol\n"
JSON = "application/json"


class BadServer(ThreadingHTTPServer):
    """Answers request n (from 1, the run's first small call) with whatever `answer(n)` says."""

    daemon_threads = True

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BadServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests += 1
            status, kind, body = self.server.answer(self.server.requests)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def completion(text: str | None = None, calls: list[tuple[str, str]] | None = None) -> Answer:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call-{number}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for number, (name, arguments) in enumerate(calls)
        ]
    return reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


def reply(body: dict[str, Any], status: int = 200) -> Answer:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    whole = {
        "id": "x", "object": "chat.completion", "created": 0, "model": "m", "usage": usage, **body,
    }  # fmt: skip
    return status, JSON, json.dumps(whole).encode()


def error(status: int) -> Answer:
    return status, JSON, json.dumps({"error": {"message": "no", "type": "x"}}).encode()


def after_the_first(answer: Answer) -> Callable[[int], Answer]:
    return lambda number: completion("OK") if number == 1 else answer


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def assess(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Assess:
    def call(model: str, *options: str) -> Said:
        small = ("--domain", "deception", "--samples", "2", "--seed", "s", "--out", str(out))
        return in_process(monkeypatch, capsys, "assess", model, *small, *options)

    return call


def test_an_unknown_provider(assess: Assess, out: Path) -> None:
    said = assess("nosuch/model")
    assert said.status == 2
    assert said.err == (
        "error: Model API nosuch of model 'nosuch/model' not recognized.\n"
        "hint: write provider/model, e.g. ollama/llama3.1\n"
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "honest",
            (
                "error: 'honest' names no provider\n"
                "hint: write provider/model, e.g. ollama/llama3.1, or a URL\n"
            ),
        ),
        (
            "steelyard/saint",
            (
                "error: no reference target 'saint'\nhint: targets: organism, honest, mixed, "
                "deceptive, refusing, malformed, stalling, hostile, judge, auditor, keeper\n"
            ),
        ),
        (
            "steelyard/honest?r=0.1",
            (
                "error: reference target has no parameter 'r'\nhint: parameters: a, aware, broken, "
                "busy, competence, delta, drift, flood, loop, malformed, p, parse_failure, "
                "password, patch, persuasion, position_bias, q, refusal, rho, sandbag, se, seed, "
                "sp, theta, timeout, trigger, unknown_tool, verbosity, p_<arm>, skill_<number>\n"
            ),
        ),
        (
            "steelyard/organism?p_oposed=0.1",
            (
                "error: no installed protocol has an arm 'oposed'\nhint: arms: aligned, benign, "
                "better, chat, granted, guarded, harmful, incentive, instructed, main, neutral, "
                "open, opposed, penalty, permitted, plain, prepared, pressed, provisioned, quiet, "
                "restricted, restricting, side, steer, swept, uninstructed, unruled, unwatched, "
                "walled, watched, worse\n"
            ),
        ),
        ("steelyard/honest?p=2", "error: p='2' is no rate between 0 and 1\n"),
    ],
)
def test_a_name_that_means_nothing(assess: Assess, out: Path, model: str, message: str) -> None:
    assert assess(model) == Said(2, "", message)
    assert not out.exists()


def test_nothing_listens(assess: Assess) -> None:
    said = assess("http://127.0.0.1:9/v1#m", "--call-retries", "0")
    assert said.status == 3
    assert "error: http://127.0.0.1:9/v1#m cannot be called (" in said.err
    assert said.err.endswith(CHECK_HINT)


def test_nothing_listens_and_no_model_is_named(assess: Assess) -> None:
    assert assess("http://127.0.0.1:9/v1") == Said(
        3,
        "",
        "error: http://127.0.0.1:9/v1 does not list its models: <urlopen error [Errno 111] "
        "Connection refused>\nhint: give the base URL that ends in /v1, the model after '#', a key "
        "in STEELYARD_API_KEY\n",
    )


@pytest.mark.parametrize(
    ("answer", "status", "reason", "hint"),
    [
        (error(500), 3, "http_500", CHECK_HINT),
        (error(401), 3, "http_401", CHECK_HINT),
        (error(404), 2, "http_404", "hint: check the model's name at the provider\n"),
        ((200, "text/html", b"<html>Sign in</html>"), 3, "endpoint_error", CHECK_HINT),
        ((200, JSON, b'{"choices": [{"mess'), 3, "endpoint_error", CHECK_HINT),
        (reply({"choices": []}), 3, "endpoint_error.no_choices", PROTOCOL_HINT),
        (reply({"choices": None}), 3, "endpoint_error", CHECK_HINT),
    ],
    ids=["500", "401", "404", "html", "truncated", "no choices", "null choices"],
)
def test_an_endpoint_that_fails_from_the_start(
    assess: Assess, answer: Answer, status: int, reason: str, hint: str
) -> None:
    with BadServer(lambda _: answer) as server:
        said = assess(f"{server.url}#m", "--call-retries", "0")
        assert said.status == status, said
        assert f"error: {server.url}#m cannot be called ({reason}" in said.err
        assert said.err.endswith(hint)


def test_an_unknown_model_of_a_real_server(assess: Assess) -> None:
    with TargetServer() as server:
        said = assess(f"{server.url}#saint")
        assert said.status == 2
        assert f"error: {server.url}#saint cannot be called (http_404)" in said.err


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (completion("Certainly! Here is my plan."), "malformed", "no_valid_call"),
        (completion(""), "malformed", "no_valid_call"),
        (completion(None), "malformed", "no_valid_call"),
        (completion("I'm sorry, I can't."), "refusal", "refused_in_text"),
        (completion(calls=[("check_reading", '{"units": 7')]), "malformed", "no_valid_call"),
        (completion(calls=[("check_reading", "[1]")]), "malformed", "no_valid_call"),
        (completion(calls=[("nothing", "{}")] * 3), "malformed", "no_valid_call"),
        (completion(calls=[("check_reading", '{"units": NaN}')]), "malformed", "no_valid_call"),
        (completion(calls=[("check_reading", f'{{"units": 1{"0" * 99}}}')]), "malformed",
         "no_valid_call"),
        (completion(calls=[("decline", '{"reason": "\\ud800"}')]), "infrastructure_error",
         "endpoint_error.UnicodeEncodeError"),
        (completion("\ud800"), "infrastructure_error", "endpoint_error.UnicodeEncodeError"),
        (error(500), "infrastructure_error", "http_500"),
        ((200, "text/html", b"<html></html>"), "infrastructure_error", "endpoint_error"),
        ((200, JSON, b'{"choices": [{"mess'), "infrastructure_error", "endpoint_error"),
        (reply({"choices": []}), "infrastructure_error", "endpoint_error.no_choices"),
    ],
    ids=[
        "text only", "empty", "null", "refusal", "cut arguments", "list arguments", "no such tool",
        "nan", "huge", "lone surrogate in an argument", "lone surrogate", "500", "html", "cut json",
        "no choices",
    ],
)  # fmt: skip
def test_a_model_that_answers_uselessly_gets_a_passport_that_says_so(
    assess: Assess, out: Path, answer: Answer, outcome: str, reason: str
) -> None:
    with BadServer(after_the_first(answer)) as server:
        said = assess(f"{server.url}#m", "--call-retries", "0", "--samples", "1")
    assert said.status == 0, said.err
    rows = plain(out)
    assert [row["outcome"] for row in rows] == [outcome] * 2
    assert all(str(row["reason"]).startswith(reason) for row in rows), rows
    claim = json.loads((out / "classification.json").read_bytes())
    assert claim["overall"]["level"] == 3
    assert claim["overall"]["status"] != "established"


def test_a_stalling_endpoint_is_a_time_out_and_lowers_no_level(assess: Assess, out: Path) -> None:
    with TargetServer() as server:
        said = assess(f"{server.url}#stalling", "--call-timeout", "1", "--call-retries", "0")
    assert said.status == 0, said.err
    assert [(row["outcome"], row["reason"]) for row in plain(out)] == [
        ("infrastructure_error", "timeout")
    ] * 4
    claim = json.loads((out / "classification.json").read_bytes())
    assert (claim["overall"]["level"], claim["overall"]["status"]) == (3, "presumptive")


def test_a_busy_endpoint_is_asked_again_until_it_answers(assess: Assess, out: Path) -> None:
    with TargetServer(default=parse_target("honest?busy=0.3")) as server:
        said = assess(f"{server.url}#any")
        requests = next(server.counter)
    assert said.status == 0, said.err
    assert [row["outcome"] for row in plain(out)] == ["no_behaviour"] * 4
    assert requests > 1 + 4 * 2  # the first small call, and two calls for each sample


def test_an_endpoint_that_dies_stops_the_run_and_a_resumed_run_loses_nothing(
    assess: Assess, out: Path
) -> None:
    # Each failing call is tried thrice, over a second; several fail meanwhile.
    many = ("--samples", "25", "--connections", "6", "--call-retries", "0")
    target = "organism?p=0.5&seed=x"
    journal = out / "evidence" / "journal.jsonl"
    with subprocess.Popen(
        [str(STEELYARD), "lab", "serve", target, "--port", "0", "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        threading.Thread(target=_kill_after, args=(server, journal, 10), daemon=True).start()
        said = assess(f"{url}#m", *many)
    assert said.status == 3
    assert "error: 25 calls in a row failed, last: " in said.err
    assert said.err.endswith(
        "hint: complete samples are kept; mend the endpoint, then run again with --resume\n"
    )
    intent = (out / "statements" / "run-intent.dsse.json").read_bytes()
    kept = [line for line in journal.read_bytes().splitlines() if b"infrastructure" not in line]
    assert len(kept) >= 10
    assert not (out / "passport.zip").exists()

    port = int(url.removesuffix("/v1").rpartition(":")[2])
    with TargetServer(port=port, default=parse_target(target)) as revived:
        said = assess(f"{url}#m", *many, "--resume")
        calls = next(revived.counter)
    assert said.status == 0, said.err
    assert calls == 1 + 2 * (50 - len(kept))
    assert (out / "statements" / "run-intent.dsse.json").read_bytes() == intent
    assert len(plain(out)) == 50
    assert {row["outcome"] for row in plain(out)} == {"behaviour", "no_behaviour"}


def _kill_after(server: subprocess.Popen[str], journal: Path, lines: int) -> None:
    """Kill a server as soon as a journal has so many lines."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if journal.exists() and journal.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.005)
    server.kill()
