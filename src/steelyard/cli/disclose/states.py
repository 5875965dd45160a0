"""`steelyard disclose states` and `skill`: the machines as data, and how well cases went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from steelyard.cli.output import say, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steelyard.disclosure.states.model import Machine
    from steelyard.disclosure.states.skill import Skill

_FILE_LIMIT_BYTES = 10_000_000


def states(
    machine: Annotated[str | None, typer.Argument(help="RM, EM, PEC, VFD, PXA, AM or HM.")] = None,
    diagram: Annotated[
        bool, typer.Option("--diagram", help="Print the machine as a Mermaid diagram.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """Show the state machines of a case: states, events, where they lead, what they send."""
    from steelyard.disclosure.states import load_tables
    from steelyard.disclosure.states.diagrams import mermaid
    from steelyard.kernel.errors import UsageError

    tables = load_tables()
    shown = [tables.machine(machine)] if machine else list(tables.machines.values())
    if diagram and machine is None:
        raise UsageError("a diagram is of one machine", hint="steelyard disclose states RM")
    if as_json:
        rows = [
            row
            for row in cast("list[dict[str, object]]", tables.content["machines"])
            if machine in {None, row["id"]}
        ]
        write_json(tables.content | {"machines": rows})
        return
    if diagram:
        write(mermaid(shown[0]))
        return
    for item in shown:
        _show_machine(item)
    say(f"tables {tables.id} {tables.version}, digest {tables.digest}")


def skill(
    history: Annotated[
        list[str] | None, typer.Argument(help="Histories of closed cases, as VFDPXA.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="File with one history a line.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Error of calling anything above chance.")] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Ask whether closed cases went better than chance would have them go."""
    from steelyard.disclosure.states import load_tables
    from steelyard.disclosure.states.observed import read_history
    from steelyard.disclosure.states.skill import skill as measure
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import UsageError

    texts = list(history or ())
    if source is not None:
        lines = read_bytes(source, limit_bytes=_FILE_LIMIT_BYTES).decode("utf-8", "replace")
        texts += [line.strip() for line in lines.splitlines() if line.strip()]
    if not texts:
        raise UsageError("no history was given", hint="steelyard disclose skill VFDPXA VFPDAX")
    found = measure([read_history(text) for text in texts], alpha=alpha)
    if as_json:
        write_json(_skill_document(found, len(texts), alpha, load_tables().digest))
        return
    _show_skill(found, len(texts), alpha)


def _show_machine(machine: Machine) -> None:
    write(f"{machine.id}  {machine.title}, one for each {machine.scope}; begins {machine.initial}")
    for state in machine.states:
        write(f"  {state.id:14} {state.letter:4} {state.meaning}")
        for (source, event), step in machine.table.items():
            if source == state.id:
                sends = f", sends {' '.join(step.emits)}" if step.emits else ""
                write(f"    {event:18} -> {step.target}{sends}")


def _show_skill(found: Sequence[Skill], cases: int, alpha: float) -> None:
    write("order     held   decided  chance  rate   at least  p adjusted  verdict")
    for row in found:
        rate = "-" if row.rate is None else f"{row.rate:.3f}"
        chance = "-" if row.chance is None else f"{row.chance:.3f}"
        write(
            f"{row.first} < {row.second}  {row.held:6}  {row.cases:7}  {chance:>6}  {rate:>5}"
            f"  {row.lower:8.3f}  {row.adjusted:10.2g}  {row.verdict}"
        )
    undecided = sum(row.undecided > 0 for row in found)
    say(f"{cases} closed cases, error {alpha!r} for all twelve orders together")
    if undecided:
        say(f"{undecided} orders are undecided in some cases; those cases do not count there")
    if any(row.verdict == "too few cases" for row in found):
        say("too few cases: even if the order had held in all of them, chance could explain it")


def _skill_document(
    found: Sequence[Skill], cases: int, alpha: float, digest: str
) -> dict[str, object]:
    return {
        "schema": "steelyard/disclosure-skill/1",
        "cases": cases,
        "alpha": alpha,
        "tables": digest,
        "desiderata": [
            {
                "first": row.first,
                "second": row.second,
                "decided": row.cases,
                "held": row.held,
                "undecided": row.undecided,
                "rate": row.rate,
                "chance": row.chance,
                "p_value": row.p_value,
                "adjusted_p_value": row.adjusted,
                "least_p_value": row.least_p_value,
                "lower_limit": row.lower,
                "verdict": row.verdict,
            }
            for row in found
        ],
    }
