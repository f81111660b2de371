"""The dictionary: what every table and column of the lake means, as a page for people, beside the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from dropless import names
from dropless.contract import Column as Declared
from dropless.contract import Contract
from dropless.lake.catalogue import unreachable
from dropless.lake.dataset import Dataset
from dropless.lake.personal import personal, personal_of
from dropless.lake.schema import DAY, SYSTEM, arrow_type, changes_schema, comment
from dropless.lake.store import Store

HTML: Final = "dictionary.html"
MARKDOWN: Final = "dictionary.md"
_LINK_SECONDS: Final = 12 * 3600


@dataclass(frozen=True)
class Column:
    """A column as the dictionary tells it."""

    name: str
    type: str
    nullable: bool
    description: str
    allowed: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    """The sources' columns that it is made of, such as `store: total_cents / 100`."""
    personal: bool = False


@dataclass(frozen=True)
class Table:
    """A table as the dictionary tells it."""

    name: str
    description: str
    owner: str
    kind: Literal["current state", "changes", "curated dataset"]
    columns: tuple[Column, ...]
    sql: str = ""


def described(
    contract: Contract, datasets: Sequence[Dataset], schemas: Mapping[str, pa.Schema] | None = None
) -> list[Table]:
    """The tables that follow from a contract; `schemas` has those of the datasets that are built, by folder."""
    hidden, owner = personal(contract), contract.owner or ""
    own = [_own(contract, column) for column in contract.columns]
    system = [_field(field, nullable=False, hidden=hidden) for field in SYSTEM]
    day = _field(changes_schema(contract).field(DAY), nullable=False)
    return [
        Table(contract.name, contract.description, owner, "current state", (*own, *system)),
        Table(
            names.changes_table(contract.name),
            f"Every change of every row of `{contract.name}`, deletions among them, in the order of `_position`.",
            owner,
            "changes",
            (*own, *system, day),
        ),
        *(_curated(contract, each, (schemas or {}).get(each.folder)) for each in datasets),
    ]


def markdown(tables: Iterable[Table]) -> str:
    """The dictionary as Markdown."""
    return _render("dictionary.md.j2", tables)


def html(tables: Iterable[Table]) -> str:
    """The dictionary as a page that needs nothing else."""
    return _render("dictionary.html.j2", tables)


def store_dictionary(store: Store, declared: Iterable[tuple[Contract, Sequence[Dataset]]]) -> None:
    """Write the dictionary of all contracts beside their tables.

    Raises:
        OSError | DeltaError: the store does not answer, or refuses.
    """
    tables: list[Table] = []
    for contract, datasets in declared:
        tables += described(contract, datasets, _schemas(store, datasets))
    filesystem = store.filesystem(names.DICTIONARY_FOLDER)
    for name, kind, text in ((HTML, "text/html", html(tables)), (MARKDOWN, "text/markdown", markdown(tables))):
        with filesystem.open_output_stream(name, metadata={"Content-Type": f"{kind}; charset=utf-8"}) as file:
            file.write(text.encode())


def address(store: Store) -> str | None:
    """A link for a browser to the stored page, good for twelve hours; None where there is none yet.

    Raises:
        DroplessError: the lake does not answer.
    """
    client = store.client()
    page = f"{names.DICTIONARY_FOLDER}/{HTML}"
    try:
        client.head_object(Bucket=store.bucket, Key=page)
    except ClientError:
        return None
    except BotoCoreError:
        raise unreachable(store) from None
    parameters = {"Bucket": store.bucket, "Key": page}
    return client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=_LINK_SECONDS)


def _own(contract: Contract, column: Declared) -> Column:
    origins = []
    for source in contract.sources:
        if (expression := source.columns.get(column.name)) is None:
            continue
        made = " or ".join(expression.from_) if expression.from_ is not None else f"always {expression.constant}"
        made += f" / {expression.divide}" if expression.divide else ""
        made += f", {expression.timezone} time" if expression.timezone else ""
        made += f", else {expression.default}" if expression.default is not None else ""
        origins.append(f"{source.name}: {made}")
    return Column(
        column.name,
        str(arrow_type(column.type)),
        column.nullable,
        column.description,
        column.allowed or (),
        tuple(origins),
        column.pii,
    )


def _field(field: pa.Field, *, nullable: bool, hidden: frozenset[str] = frozenset()) -> Column:
    return Column(field.name, str(field.type), nullable, comment(field), personal=field.name in hidden)


def _curated(contract: Contract, dataset: Dataset, schema: pa.Schema | None) -> Table:
    told = dataset.header.columns
    types = {} if schema is None else {field.name: str(field.type) for field in schema}
    every = list(types or told)
    hidden = personal_of(contract, dataset.header, every)
    columns = tuple(
        Column(
            name,
            types.get(name, ""),
            nullable=True,
            description=told[name].description if name in told else "",
            origins=told[name].of if name in told else (),
            personal=name in hidden,
        )
        for name in every
    )
    owner = dataset.header.owner or contract.owner or ""
    return Table(dataset.folder, dataset.header.description, owner, "curated dataset", columns, dataset.sql)


def _schemas(store: Store, datasets: Sequence[Dataset]) -> dict[str, pa.Schema]:
    found = {}
    for each in datasets:
        try:
            table = DeltaTable(store.uri(each.folder), storage_options=store.delta_options())
        except TableNotFoundError:
            continue
        found[each.folder] = pa.schema(table.schema().to_arrow())
    return found


def _render(template: str, tables: Iterable[Table]) -> str:
    environment = Environment(
        loader=PackageLoader("dropless.lake"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment.get_template(template).render(tables=list(tables))


def _cell(text: str) -> str:
    """A text that stays in its cell of a Markdown table, and is no markup."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
