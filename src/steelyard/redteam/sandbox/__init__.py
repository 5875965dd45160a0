"""Fake hosts: processes, files and a loopback network that reach nothing outside.

A `Pod` starts hosts under bubblewrap and ends them; a `Host` runs commands and moves files.
Plain standard library; the Inspect provider is `steelyard.redteam.engine.bubblewrap`. What is
isolated, and what is not, is written in docs/reference/sandbox.md.
"""

from steelyard.redteam.sandbox.failures import (
    HostLost,
    IsolationUnavailable,
    OutputLimitExceeded,
    UserUnsupported,
)
from steelyard.redteam.sandbox.host import Host, require_user
from steelyard.redteam.sandbox.pod import Pod, require_isolation
from steelyard.redteam.sandbox.spec import Command, ExecResult, HostSpec, Limits, host_specs
from steelyard.redteam.sandbox.stage import stage
from steelyard.redteam.sandbox.terminal import Door

__all__ = [
    "Command",
    "Door",
    "ExecResult",
    "Host",
    "HostLost",
    "HostSpec",
    "IsolationUnavailable",
    "Limits",
    "OutputLimitExceeded",
    "Pod",
    "UserUnsupported",
    "host_specs",
    "require_isolation",
    "require_user",
    "stage",
]
