"""`python -m benchmarks`: measure, write a file for each benchmark, and the table made of all files."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from benchmarks.result import RESULTS
from benchmarks.suite import KNOWN, run
from benchmarks.table import write
from dropless import logs
from dropless.errors import DroplessError


def main(
    only: Annotated[list[str] | None, typer.Argument(help=f"Which ones: {', '.join(KNOWN)}; all without.")] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A few minutes; the figures are rough.")] = False,
    running_stack: Annotated[
        bool, typer.Option("--running-stack", help="Use the servers that the environment points to.")
    ] = False,
    results: Annotated[Path, typer.Option(help="Where the files go.")] = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results for machines.")] = False,
) -> None:
    """Measure the union against Kafka's own tools, Quix Streams and itself; the lake against pyarrow and delta-rs.

    Example: python -m benchmarks P1 P15 --quick
    """
    logs.for_a_command()
    wanted = only or list(KNOWN)
    unknown = sorted(set(wanted) - set(KNOWN))
    if unknown:
        raise DroplessError(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(KNOWN)}.")
    console = Console(stderr=True, soft_wrap=True)
    found, begun = [], time.monotonic()
    with console.status("") as status:

        def tell(what: str) -> None:
            if console.is_terminal:
                status.update(what)
            else:
                console.print(f"{time.monotonic() - begun:7.1f} s  {what}", highlight=False, markup=False)

        for result in run(wanted, tell, quick=quick, running=running_stack):
            console.print(f"{result.benchmark}: {result.write(results)}")
            found.append(result.as_json())
    if results == RESULTS:
        write()
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


if __name__ == "__main__":
    # Told to stop, everything that was started ends, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        typer.run(main)
    except DroplessError as error:
        sys.exit(f"Error: {error}")
