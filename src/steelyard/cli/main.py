"""The command `steelyard`: its commands, its configuration file, its exit statuses.

The only place that prints errors and exits. Every command lives in a file of
its own, imports what is heavy when it runs, and raises; exit statuses are those
of `kernel.errors`.
"""

from __future__ import annotations

import os
import sys
import tomllib
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast, runtime_checkable

import typer

from steelyard import __version__
from steelyard.cli import disclose, evidence, lab, passport, risk, standard, weights
from steelyard.cli.assess import assess
from steelyard.cli.classify import classify
from steelyard.cli.demo import demo
from steelyard.cli.output import say
from steelyard.cli.plan import plan
from steelyard.cli.serve import serve
from steelyard.cli.verify import gate, verify
from steelyard.kernel.errors import ConfigurationError, SteelyardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INTERNAL = 5
_INTERRUPTED = 130

_COMMANDS: dict[str, Callable[..., None]] = {
    "assess": assess,
    "plan": plan,
    "classify": classify,
    "verify": verify,
    "gate": gate,
    "demo": demo,
    "serve": serve,
}
_GROUPS = {
    "disclose": disclose.app,
    "evidence": evidence.app,
    "lab": lab.app,
    "passport": passport.app,
    "risk": risk.app,
    "standard": standard.app,
    "weights": weights.app,
}


@runtime_checkable
class _ParserError(Protocol):
    """An error of the argument parser.

    typer carries its own copy of click, so these are known by their shape.
    """

    exit_code: int

    def format_message(self) -> str: ...


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"steelyard {__version__}\n")
        raise typer.Exit


def configure(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="TOML with defaults, one table per command.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Weigh AI models on one shared balance: assess, classify, sign, verify."""
    del version
    if config is not None:
        context.default_map = _read_config(config, context.command)


def _tree(words: Iterable[str]) -> typer.Typer:
    """The command line with these of its commands and groups."""
    tree = typer.Typer(
        name="steelyard",
        help="Weigh AI models on one shared balance.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    tree.callback()(configure)
    for word in words:
        if word in _GROUPS:
            tree.add_typer(_GROUPS[word], name=word)
        else:
            tree.command(word)(_COMMANDS[word])
    return tree


_WORDS = (*_COMMANDS, *_GROUPS)
app = _tree(_WORDS)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit status.

    The documented boundary: whatever a command raises becomes a message on
    stderr and a status here, and nowhere else.
    """
    try:
        command = _command(_needed(arguments))
        status = command(args=arguments, prog_name="steelyard", standalone_mode=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the boundary
        message, hint, exit_status = _explained(error)
        say(message)
        if hint:
            say(f"hint: {hint}")
        return exit_status
    return status if isinstance(status, int) else 0


def _needed(arguments: list[str]) -> tuple[str, ...]:
    """The first word where it is known: to make all takes longer than most commands run."""
    return (arguments[0],) if arguments and arguments[0] in _WORDS else _WORDS


@cache
def _command(words: tuple[str, ...]) -> Callable[..., object]:
    return typer.main.get_command(app if words == _WORDS else _tree(words))


def _explained(error: BaseException) -> tuple[str, str, int]:
    """Message, hint and exit status of anything a command can raise."""
    if isinstance(error, SteelyardError):
        return f"error: {error}", error.hint, error.exit_status
    if isinstance(error, _ParserError):
        if type(error).__name__ == "NoArgsIsHelpError":
            return error.format_message(), "", error.exit_code
        context: typer.Context | None = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help" if context else "steelyard --help"
        return f"error: {error.format_message()}", hint, error.exit_code
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted", "complete samples are kept; --resume goes on", _INTERRUPTED
    if os.environ.get("STEELYARD_DEBUG"):
        traceback.print_exception(error)
    hint = "set STEELYARD_DEBUG=1 for the traceback, and report this"
    return f"internal error: {type(error).__name__}: {error}", hint, _INTERNAL


def _read_config(path: Path, command: object) -> dict[str, Any]:
    """Defaults from a TOML file; tables and keys must be commands and options.

    Raises:
        ConfigurationError: unreadable, not TOML, or an unknown table or key.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f"cannot read configuration: {error}"
        raise ConfigurationError(message, where=str(path)) from error
    return _checked_defaults(values, command, str(path))


def _checked_defaults(values: dict[str, Any], command: object, where: str) -> dict[str, Any]:
    known: dict[str, Any] = getattr(command, "commands", {})
    parameters: list[Any] = getattr(command, "params", [])
    options = {name.replace("_", "-"): name for p in parameters if (name := p.name)}
    result: dict[str, Any] = {}
    for key, value in values.items():
        if key in known and isinstance(value, dict):
            table = cast("dict[str, Any]", value)
            result[key] = _checked_defaults(table, known[key], f"{where} [{key}]")
        elif key.replace("_", "-") in options:
            result[options[key.replace("_", "-")]] = value
        else:
            message = f"unknown key {key!r}"
            names = ", ".join(sorted([*known, *options]))
            raise ConfigurationError(message, where=where, hint=f"known: {names}")
    return result
