"""Which column and expression would take a column that appeared at a source, and writing them into the declaration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.contract.column_type import ColumnType, Kind
from dropless.contract.identifiers import MAX_LENGTH, join
from dropless.contract.loading import parse_contract
from dropless.contract.model import Contract
from dropless.errors import ContractError

_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_SQL: Final = {
    "smallint": Kind.INT,
    "integer": Kind.INT,
    "bigint": Kind.LONG,
    "real": Kind.DOUBLE,
    "double precision": Kind.DOUBLE,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "json": Kind.JSON,
    "jsonb": Kind.JSON,
}


@dataclass(frozen=True)
class Proposal:
    """A column of a source that no expression takes, and the unified column that would."""

    source: str
    column: str
    name: str
    type: ColumnType
    optional: bool

    @property
    def declaration(self) -> str:
        """The unified column as a line of YAML."""
        return f'{{name: {_quoted(self.name)}, type: "{self.type}"}}'

    @property
    def expression(self) -> str:
        """The source's expression as YAML."""
        origin = _quoted(join((self.column,)))
        # Older raw records lack a column that came after them.
        return f"{{from: {origin}, optional: true}}" if self.optional else origin


def of_sql(text: str) -> ColumnType:
    """The unified type for a PostgreSQL type as `format_type` writes it; a string where no other holds every value."""
    if (match := _NUMERIC.fullmatch(text)) and int(match[1]) <= 38 and int(match[2]) <= int(match[1]):
        return ColumnType(Kind.DECIMAL, int(match[1]), int(match[2]))
    if text.startswith("timestamp"):
        return ColumnType(Kind.TIMESTAMP)
    return ColumnType(Kind.JSON if text.endswith("[]") else _SQL.get(text, Kind.STRING))


def propose(contract: Contract, source: str, unknown: Iterable[tuple[str, ColumnType]]) -> list[Proposal]:
    """A nullable unified column for each unknown column of a source.

    A unified column of the same name and type that the source does not fill yet is filled by it.
    """
    told = contract.source(source)
    taken = {column.name: column.type for column in contract.columns}
    made = []
    for column, kind in unknown:
        name = _name(column)
        if name in told.columns or taken.get(name, kind) != kind or f"{name}_us" in taken:
            name = _name(f"{source}_{column}")
        taken[name] = kind
        made.append(Proposal(source, column, name, kind, optional=told.postgresql is not None))
    return made


def write(path: Path, proposals: Iterable[Proposal]) -> Contract:
    """Write columns and expressions into a declaration; every line that is there stays as it is.

    Raises:
        ContractError: the file's form does not let us; the sentence has what to write by hand.
    """
    text, proposals = path.read_text(), list(proposals)
    root: Any = yaml.compose(text, yaml.SafeLoader)
    attributes = _value(root, "attributes")
    sources = _value(attributes, "sources").value
    declared = {column.name for column in parse_contract(path).columns}
    insertions: list[tuple[int, str]] = []
    for each in proposals:
        if each.name not in declared:
            insertions.append(_item(text, _value(attributes, "columns"), each.declaration))
            declared.add(each.name)
        source = next(node for node in sources if _value(node, "name").value == each.source)
        insertions.append(_entry(text, _value(source, "columns"), f"{_quoted(each.name)}: {each.expression}"))
    changed = text
    for place in sorted({place for place, _ in insertions}, reverse=True):
        inserted = "".join(piece for at, piece in insertions if at == place)
        changed = changed[:place] + inserted + changed[place:]
    fresh = path.with_suffix(".new")
    fresh.write_text(changed)
    try:
        made = parse_contract(fresh)
    except ContractError as error:
        by_hand = "; ".join(f"{each.declaration} and {each.name}: {each.expression}" for each in proposals)
        raise ContractError(f"{path}: The columns cannot be written into it ({error}): add {by_hand}.") from None
    else:
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return made


def _name(column: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()).strip("_")
    return (name if name[:1].isalpha() else f"column_{name}")[:MAX_LENGTH].rstrip("_")


def _quoted(text: str) -> str:
    # Plain where YAML and the contract's own reader agree that it is a text.
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text) and yaml.safe_load(text) == text else _single(text)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _value(mapping: yaml.MappingNode, key: str) -> Any:
    return next(value for name, value in mapping.value if name.value == key)


def _item(text: str, sequence: yaml.SequenceNode, item: str) -> tuple[int, str]:
    end = _end(sequence.value[-1])
    if sequence.flow_style:
        return end, f", {item}"
    return _line_end(text, end), f"\n{' ' * sequence.start_mark.column}- {item}"


def _entry(text: str, mapping: yaml.MappingNode, entry: str) -> tuple[int, str]:
    end = _end(mapping.value[-1][1])
    if mapping.flow_style:
        return end, f", {entry}"
    return _line_end(text, end), f"\n{' ' * mapping.start_mark.column}{entry}"


def _end(node: yaml.Node) -> int:
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


def _line_end(text: str, place: int) -> int:
    # Behind a comment that stands on the same line.
    found = text.find("\n", place)
    return len(text) if found < 0 else found
