"""The Inspect provider: Inspect's own checks of a sandbox, and whole evaluations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from inspect_ai import Task, task
from inspect_ai import eval as inspect_eval
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.dataset import Sample
from inspect_ai.log import EvalLog
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.util import (
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandbox,
)
from inspect_ai.util._sandbox import self_check
from inspect_ai.util._sandbox.self_check import *  # noqa: F403

from steelyard.redteam.engine.bubblewrap import BubblewrapEnvironment, sample_hosts
from steelyard.redteam.engine.bubblewrap_config import BubblewrapConfig, LimitsConfig, read_config
from steelyard.redteam.sandbox import IsolationUnavailable, Limits, require_isolation

KNOWN_EXCEPTIONS = {"test_exec_as_user": "a host has one user, so none can be added"}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def isolation() -> None:
    try:
        require_isolation()
    except IsolationUnavailable as error:
        pytest.skip(f"{error} ({error.hint})")


@pytest.fixture
async def sandbox_env(request: pytest.FixtureRequest) -> AsyncIterator[SandboxEnvironment]:
    reason = KNOWN_EXCEPTIONS.get(request.node.originalname)
    if reason is not None:
        request.node.add_marker(
            pytest.mark.xfail(reason=reason, raises=SandboxUserUnsupportedError, strict=True)
        )
    made = await BubblewrapEnvironment.sample_init("check", None, {})
    yield made["workstation"]
    await BubblewrapEnvironment.sample_cleanup("check", None, made, interrupted=False)


def test_inspect_has_as_many_checks_as_the_reference_says() -> None:
    assert len(self_check.__all__) == 44
    assert set(KNOWN_EXCEPTIONS) <= set(self_check.__all__)
    page = Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md"
    assert all(f"`{name}`" in page.read_text("utf-8") for name in KNOWN_EXCEPTIONS)


@solver
def conversing() -> Solver:
    async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
        desk, vault = sandbox(), sandbox("vault")
        await vault.write_file("key", str(state.sample_id))
        names = [(await host.exec(["hostname"])).stdout.strip() for host in (desk, vault)]
        missing = not (await desk.exec(["cat", "key"])).success
        held = sample_hosts(("desk", "vault"))["vault"].read_file("key").decode()
        state.metadata["seen"] = [*names, missing, held]
        return state

    return solve


@scorer(metrics=[accuracy()])
def right() -> Scorer:
    async def score(state: TaskState, target: Target) -> Score:
        wanted = ["desk", "vault", True, target.text]
        return Score(value=state.metadata["seen"] == wanted)

    return score


@task
def two_hosts() -> Task:
    samples = [Sample(input="-", id=name, target=name) for name in ("one", "two", "three")]
    return Task(dataset=samples, solver=conversing(), scorer=right())


def evaluate(folder: Path, provider: object) -> EvalLog:
    [log] = inspect_eval(
        two_hosts(),
        model="steelyard/organism?p=0",
        sandbox=provider,  # type: ignore[arg-type]
        log_dir=str(folder),
        display="none",
    )
    return log


def test_anyones_task_runs_in_the_hosts_of_a_file(tmp_path: Path) -> None:
    config = tmp_path / "hosts.yaml"
    config.write_text("hosts: [desk, vault]\nlimits:\n  processes: 32\n", "utf-8")
    log = evaluate(tmp_path, ("bubblewrap", str(config)))
    assert log.status == "success", log.error
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 1.0


def test_a_log_keeps_the_configuration(tmp_path: Path) -> None:
    provider = ("bubblewrap", str(tmp_path / "hosts.yaml"))
    Path(provider[1]).write_text("hosts: [desk, vault]\n", "utf-8")
    sandbox_of = evaluate(tmp_path, provider).eval.sandbox
    assert sandbox_of is not None
    assert sandbox_of.type == "bubblewrap"
    dumped = BubblewrapConfig(hosts=("desk", "vault")).model_dump(mode="json")
    assert BubblewrapEnvironment.config_deserialize(dumped) == BubblewrapConfig(
        hosts=("desk", "vault")
    )


@task
def needing_hosts() -> Task:
    @solver(name="needing")
    def needing() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:  # noqa: ARG001
            sample_hosts(("desk",))
            return state

        return solve

    return Task(dataset=[Sample(input="-")], solver=needing())


@pytest.mark.parametrize(
    ("provider", "found"),
    [
        ("local", "LocalSandboxEnvironment"),
        (None, "none"),
        ("bubblewrap", "bubblewrap: SandboxEnvironment 'desk' is not a recognized"),
    ],
)
def test_another_sandbox_is_refused(tmp_path: Path, provider: str | None, found: str) -> None:
    [log] = inspect_eval(
        needing_hosts(),
        model="steelyard/organism?p=0",
        sandbox=provider,
        log_dir=str(tmp_path),
        display="none",
    )
    assert log.status == "error"
    assert log.error is not None
    assert f"this protocol runs in hosts of the sandbox 'bubblewrap'; found: {found}" in (
        log.error.message
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts: [A]\n", "'A' is no name for a host"),
        ("hosts: []\n", "1 to 200 hosts, not 0"),
        ("host: [a]\n", "Extra inputs are not permitted"),
        ("limits:\n  processes: 0\n", "greater than 0"),
        ("limits:\n  processors: 1\n", "Extra inputs are not permitted"),
        ("hosts: [a\n", "not YAML"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bubblewrap.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(PrerequisiteError) as caught:
        read_config(str(path))
    assert said in str(caught.value.message)
    with pytest.raises(PrerequisiteError):
        read_config(str(tmp_path / "absent.yaml"))


def test_the_provider_has_the_sandboxs_limits() -> None:
    assert LimitsConfig().limits() == Limits()
    assert read_config(None) == BubblewrapConfig(hosts=("workstation",))
    assert BubblewrapEnvironment.config_files() == ["bubblewrap.yaml"]
    assert not BubblewrapEnvironment.is_docker_compatible()


async def test_too_much_output_is_inspects_error(sandbox_env: SandboxEnvironment) -> None:
    with pytest.raises(OutputLimitExceededError) as caught:
        await sandbox_env.exec(["yes"])
    assert caught.value.limit_str == "10 MiB"
    assert caught.value.truncated_output is not None
    assert len(caught.value.truncated_output) == 10 * 1024 * 1024


async def test_output_that_is_no_utf8_is_replaced(sandbox_env: SandboxEnvironment) -> None:
    done = await sandbox_env.exec(["printf", r"a\377b"])
    assert done.stdout == "a\N{REPLACEMENT CHARACTER}b"
    await sandbox_env.write_file("odd", b"\xff")
    with pytest.raises(UnicodeDecodeError):
        await sandbox_env.read_file("odd")


async def test_a_shell_can_be_opened_from_outside() -> None:
    made = await BubblewrapEnvironment.sample_init("check", None, {})
    host = made["workstation"]
    connection = await host.connection(user="user")
    assert (await host.connection()).command == connection.command
    shell = await anyio.run_process(
        connection.command, input=b"echo is $LOGNAME; exit 4\n", check=False
    )
    assert (connection.type, shell.returncode) == ("bubblewrap", 4)
    assert b"is user\r\n" in shell.stdout
    with pytest.raises(SandboxUserUnsupportedError, match="no user 'root'"):
        await host.connection(user="root")
    await BubblewrapEnvironment.sample_cleanup("check", None, made, interrupted=False)
    gone = await anyio.run_process(connection.command, check=False)
    assert gone.returncode == 3


async def test_a_host_that_is_gone_is_inspects_error() -> None:
    made = await BubblewrapEnvironment.sample_init("check", None, {})
    await BubblewrapEnvironment.sample_cleanup("check", None, made, interrupted=True)
    with pytest.raises(SandboxUnavailableError):
        await made["workstation"].exec(["true"])
