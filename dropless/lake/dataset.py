"""The declaration of a curated dataset: an SQL file that begins with its header, YAML in a comment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dropless.contract import Contract
from dropless.contract.identifiers import check_name
from dropless.errors import DroplessError
from dropless.names import changes_table

FOLDER = "curated"
"""Beside the contract, and in the lake."""
Name = Annotated[str, AfterValidator(check_name)]


class Model(BaseModel):
    """Frozen, and closed: an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Model):
    """What a column of the result means, and which columns (`orders.amount`) it is made of."""

    description: str
    of: tuple[str, ...] = ()


class Partition(Model):
    """By which time of which table the result is cut, so that only the parts are built anew whose rows changed."""

    column: str
    by: Literal["day", "month", "year"] = "month"


class Check(Model):
    """What must be true of the result: no two rows alike in some columns, no row like this, at least so many rows."""

    name: Name
    unique: tuple[str, ...] = ()
    none: str = ""
    at_least: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(map(bool, (self.unique, self.none, self.at_least))) != 1:
            raise ValueError(f"check {self.name!r} must have exactly one of `unique`, `none` and `at_least`")
        return self

    @property
    def sentence(self) -> str:
        """The promise in words."""
        if self.unique:
            return f"No two rows are alike in {', '.join(self.unique)}."
        return f"No row has {self.none}." if self.none else f"There are at least {self.at_least} rows."


class Header(Model):
    """What the comment at the beginning says."""

    description: str = Field(min_length=1)
    owner: str | None = None
    tables: tuple[str, ...] = Field(min_length=1)
    """The lake tables that it reads: the contract's current state, its changes, or both."""
    partition: Partition | None = None
    schedule: str | None = None
    """A cron line (UTC); without one it is built after each merge of what it reads."""
    columns: dict[str, Column] = {}
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A curated dataset of a contract."""

    name: str
    header: Header
    sql: str

    @property
    def folder(self) -> str:
        """Where it lies in the lake."""
        return f"{FOLDER}/{self.name}"

    @property
    def digest(self) -> str:
        """Changes with what is computed, and so with what all parts must be built anew for."""
        whole = f"{self.header.tables}{self.header.partition}{self.sql}"
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def datasets(contract: Contract, folder: Path) -> list[Dataset]:
    """The datasets that lie beside a contract, by name.

    Raises:
        DroplessError: one of them is wrong; the sentence names the file.
    """
    return [read(contract, path) for path in sorted((folder / FOLDER).glob("*.sql"))]


def read(contract: Contract, path: Path) -> Dataset:
    """A dataset's file.

    Raises:
        DroplessError: it is wrong; the sentence names the file.
    """
    comment, end, sql = path.read_text().lstrip().removeprefix("/*").partition("*/")
    if not end or not path.read_text().lstrip().startswith("/*"):
        raise DroplessError(f"{path}: must begin with a comment /* ... */ that holds its header as YAML.")
    try:
        check_name(path.stem)
        header = Header.model_validate(yaml.safe_load(comment))
        _fits(header, contract)
    except yaml.YAMLError as error:
        raise DroplessError(f"{path}: the header is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise DroplessError(f"{path}: {_first(error.errors()[0])}") from None
    except ValueError as error:
        raise DroplessError(f"{path}: {error}") from None
    return Dataset(path.stem, header, sql.strip().removesuffix(";"))


def _fits(header: Header, contract: Contract) -> None:
    known = (contract.name, changes_table(contract.name))
    for table in header.tables:
        if table not in known:
            raise ValueError(f"reads {table!r}; it may read {' and '.join(known)}")
    if header.partition is None:
        return
    if header.tables != (contract.name,):
        raise ValueError(f"is partitioned, so it must read {contract.name!r} alone: only there a row has one place")
    if header.schedule is None:
        raise ValueError("is partitioned, so it needs a `schedule`: only by one are new parts found")
    column = {each.name: each for each in contract.columns}.get(header.partition.column)
    if column is None or column.nullable or str(column.type) not in ("timestamp", "date"):
        raise ValueError(
            f"is partitioned by {header.partition.column!r}, which must be a timestamp or date column of "
            f"{contract.name!r} that is never null"
        )


def _first(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where + ': ' if where else ''}{error['msg'].removeprefix('Value error, ')}"
