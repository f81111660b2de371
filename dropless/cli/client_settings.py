"""The durability table, client by client, as `dropless status --clients` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from dropless.client_table import Row, rows
from dropless.contract import load_contracts
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from resources.client_table import clients
from resources.overview import Overview


def client_rows(settings: Settings, endpoints: Endpoints, seen: Overview) -> tuple[list[Row], list[str]]:
    """Every row of the durability table for every client and broker, and a sentence for each that could not tell."""
    found, problems = clients(settings, endpoints, load_contracts(settings.contracts), seen.clients)
    return rows(found), problems


def documents(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for machines."""
    return [asdict(row) | {"kept": row.kept} for row in found]


def client_table(found: Sequence[Row]) -> Table:
    """The rows for people: green where the table is kept, red where it is not."""
    shown = Table("client", "layer", "setting", "required", "effective", "read from", title="Clients and brokers")
    shown.title_justify = "left"
    before = ""
    for row in found:
        colour = "green" if row.kept else "bold red"
        effective = "not set" if row.effective is None else row.effective
        cells = (row.layer, row.setting, row.required, f"[{colour}]{escape(effective)}[/]", escape(row.read_from))
        shown.add_row("" if row.client == before else escape(row.client), *cells)
        before = row.client
    return shown
