"""How much a process that holds weights may do besides: seccomp, privileges, capabilities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.weights.posture.collectors.finding import (
    Collector,
    Finding,
    Scope,
    failing,
    satisfied,
    unknown,
)
from steelyard.weights.posture.machine import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject
    from steelyard.weights.posture.machine import Machine

_FILTER: Final = "2"
"""Seccomp with a filter (proc(5), field Seccomp)."""


def confinement(machine: Machine, scope: Scope, parameters: Mapping[str, int]) -> Finding:
    """Whether the holder runs under a filter, cannot gain privileges, and has few."""
    if not scope.process:
        return unknown("no process was named that holds the weights")
    text = machine.read(f"/proc/{scope.process}/status")
    fields = dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))
    if not {"Seccomp", "NoNewPrivs", "CapEff", "Uid"} <= fields.keys():
        return unknown("the kernel does not tell what confines the process")
    # What is permitted can be made effective by the process itself (capabilities(7)).
    held = int(fields["CapEff"], 16) | int(fields.get("CapPrm", "0"), 16)
    capabilities = held.bit_count()
    most = parameters["capabilities_maximum"]
    root = fields["Uid"].split()[1:2] == ["0"] and not _mapped(machine, scope.process)
    faults = [
        told
        for wrong, told in (
            (fields["Seccomp"] != _FILTER, "no seccomp filter"),
            (fields["NoNewPrivs"] != "1", "may gain privileges"),
            (capabilities > most, f"{capabilities} capabilities, at most {most} accepted"),
            (root, "runs as root of the host"),
        )
        if wrong
    ]
    facts: JsonObject = {
        "seccomp": fields["Seccomp"],
        "no_new_privileges": fields["NoNewPrivs"],
        "capabilities": f"{held:016x}",
        "root_of_host": root,
        "container": _container(machine),
        "root_read_only": _root_read_only(machine, scope.process),
    }
    if faults:
        return failing(f"the process that holds the weights: {'; '.join(faults)}", facts)
    return satisfied("the process that holds the weights is confined", facts)


def _mapped(machine: Machine, process: str) -> bool:
    """Whether user 0 is another user outside (user_namespaces(7)).

    The kernel tells user ids as the collector's own namespace has them, so it is only where
    both are in one: seen from further out, 0 is root itself.
    """
    try:
        own, other = (machine.read(f"/proc/{name}/uid_map") for name in ("self", process))
    except Unreadable:
        return False
    rows = [line.split() for line in other.splitlines()]
    return own == other and bool(rows) and not any(row[:2] == ["0", "0"] for row in rows)


def _container(machine: Machine) -> str:
    marks = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
    found = [name for path, name in marks.items() if machine.exists(path)]
    if machine.exists("/var/run/secrets/kubernetes.io"):
        found.append("kubernetes")
    return ", ".join(found)


def _root_read_only(machine: Machine, process: str) -> bool | None:
    try:
        text = machine.read(f"/proc/{process}/mountinfo")
    except Unreadable:
        return None
    for line in reversed(text.splitlines()):
        fields = line.split(" ")
        point, options = fields[4:5], fields[5:6]
        if point == ["/"] and options:
            return "ro" in options[0].split(",")
    return None


COLLECTORS: Final = (Collector("confinement", "EXAMINE", confinement),)
