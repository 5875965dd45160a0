"""`weights broker`: a real server over real sealed weights, asked, killed, restarted, drilled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pyrage import x25519
from safetensors.numpy import save_file

from steelyard.attest import PrivateKey, generate_key, load_private_key, save_key
from steelyard.attest.http_signatures import HttpRequest, sign_request
from steelyard.cli.main import run
from steelyard.standard import check_schema
from steelyard.weights.broker import BrokerClient
from steelyard.weights.sealed import AgeRecipient, Sealing, seal_model

POLICY = """\
schema: steelyard/broker-policy/1
terms:
  parameters: 40000000
  detection_days: 0.00001
  safety: 2
  principal_share: 0.25
principals:
  - {name: inference-1, organization: Example Lab, key: alice.pem.pub}
  - {name: inference-2, organization: Sample Works, key: bob.pem.pub}
approvers:
  - {name: first, organization: Trust One, key: one.pem.pub}
  - {name: second, organization: Trust Two, key: two.pem.pub}
"""


class Site(NamedTuple):
    """A folder with keys, a policy and sealed weights."""

    folder: Path
    sealed: Path

    def key(self, name: str) -> PrivateKey:
        return load_private_key(self.folder / f"{name}.pem")

    def path(self, name: str) -> str:
        return str(self.folder / name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    for name in ("publisher", "alice", "bob", "one", "two"):
        save_key(generate_key(), folder / f"{name}.pem")
    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    (folder / "plain").mkdir()
    draw = np.random.default_rng(2)
    tensors = {f"w{i}": draw.normal(size=(1 << 20,)).astype(np.float32) for i in range(10)}
    save_file(tensors, folder / "plain" / "model.safetensors")
    recipient = AgeRecipient(str(x25519.Identity.generate().to_public()))
    site = Site(folder, folder / "sealed")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    seal_model(
        folder / "plain",
        site.sealed,
        Sealing("scale-1", 1, [recipient]),
        site.key("publisher"),
        now,
    )
    return site


class Served(NamedTuple):
    """A running `broker serve`."""

    process: subprocess.Popen[str]
    url: str


def serve(site: Site, ledger: Path, *options: str) -> Served:
    arguments = [
        "weights", "broker", "serve", str(site.sealed), "--policy", site.path("policy.yaml"),
        "--publisher", site.path("publisher.pem.pub"), "--ledger", str(ledger), "--port", "0",
        *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        [Path(sys.executable).with_name("steelyard"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("serving scale-1 at http://127.0.0.1:")
    return Served(process, line.split()[-1])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def served(site: Site, ledger: Path) -> Iterator[Served]:
    running = serve(site, ledger)
    yield running
    running.process.kill()
    running.process.wait()


def test_behind_a_proxy_it_says_where_it_listens(site: Site, ledger: Path) -> None:
    running = serve(site, ledger, "--behind-proxy", "--authority", "broker.example")
    try:
        request = HttpRequest("GET", "broker.example", "/v1/status")
        client = BrokerClient(running.url, site.key("alice"), time.time)
        signed = sign_request(request, client.key, created=int(time.time()), nonce=bytes(16))
        answer = client.send(request, signed | {"Host": "broker.example:443"})
    finally:
        running.process.kill()
        running.process.wait()
    # Known, where not told to sign again, as it has only just started.
    assert answer.status in {200, 425}


def patiently(client: BrokerClient, first: int) -> int:
    """Ask as long as the broker says to wait."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        answer = client.segments(1, first, first)
        if answer.status not in {425, 429}:
            return answer.status
        time.sleep(0.2)
    pytest.fail("the broker let nothing through")


def test_counts_survive_a_kill(site: Site, served: Served, ledger: Path) -> None:
    alice = BrokerClient(served.url, site.key("alice"), time.time)
    statuses = [patiently(alice, number) for number in range(3)]
    assert statuses == [200, 200, 403]
    served.process.send_signal(signal.SIGKILL)
    served.process.wait()
    again = serve(site, ledger)
    try:
        alice = BrokerClient(again.url, site.key("alice"), time.time)
        bob = BrokerClient(again.url, site.key("bob"), time.time)
        assert patiently(alice, 0) == 403
        assert patiently(bob, 0) == 200
        assert alice.status()["alarmed"] is True
    finally:
        again.process.kill()
        again.process.wait()


