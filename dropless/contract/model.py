"""The declaration of a unified table, as frozen models."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dropless.contract.checks import EVERY_OTHER, MICROSECONDS_SUFFIX, check
from dropless.contract.column_type import ContractType, Kind
from dropless.contract.expression import Expression
from dropless.contract.identifiers import check_foreign, check_name, split
from dropless.contract.problems import Problem, did_you_mean, listed
from dropless.contract.validation import validated

Name = Annotated[str, AfterValidator(check_name)]
ForeignName = Annotated[str, AfterValidator(check_foreign)]
Positive = Annotated[int, Field(strict=True, ge=1)]


class SchemaPolicy(StrEnum):
    """What becomes of a source's column that the contract does not know."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    QUARANTINE = "quarantine"


Policy = Annotated[SchemaPolicy, BeforeValidator(lambda value: None if value is None else _policy(value))]


class Model(BaseModel):
    """Frozen, and closed: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Column(Model):
    """One column of the unified table."""

    name: Name
    type: ContractType
    nullable: bool = True
    description: str = ""
    allowed: tuple[str, ...] | None = Field(default=None, min_length=1)
    pii: bool = False
    """Whether it tells of a person: its values never appear in a dead letter's reason."""

    @property
    def field(self) -> str:
        """Its name in a unified row: a timestamp X travels as X_us, microseconds since 1970 in UTC."""
        return f"{self.name}{MICROSECONDS_SUFFIX}" if self.type.kind is Kind.TIMESTAMP else self.name

    @field_validator("allowed")
    @classmethod
    def _allowed_once(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return _distinct(values) if values else values


class PostgresqlTable(Model):
    """A table in PostgreSQL; `uri_env` names the variable with the URI of a server other than the platform's."""

    database: ForeignName
    table: str
    key: tuple[ForeignName, ...] = Field(min_length=1)
    uri_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @field_validator("table")
    @classmethod
    def _schema_and_table(cls, text: str) -> str:
        if len(split(text)) != 2:
            raise Problem(f"is {text!r}; it must be schema.table, such as public.orders")
        return text

    @field_validator("key")
    @classmethod
    def _key_once(cls, key: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(key)

    @property
    def schema_name(self) -> str:
        """The table's schema, unquoted."""
        return split(self.table)[0]

    @property
    def table_name(self) -> str:
        """The table's own name, unquoted."""
        return split(self.table)[1]


class MongodbCollection(Model):
    """A collection in MongoDB; `uri_env` as for PostgreSQL."""

    database: ForeignName
    collection: ForeignName
    key: tuple[str, ...] = ("_id",)
    uri_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @field_validator("key")
    @classmethod
    def _only_id(cls, key: tuple[str, ...]) -> tuple[str, ...]:
        if key != ("_id",):
            raise Problem("must be [_id]: a collection has no other primary key")
        return key


class Source(Model):
    """One table or collection, and how its columns become the unified ones."""

    name: Name
    epoch: int = Field(default=0, strict=True, ge=0, lt=2**15)
    """Raised by one whenever the raw topic is made anew, so that positions go on growing."""
    postgresql: PostgresqlTable | None = None
    mongodb: MongodbCollection | None = None
    columns: dict[str, Expression]
    ignore: tuple[ForeignName, ...] = ()
    """Columns that are known and not taken; `*` is every other one."""
    schema_policy: Policy | None = None
    """The table's, unless it is said here."""

    @field_validator("ignore")
    @classmethod
    def _ignored_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _distinct(names)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.postgresql is None) == (self.mongodb is None):
            has = "neither" if self.postgresql is None else "both"
            raise Problem(f"must have either `postgresql` or `mongodb`, not {has}")
        return self

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns."""
        if self.postgresql:
            return self.postgresql.key
        return self.mongodb.key if self.mongodb else ()

    @property
    def taken(self) -> frozenset[str]:
        """The source's columns that an expression reads, whole or in part."""
        return frozenset(path[0] for expression in self.columns.values() for path in expression.paths)

    @property
    def known(self) -> frozenset[str]:
        """The source's columns that the contract says something of."""
        return self.taken | {*self.key} | {*self.ignore}

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of a source's columns that the contract says nothing of, in their order."""
        return [] if EVERY_OTHER in self.ignore else [name for name in names if name not in self.known]


class Freshness(Model):
    """How old the newest row may be, in seconds."""

    warn: Positive = 60
    fail: Positive = 300

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warn > self.fail:
            raise Problem(f"warns after {self.warn} seconds but fails after {self.fail}; `warn` must come first")
        return self


class Lake(Model):
    """When the lake writer commits: after so many seconds or bytes, whichever comes first; how the tables are kept."""

    commit_seconds: Positive = 5
    commit_bytes: Positive = 64 * 1024 * 1024
    merge_seconds: Positive = 120
    """How long a change may wait in the table of changes before it is in the current state."""
    keep_days: Positive = 7
    """How far back one can travel in time; files that are no longer live are deleted after it."""


class Reconciling(Model):
    """How the sources are compared with Pinot and the lake."""

    rate: Positive | None = None
    """Rows a second that are read of each source; as fast as they come where it is not said."""
    repair: Annotated[bool, Field(strict=True)] = False
    """Whether what is found is mended by itself: rows read again, and those deleted that a source does not have."""


class Contract(Model):
    """A unified table: its columns, its sources, its limits."""

    name: Name
    description: str = ""
    owner: str | None = Field(default=None, pattern=r"^(team:[\w.-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")
    columns: tuple[Column, ...] = Field(min_length=1)
    time_column: str
    sources: tuple[Source, ...] = Field(min_length=1)
    partitions: Annotated[int, Field(strict=True, ge=1, le=200)] = 3
    freshness: Freshness = Freshness()
    lake: Lake = Lake()
    reconcile: Reconciling = Reconciling()
    schema_policy: Policy = SchemaPolicy.FREEZE

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check(self)
        return self

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """The contract in a component's attributes.

        Raises:
            ContractError: one sentence on the first thing that is wrong.
        """
        return validated(cls, attributes)

    def source(self, name: str) -> Source:
        """The source of that name.

        Raises:
            KeyError: there is none.
        """
        return {each.name: each for each in self.sources}[name]

    def policy(self, source: Source) -> SchemaPolicy:
        """What becomes of a column of a source that the contract does not know."""
        return source.schema_policy or self.schema_policy

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        return {each.name: each for each in self.columns}[name]


def _policy(value: object) -> SchemaPolicy:
    try:
        return SchemaPolicy(str(value))
    except ValueError:
        guess = did_you_mean(str(value), SchemaPolicy)
        raise Problem(f"is {value!r}{guess}; it must be one of {listed(SchemaPolicy)}") from None


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise Problem(f"names {value!r} twice")
    return values
