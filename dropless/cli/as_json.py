"""The same as JSON, for programs."""

from __future__ import annotations

import sys
from typing import Annotated

import orjson
import typer

AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")]


def write_json(told: object) -> None:
    """Write it to standard output."""
    sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2))
