"""Diagrams and tables of the machines as text, for the reference page and the command line.

Decides only the form. The text is Mermaid (stateDiagram-v2) and Markdown; a test compares the
reference page with what these functions give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.disclosure.states.histories import chance_of_desideratum, desiderata

if TYPE_CHECKING:
    from steelyard.disclosure.states.model import Machine, Tables


def mermaid(machine: Machine) -> str:
    """The machine as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    direction LR"]
    lines += [f"    {state.id}: {_label(state.id, state.letter)}" for state in machine.states]
    lines.append(f"    [*] --> {machine.initial}")
    lines += [
        f"    {step.source} --> {step.target}: {step.event}" for step in machine.table.values()
    ]
    lines += [f"    {name} --> [*]" for name in machine.final]
    return "\n".join(lines)


def _label(name: str, letter: str) -> str:
    return name if name == letter else f"{name.replace('_', ' ')} ({letter})"


def state_rows(machine: Machine) -> str:
    """States as a Markdown table."""
    rows = [f"| `{state.id}` | {state.letter} | {state.meaning} |" for state in machine.states]
    return "\n".join(["| state | letter | meaning |", "|---|---|---|", *rows])


def step_grid(machine: Machine) -> str:
    """Where each event leads in each state as a Markdown table; a dash is a refusal."""
    head = " | ".join(f"`{event}`" for event in machine.events)
    lines = [f"| state | {head} |", "|---" * (len(machine.events) + 1) + "|"]
    for state in machine.states:
        cells = [_cell(machine, state.id, event) for event in machine.events]
        lines.append(f"| `{state.id}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(machine: Machine, state: str, event: str) -> str:
    step = machine.table.get((state, event))
    if step is None:
        return "-"
    return f"{step.target}, {' '.join(step.emits)}" if step.emits else step.target


def guard_rows(tables: Tables) -> str:
    """Guards as a Markdown table."""
    lines = ["| rule | before | holds | force | from |", "|---|---|---|---|---|"]
    lines += [
        f"| `{row.id}` | {row.machine} {', '.join(row.events)} | {row.text} | {row.force} | "
        f"{row.source} |"
        for row in tables.guards
    ]
    return "\n".join(lines)


def consequence_rows(tables: Tables) -> str:
    """Consequences as a Markdown table."""
    lines = ["| rule | when | then | because | force | from |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{row.id}` | {row.machine} {row.event} | {row.moves} {row.by} of {row.of}, in "
        f"{', '.join(row.when)} | {row.text} | {row.force} | {row.source} |"
        for row in tables.consequences
    ]
    return "\n".join(lines)


def agreement_rows(tables: Tables) -> str:
    """Rules of agreement as a Markdown table."""
    rows = [f"| `{name}` | {text} |" for name, text in tables.agreement.items()]
    return "\n".join(["| rule | what it says |", "|---|---|", *rows])


def desideratum_rows() -> str:
    """Desiderata with their chances as a Markdown table."""
    lines = ["| better first | than | chance |", "|---|---|---|"]
    for first, second in desiderata():
        share = chance_of_desideratum(first, second)
        lines.append(f"| {first} | {second} | {share} = {float(share):.4f} |")
    return "\n".join(lines)


def message_rows(tables: Tables) -> str:
    """Messages as a Markdown table, with what sends each."""
    lines = ["| message | name | model | sent with |", "|---|---|---|---|"]
    for message in tables.messages.values():
        senders = dict.fromkeys(
            f"{machine.id} {step.event}"
            for machine in tables.machines.values()
            for step in machine.table.values()
            if message.id in step.emits
        )
        sent = ", ".join(senders) or "an answer, or at will"
        lines.append(f"| `{message.id}` | {message.name} | {message.model} | {sent} |")
    return "\n".join(lines)


def reply_rows(tables: Tables) -> str:
    """Answers to messages as a Markdown table, in the order in which they are tried."""
    lines = ["| message | when | moves | answer |", "|---|---|---|---|"]
    for row in tables.replies:
        when = "; ".join(f"{name} {', '.join(states)}" for name, states in row.when.items())
        moves = " ".join((*row.moves[:2], "of", row.moves[2])) if row.moves else "nothing"
        reply = " ".join(row.reply) or "nothing"
        note = ", an error" if row.error else ""
        lines.append(f"| {' '.join(row.messages)} | {when or 'always'} | {moves} | {reply}{note} |")
    return "\n".join(lines)