def test_a_grant_loads_the_sealed_folder_bit_for_bit(
    site: Site, served: Served, tmp_path: Path
) -> None:
    approve = [
        "weights", "broker", "grant", str(site.sealed),
        "--publisher", site.path("publisher.pem.pub"),
    ]  # fmt: skip
    first, second, out = tmp_path / "first.json", tmp_path / "second.json", tmp_path / "out"
    alice = ["--principal", site.path("alice.pem.pub")]
    assert run([*approve, *alice, "--key", site.path("one.pem"), "--out", str(first)]) == 0
    fetch = [
        "weights", "broker", "fetch", served.url, "--publisher", site.path("publisher.pem.pub"),
        "--key", site.path("alice.pem"), "--out", str(out),
    ]  # fmt: skip
    assert run([*fetch, "--approval", str(first)]) == 3
    assert not out.exists()
    agree = ["--like", str(first), "--key", site.path("two.pem"), "--out", str(second)]
    assert run([*approve, *agree]) == 0
    both = ["--approval", str(first), "--approval", str(second)]
    assert run([*fetch, *both]) == 0
    for file in site.sealed.iterdir():
        assert (out / file.name).read_bytes() == file.read_bytes()
    assert {file.name for file in out.iterdir()} == {file.name for file in site.sealed.iterdir()}
    assert run([*fetch, *both, "--out", str(tmp_path / "again")]) == 0
    bob = [*fetch, *both, "--key", site.path("bob.pem"), "--out", str(tmp_path / "bob")]
    assert run(bob) == 3


