"""The declaration of a curated dataset: an SQL file that begins with its header, YAML in a comment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dropless.contract import Contract
from dropless.contract.identifiers import check_name
from dropless.contract.positions import parse
from dropless.contract.problems import Problem, did_you_mean, listed
from dropless.contract.validation import told, validated
from dropless.errors import ContractError
from dropless.lake.header import Header, Partition, Plot
from dropless.lake.personal import personal_of
from dropless.names import changes_table

FOLDER = "curated"
"""Beside the contract, and in the lake."""
_BEGIN, _END = "/*", "*/"
_WHOLE = "the header"


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
        ContractError: one of them is wrong; the sentence names file and line.
    """
    return [read(contract, path) for path in sorted((folder / FOLDER).glob("*.sql"))]


def read(contract: Contract, path: Path) -> Dataset:
    """A dataset's file.

    Raises:
        ContractError: it is wrong; the sentence names file and line.
    """
    before, begin, rest = path.read_text().partition(_BEGIN)
    comment, end, sql = rest.partition(_END)
    if before.strip() or not begin or not end:
        raise ContractError(f"{path}:1: The file must begin with a comment /* ... */ that holds its header as YAML.")
    # With what stands before it, so that the lines are the file's.
    document = parse(path, "\n" * before.count("\n") + comment)
    header = validated(Header, document.value, document.where, whole=_WHOLE)
    try:
        check_name(path.stem)
        _reads(header.tables, contract)
        if header.partition is not None:
            _cut(header, header.partition, contract)
        if header.plot is not None:
            _plotted(header, header.plot, contract)
    except Problem as problem:
        raise told(
            problem, document.value, document.where, "the dataset's name" if not problem.path else _WHOLE
        ) from None
    return Dataset(path.stem, header, sql.strip().removesuffix(";"))


def _reads(tables: tuple[str, ...], contract: Contract) -> None:
    known = (contract.name, changes_table(contract.name))
    for number, table in enumerate(tables):
        if table not in known:
            raise Problem(f"is {table!r}; it may read {' and '.join(known)}", ("tables", number))


def _cut(header: Header, partition: Partition, contract: Contract) -> None:
    if header.tables != (contract.name,):
        raise Problem(f"takes `tables: [{contract.name}]`: only there a row has one place", ("partition",))
    if header.schedule is None:
        raise Problem("needs a `schedule` beside it: only by one are new parts found", ("partition",))
    column = {each.name: each for each in contract.columns}.get(partition.column)
    if column is None or column.nullable or str(column.type) not in ("timestamp", "date"):
        raise Problem(
            f"is {partition.column!r}; it must be a timestamp or date column of {contract.name!r} that is never null",
            ("partition", "column"),
        )


def _plotted(header: Header, plot: Plot, contract: Contract) -> None:
    """Everybody who opens Dagster sees the picture, and its columns can be looked up."""
    for place, name in plot.columns().items():
        if name not in header.columns:
            raise Problem(
                f"is {name!r}, which `columns` does not describe{did_you_mean(name, header.columns)}; "
                f"it describes {listed(header.columns)}",
                ("plot", *place),
            )
        if personal_of(contract, header, [name]):
            raise Problem(
                f"is {name!r}, which tells of a person: everybody may see a plot; count the rows, or take another",
                ("plot", *place),
            )
