"""The contract: the declaration of a unified table."""

from dropless.contract.column_type import ColumnType, Kind
from dropless.contract.expression import Expression
from dropless.contract.loading import load_contracts, parse_contract
from dropless.contract.model import (
    Column,
    Contract,
    Freshness,
    Lake,
    MongodbCollection,
    PostgresqlTable,
    SchemaPolicy,
    Source,
)

__all__ = [
    "Column",
    "ColumnType",
    "Contract",
    "Expression",
    "Freshness",
    "Kind",
    "Lake",
    "MongodbCollection",
    "PostgresqlTable",
    "SchemaPolicy",
    "Source",
    "load_contracts",
    "parse_contract",
]