def test_an_approval_overwrites_no_file_and_agrees_to_what_is_there(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    approve = [
        "weights", "broker", "grant", str(site.sealed), "--key", site.path("one.pem"),
        "--publisher", site.path("publisher.pem.pub"),
    ]  # fmt: skip
    alice = ["--principal", site.path("alice.pem.pub")]
    key = Path(site.path("two.pem")).read_bytes()
    assert run([*approve, *alice, "--out", site.path("two.pem")]) == 2
    assert "this exists; nothing is written over it" in capsys.readouterr().err
    assert Path(site.path("two.pem")).read_bytes() == key
    first = tmp_path / "first.json"
    assert run([*approve, *alice, "--out", str(first)]) == 0
    capsys.readouterr()
    agree = [*approve, "--like", str(first), "--out", str(tmp_path / "second.json")]
    for more in (alice, ["--days", "1"], ["--purpose", "review"], ["--purpose", "full-load"]):
        assert run([*agree, *more]) == 2
        assert capsys.readouterr().err == (
            "error: --like agrees to what is there: no --purpose, --principal, --days\n"
        )
    assert not (tmp_path / "second.json").exists()
    assert run([*approve, "--purpose", "review", *alice, "--out", str(tmp_path / "x")]) == 2


def test_a_host_that_is_none_is_a_mistake_of_usage(
    site: Site, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve_at = [
        "weights", "broker", "serve", str(site.sealed), "--policy", site.path("policy.yaml"),
        "--publisher", site.path("publisher.pem.pub"), "--ledger", str(ledger), "--host",
    ]  # fmt: skip
    for host in ("é" * 70, "192.0.2.1"):
        assert run([*serve_at, host]) == 2
        assert "cannot listen: " in capsys.readouterr().err
    assert run([*serve_at, "127.0.0.1", "--client-roots", site.path("policy.yaml")]) == 2
    assert capsys.readouterr().err == (
        "error: --client-roots belongs to TLS\nhint: add --tls-certificate FILE\n"
    )


def test_a_budget_is_printed_by_the_formula(capsys: pytest.CaptureFixture[str]) -> None:
    budget = ["weights", "broker", "budget", "--parameters", str(10**12)]
    assert run([*budget, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    check_schema(value, "broker-budget", where="budget")
    assert (value["useful_theft_bytes"], value["coverage_bytes"]) == (5e11, 5e10)
    assert round(value["rate_bytes_per_s"]) == 82672
    assert run(budget) == 0
    assert "rate of new bytes  8.267e+04 bytes/s over all principals" in capsys.readouterr().out


def test_the_drill_is_held_and_says_what_it_does_not_see(
    capsys: pytest.CaptureFixture[str],
) -> None:
    drill = ["weights", "broker", "exfil-drill", "--parameters", "200000000"]
    assert run([*drill, "--json"]) == 0
    seen = capsys.readouterr()
    value = json.loads(seen.out)
    check_schema(value, "exfil-drill", where="drill")
    assert value["held"] is True
    assert len(value["strategies"]) == 7
    assert seen.err.startswith("limit: It meters its own channel only")
    assert run([*drill, "--strategy", "slow"]) == 0
    assert "slow         leaked" in capsys.readouterr().out
    assert run([*drill, "--strategy", "magic"]) == 2


def test_a_policy_that_is_none_is_refused(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    arguments = [
        "weights", "broker", "serve", str(site.sealed), "--policy", str(policy),
        "--publisher", site.path("publisher.pem.pub"), "--ledger", str(tmp_path / "l"),
    ]  # fmt: skip
    absolute = POLICY.replace("key: ", f"key: {site.folder}/")
    for text, status, message in (
        (POLICY, 3, "cannot read: No such file or directory"),
        (absolute.replace("  parameters: 40000000\n", ""), 2, "parameters"),
        (absolute.replace("parameters: 40000000", "parameters: 1000"), 2, "a segment has 1048608"),
        (absolute.replace("bob.pem.pub", "alice.pem.pub"), 2, "the key of 'inference-2' is named"),
        (absolute.replace("Example Lab", "Ex\udcffample"), 2, "not UTF-8 text"),
    ):
        policy.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert run(arguments) == status
        assert message in capsys.readouterr().err


def started(site: Site, ledger: Path, *more: str) -> tuple[int, str]:
    """Exit status and stderr of `broker serve`, ended as soon as it serves."""
    arguments = [
        "weights", "broker", "serve", str(site.sealed), "--policy", site.path("policy.yaml"),
        "--publisher", site.path("publisher.pem.pub"), "--ledger", str(ledger), "--port", "0",
        *more,
    ]  # fmt: skip
    process = subprocess.Popen(
        [Path(sys.executable).with_name("steelyard"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline():
        process.send_signal(signal.SIGINT)
    _, heard = process.communicate(timeout=60)
    return process.returncode, heard


def test_a_new_ledger_is_told_and_a_cut_one_refused_by_its_checkpoint(
    site: Site, ledger: Path, tmp_path: Path
) -> None:
    assert "warning: " + str(ledger) + " is a NEW ledger" in started(site, ledger)[1]
    heard = started(site, ledger)[1]
    assert f"ledger {ledger}: 1 entries\nwarning: no --checkpoint" in heard
    checkpoint = tmp_path / "checkpoint.json"
    keep = ["weights", "log", str(ledger), "--write-checkpoint", str(checkpoint)]
    assert run([*keep, "--key", site.path("one.pem")]) == 0
    held = ["--checkpoint", str(checkpoint), "--signer", site.path("one.pem.pub")]
    assert f"{ledger}: 2 entries, the checkpoint among them" in started(site, ledger, *held)[1]
    ledger.write_bytes(ledger.read_bytes().splitlines(keepends=True)[0])
    assert started(site, ledger, *held) == (
        3,
        f"error: {ledger}: the log has 1 entries, it had 2\nhint: the log was cut\n",
    )
    ledger.unlink()
    status, heard = started(site, ledger, *held)
    assert (status, "the log has 0 entries, it had 2" in heard) == (3, True)
    other = ["--checkpoint", str(checkpoint), "--signer", site.path("two.pem.pub")]
    assert started(site, ledger, *other)[0] == 3
    assert started(site, ledger, *held[:2]) == (
        2,
        "error: --checkpoint and --signer belong together\n",
    )


def test_a_second_broker_on_the_same_ledger_is_refused(
    site: Site, served: Served, ledger: Path
) -> None:
    assert served.process.poll() is None
    status, heard = started(site, ledger)
    assert status == 2
    assert heard == (
        f"error: {ledger}: another broker runs on this ledger\n"
        "hint: one model has one broker; stop the other one\n"
    )


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", b"[]"])
def test_an_approval_that_is_none_is_told(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    approval = tmp_path / "approval.json"
    approval.write_bytes(content)
    fetch = [
        "weights", "broker", "fetch", "http://127.0.0.1:1", "--key", site.path("alice.pem"),
        "--publisher", site.path("publisher.pem.pub"), "--out", str(tmp_path / "out"),
        "--approval", str(approval),
    ]  # fmt: skip
    assert run(fetch) == 3
    assert capsys.readouterr().err.startswith("error: approval 1: ")
    for url in ("http://[::1", "http://a b", "http://x:y", "http://\udcff"):
        fetch[3] = url
        assert run(fetch) == 2
        assert "is no address of a broker" in capsys.readouterr().err
