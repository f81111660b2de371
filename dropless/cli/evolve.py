"""`dropless evolve`: columns that appeared at a source, and writing them into the contract."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from dropless.contract import SchemaPolicy
from dropless.contract.loading import declaration_of
from dropless.contract.proposal import write
from dropless.declared import declared
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.source_columns import unknown_columns


def evolve(
    table: Annotated[str, typer.Argument(help="A unified table.")],
    *,
    write_them: Annotated[
        bool, typer.Option("--write", help="Write those of sources with `schema_policy: evolve` into the contract.")
    ] = False,
) -> None:
    """Show the columns that a table's sources have and its contract does not know, and add them to it.

    Nothing is carried through before `dropless apply`.

    Example: dropless evolve orders --write
    """
    settings = Settings.load()
    unknown = unknown_columns(Endpoints.load(settings), declared(settings, table))
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if not unknown:
        console.print("The contract knows every column of its sources.")
    if not write_them:
        for each in unknown:
            console.print(str(each))
        return
    wanted = [each.proposal for each in unknown if each.policy is SchemaPolicy.EVOLVE]
    path = declaration_of(settings.contracts, table)
    if wanted:
        write(path, wanted)
    for proposal in wanted:
        console.print(f"+ {proposal.source}: {proposal.name}: {proposal.expression}, {proposal.declaration}")
    for each in unknown:
        if each.policy is not SchemaPolicy.EVOLVE:
            console.print(str(each))
    if wanted:
        console.print(f"Written into {path}: see `dropless plan`, then `dropless apply`.")
