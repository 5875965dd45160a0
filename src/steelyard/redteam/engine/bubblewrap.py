"""Fake hosts as an Inspect sandbox provider: `sandbox="bubblewrap"`.

A thin adapter over `steelyard.redteam.sandbox`: names, errors and limits are turned into
Inspect's. The hosts of a sample share one loopback network; the first is Inspect's default.
"""

from __future__ import annotations

import os
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from anyio import CancelScope, CapacityLimiter, to_thread
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxConnection,
    SandboxEnvironment,
    SandboxEnvironmentLimits,
    SandboxEnvironmentSpec,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandbox,
    sandboxenv,
)

from steelyard.redteam.engine.bubblewrap_config import BubblewrapConfig, read_config
from steelyard.redteam.sandbox import (
    Command,
    Door,
    Host,
    HostLost,
    IsolationUnavailable,
    OutputLimitExceeded,
    Pod,
    UserUnsupported,
    host_specs,
    require_isolation,
    require_user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from steelyard.redteam import kit

NAME = "bubblewrap"
_CALLS_AT_ONCE = 64
_SAMPLES_PER_CORE = 8

_Result = TypeVar("_Result")


@sandboxenv(name=NAME)  # pyright: ignore[reportUntypedClassDecorator]
class BubblewrapEnvironment(SandboxEnvironment):
    """One host of a sample."""

    def __init__(self, pod: Pod, host: Host) -> None:
        super().__init__()
        self.pod = pod
        self.host = host
        self._door: Door | None = None
        # Of its own: a thread waits for each call, and other work of the engine needs threads.
        self._calls = CapacityLimiter(_CALLS_AT_ONCE)

    async def exec(  # noqa: PLR0913, PLR0917 - signature given by Inspect
        self,
        cmd: list[str],
        input: str | bytes | None = None,  # noqa: A002
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109
        timeout_retry: bool = True,  # noqa: ARG002, FBT001, FBT002
        concurrency: bool = True,  # noqa: ARG002, FBT001, FBT002
    ) -> ExecResult[str]:
        """Run a command; a time-out kills it and all it started, and is not tried again."""
        data = input.encode() if isinstance(input, str) else input or b""
        seconds = float("inf") if timeout is None else float(timeout)
        limit = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE
        command = Command(cmd, data, cwd, env or {}, user, seconds, limit)
        done = await self._call(partial(self.host.run, command))
        stdout, stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.truncated:
            limit_text = SandboxEnvironmentLimits.MAX_EXEC_OUTPUT_SIZE_STR
            raise OutputLimitExceededError(limit_text, stdout or stderr)
        # A shell's way of telling a signal.
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return ExecResult(status == 0, status, stdout, stderr)

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Write a file, with the folders above it."""
        data = contents.encode() if isinstance(contents, str) else contents
        await self._call(partial(self.host.write_file, file, data))

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...  # noqa: FBT002

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:  # noqa: FBT001, FBT002
        """Read a regular file."""
        limit = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE
        try:
            data = await self._call(partial(self.host.read_file, file, limit_bytes=limit))
        except OutputLimitExceeded as error:
            limit_text = SandboxEnvironmentLimits.MAX_READ_FILE_SIZE_STR
            raise OutputLimitExceededError(limit_text, None) from error
        return data.decode() if text else data

    async def connection(self, *, user: str | None = None) -> SandboxConnection:
        """A command that opens a shell in the host, under its filter and limits."""
        try:
            require_user(user)
        except UserUnsupported as error:
            raise SandboxUserUnsupportedError(str(error)) from error
        if self._door is None:
            self._door = Door(self.host)
        command = [sys.executable, "-m", "steelyard.redteam.sandbox.enter", str(self._door.path)]
        return SandboxConnection(type=NAME, command=shlex.join(command))

    def close(self) -> None:
        """Shut the door to the host."""
        if self._door is not None:
            self._door.close()
            self._door = None

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        """Run blocking work in a thread, with Inspect's own errors."""
        try:
            # Abandoned when the sample ends: its cleanup closes the host, which ends the work.
            return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._calls)
        except UserUnsupported as error:
            raise SandboxUserUnsupportedError(str(error)) from error
        except HostLost as error:
            raise SandboxUnavailableError(str(error)) from error

    @classmethod
    def config_files(cls) -> list[str]:
        """Found beside a task without being named."""
        return ["bubblewrap.yaml"]

    @classmethod
    def config_deserialize(cls, config: dict[str, Any]) -> BaseModel:
        """The configuration that a log holds."""
        return BubblewrapConfig.model_validate(config)

    @classmethod
    def default_concurrency(cls) -> int | None:
        """Samples at once."""
        return _SAMPLES_PER_CORE * (os.cpu_count() or 1)

    @classmethod
    async def task_init(cls, task_name: str, config: BaseModel | str | None) -> None:  # noqa: ARG003
        """Check the configuration and the machine before any sample."""
        read_config(config)
        try:
            await to_thread.run_sync(require_isolation)
        except IsolationUnavailable as error:
            raise PrerequisiteError(f"{error} ({error.hint})") from error

    @classmethod
    async def sample_init(
        cls,
        task_name: str,  # noqa: ARG003
        config: BaseModel | str | None,
        metadata: dict[str, str],  # noqa: ARG003
    ) -> dict[str, SandboxEnvironment]:
        """Start the sample's hosts."""
        asked = read_config(config)
        pod = Pod(host_specs(asked.hosts), asked.limits.limits())
        await to_thread.run_sync(pod.start)
        return {name: cls(pod, host) for name, host in pod.hosts.items()}

    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,  # noqa: ARG003
        config: BaseModel | str | None,  # noqa: ARG003
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,  # noqa: ARG003, FBT001
    ) -> None:
        """End the sample's hosts, interrupted or not: nothing of them can be kept."""
        ours = [_ours(environment) for environment in environments.values()]
        pods = {id(env.pod): env.pod for env in ours}
        with CancelScope(shield=True):
            for environment in ours:
                environment.close()
            for pod in pods.values():
                await to_thread.run_sync(pod.close)


def sandbox_spec(hosts: tuple[str, ...]) -> SandboxEnvironmentSpec:
    """The sandbox of a task whose samples need these hosts."""
    return SandboxEnvironmentSpec(NAME, BubblewrapConfig(hosts=hosts))


def sample_hosts(hosts: tuple[str, ...]) -> dict[str, kit.Host]:
    """The running hosts of the current sample, by name.

    Raises:
        PrerequisiteError: the sample runs in another provider's sandbox, or lacks a host.
    """
    try:
        _ours(sandbox())
        return {name: _ours(sandbox(name)).host for name in hosts}
    except ProcessLookupError as error:
        raise PrerequisiteError(_needs("none")) from error
    except ValueError as error:
        raise PrerequisiteError(f"{_needs(NAME)}: {error}") from error


def _ours(environment: SandboxEnvironment) -> BubblewrapEnvironment:
    try:
        return environment.as_type(BubblewrapEnvironment)
    except TypeError as error:
        found = str(error).rpartition("got ")[2] or type(environment).__name__
        raise PrerequisiteError(_needs(found)) from error


def _needs(found: str) -> str:
    return f"this protocol runs in hosts of the sandbox {NAME!r}; found: {found}"
