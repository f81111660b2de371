"""Columns that a source has and its contract does not know, as the source says now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bson import Int64

from dropless import desired
from dropless.contract import ColumnType, Contract, Kind, SchemaPolicy, Source
from dropless.contract.problems import printable
from dropless.contract.proposal import Proposal, of_sql, propose
from dropless.databases import Document
from dropless.endpoints import Endpoints
from dropless.plan import Resource
from resources.mongodb import MongodbSources
from resources.postgresql import PostgresqlSources

SAMPLED: Final = 200
"""A collection has no columns of its own: the newest documents tell."""


@dataclass(frozen=True)
class Unknown:
    """An unknown column, the policy for it, and how it could be taken."""

    table: str
    policy: SchemaPolicy
    proposal: Proposal

    def __str__(self) -> str:
        """One sentence: what it is, what becomes of its values, what can be done."""
        column, source = printable(self.proposal.column), self.proposal.source
        what = f"Source {source!r} of {self.table!r} has a column {column!r} that the contract does not know"
        match self.policy:
            case SchemaPolicy.EVOLVE:
                return f"{what}: `dropless evolve {self.table} --write` adds it as {self.proposal.declaration}."
            case SchemaPolicy.QUARANTINE:
                return f"{what}: rows with a value in it are dead letters until it is taken, or listed in `ignore`."
            case _:
                return f"{what}: it is not taken; take it, or list it in `ignore`."


def unknown_columns(endpoints: Endpoints, contract: Contract) -> list[Unknown]:
    """Every unknown column of every source of a table.

    Raises:
        DroplessError: a source's database does not answer, or its table is missing.
    """
    found = []
    resources = {each.name: each for each in _resources(endpoints, contract)}
    for source in contract.sources:
        columns = dict(_columns(endpoints, source, resources[f"{contract.name}.{source.name}"]))
        unknown = [(name, columns[name]) for name in source.unknown(columns)]
        found += [
            Unknown(contract.name, contract.policy(source), each) for each in propose(contract, source.name, unknown)
        ]
    return found


def _resources(endpoints: Endpoints, contract: Contract) -> list[Resource]:
    return [*desired.postgresql_sources(contract, endpoints), *desired.mongodb_sources(contract, endpoints)]


def _columns(endpoints: Endpoints, source: Source, resource: Resource) -> Iterator[tuple[str, ColumnType]]:
    if source.postgresql:
        for name, text in PostgresqlSources(endpoints).columns(resource).items():
            yield name, of_sql(text)
        return
    kinds: dict[str, set[ColumnType]] = {}
    for document in MongodbSources(endpoints).newest(resource, SAMPLED):
        for name, value in document.items():
            if value is not None:
                kinds.setdefault(name, set()).add(_kind(value))
    for name, found in kinds.items():
        yield name, found.pop() if len(found) == 1 else ColumnType(Kind.JSON)


def _kind(value: Document | object) -> ColumnType:
    match value:
        case bool():
            return ColumnType(Kind.BOOLEAN)
        case int() | Int64():
            return ColumnType(Kind.LONG)
        case float():
            return ColumnType(Kind.DOUBLE)
        case datetime():
            return ColumnType(Kind.TIMESTAMP)
        case dict() | list():
            return ColumnType(Kind.JSON)
        case _:
            return ColumnType(Kind.STRING)
