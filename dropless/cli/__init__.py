"""The `dropless` command: the one place below Dagster that may import every layer.

Each command's module is imported when that command runs, so that starting is quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from dropless.errors import DroplessError

# Command -> module, or module:attribute where the name is another, in the order in which a new user meets them.
COMMANDS = {
    "up": "up",
    "down": "up",
    "status": "status",
    "plan": "provisioning",
    "apply": "provisioning",
    "evolve": "evolve",
    "traffic": "traffic",
    "audit": "audit",
    "reconcile": "reconcile",
    "backfill": "backfill",
    "dead-letters": "dead_letters:app",
    "query": "query",
    "lake": "lake",
    "source": "source",
    "kubernetes": "kubernetes",
}


def build(arguments: list[str]) -> typer.Typer:
    """The application with the command that is asked for, or with all of them for the help."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        help="One real-time table out of several, with nothing lost on the way.",
        epilog="Example: [bold]dropless up && dropless traffic --rate 50 --seconds 60 && dropless status[/]",
    )
    # A callback keeps a lone command a subcommand.
    app.callback()(lambda: None)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        found: Any = getattr(importlib.import_module(f"dropless.cli.{module}"), attribute or name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def main() -> None:
    """Run a command; a DroplessError becomes one sentence and its exit code."""
    try:
        build(sys.argv[1:])()
    except DroplessError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]Error:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
