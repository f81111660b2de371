"""A source's rows written canonically by PostgreSQL itself, so that a digest of a table needs no row of it.

This is the contract's mapping once more, in SQL and by other rules than the union's: an error in either shows. What SQL
cannot write exactly (documents, fields of documents, unusual types) is fetched as text and mapped as the union does.
Of a value that no mapping takes, the writing is of no meaning: the row is told as refused once it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from dropless.contract import Column, Contract, Expression, Source
from dropless.contract.column_type import Kind
from dropless.contract.literals import on_the_wire
from dropless.errors import DroplessError
from dropless.reconciliation.canonical import BUCKET_DIGITS, COARSE_US, Split, coarse
from dropless.reconciliation.where import Compare, Condition, Joined, Not, Null

Sql = sql.Composable

INTEGERS: Final = frozenset({"smallint", "integer", "bigint"})
# The first and last moment of our calendar: beyond, arithmetic with zones overflows.
_CALENDAR: Final = sql.SQL("between '0001-01-01' and '9999-12-31 23:59:59.999999'")
# Within these the product of doubles is less than half a microsecond off and can be rounded, which takes half the time:
# seconds below 2^32 are at most 2^-21 apart, so 0.24 us off, and microseconds below 2^52 half of one, so 0.25 us.
_NEAR: Final = sql.SQL("between '1900-01-01' and '2100-01-01'")
_NUMERIC: Final = re.compile(r"numeric\(\d+,(\d+)\)")


@dataclass(frozen=True)
class Written:
    """How a table's rows are written: expressions over its columns, all text, null for null."""

    split: Split
    key: Sql
    computed: tuple[Sql, ...]
    """The coarse text of each computed column; a timestamp's is its microseconds, to be cut by `hashed`."""
    origins: tuple[str, ...]
    """The table's columns that fetched ones are made of."""
    known_absent: bool
    """Whether the fetched columns of a row are all null where these are, so that such a row need not be fetched."""

    @property
    def absent(self) -> Sql:
        """The condition of rows that need not be fetched."""
        if not self.known_absent:
            return sql.SQL("false")
        nulls = [sql.SQL("{} is null").format(sql.Identifier(name)) for name in self.origins]
        return sql.SQL("({})").format(sql.SQL(" and ").join(nulls))


def written(contract: Contract, source: Source, types: Mapping[str, str]) -> Written:
    """How a source's table is written, given the types of its columns as SQL names them.

    Raises:
        DroplessError: the table lacks a column of the key, or the key has a type that we cannot write.
    """
    computed, fetched, expressions = [], [], []
    for column in contract.columns:
        made = _column(column, source.columns.get(column.name), types)
        if made is None:
            fetched.append(column)
        else:
            computed.append(column)
            expressions.append(made)
    origins = sorted({name for each in fetched if (name := _origin(source.columns[each.name], types)) is not None})
    parts = [_key_part(source, name, types) for name in source.key]
    key = sql.SQL(" || ',' || ").join(parts)
    prefixed = sql.SQL("{} || {}").format(sql.Literal(f"{source.name}:"), key)
    known_absent = bool(origins) and all(source.columns[each.name].default is None for each in fetched)
    split = Split(tuple(computed), tuple(fetched))
    return Written(split, prefixed, tuple(expressions), tuple(origins), known_absent)


def hashed(rows: Written, table: Sql, condition: Sql) -> sql.Composed:
    """A select of `key, bucket, high, low, fine` of the computed half of each row; the hashes are signed."""
    columns = list(enumerate(zip(rows.split.computed, rows.computed, strict=True)))
    values = [sql.SQL("{} as {}").format(made, sql.Identifier(f"c{number}")) for number, (_, made) in columns]
    moments = [number for number, (column, _) in columns if column.type.kind is Kind.TIMESTAMP]
    main: list[Sql] = []
    fine: list[Sql] = []
    for number, _ in columns:
        name = sql.Identifier(f"c{number}")
        if number in moments:
            main.append(sql.SQL("({} / {})::text").format(name, COARSE_US))
            fine.append(sql.SQL("({} % {})::text").format(name, COARSE_US))
        else:
            main.append(name)
    finest = _hash(fine) if fine else sql.SQL("null::bit(128)")
    # `offset 0` keeps the planner from writing an expression out once for each of its uses.
    query = """
        select key, {bucket} as bucket, {high} as high, {low} as low, {fine} as fine
        from (
            select key, {main} as main, {finest} as fine from (
                select {values} from {table} where {condition} offset 0
            ) as made offset 0
        ) as written
    """
    return sql.SQL(query).format(
        bucket=_bucket(),
        high=sql.SQL("main::bit(64)::bigint"),
        low=sql.SQL("(main << 64)::bit(64)::bigint"),
        fine=sql.SQL("coalesce(fine::bit(64)::bigint, 0)"),
        main=_hash(main),
        finest=finest,
        values=sql.SQL(", ").join([sql.SQL("{} as key").format(rows.key), *values]),
        table=table,
        condition=condition,
    )


def keyed(rows: Written, table: Sql, condition: Sql) -> sql.Composed:
    """The same of the keys alone, with hashes of 0."""
    keys = sql.SQL("select {} as key from {} where {}").format(rows.key, table, condition)
    query = "select key, {} as bucket, 0::bigint as high, 0::bigint as low, 0::bigint as fine from ({}) as keys"
    return sql.SQL(query).format(_bucket(), keys)


def chosen(rows: Written, condition: Condition) -> Sql:
    """A condition on unified columns as one on the table.

    Raises:
        DroplessError: a column is not written by PostgreSQL itself.
    """
    match condition:
        case Joined(children, every):
            glue = sql.SQL(" and " if every else " or ")
            return sql.SQL("({})").format(glue.join([chosen(rows, each) for each in children]))
        case Not(child):
            return sql.SQL("(not {})").format(chosen(rows, child))
        case Compare(column, symbol, value):
            return sql.SQL("({} {} {})").format(
                _comparable(column, _made_of(rows, column)), sql.SQL(symbol), sql.Literal(value)
            )
        case Null(column):
            return sql.SQL("({} is null)").format(_made_of(rows, column))


def summed(hashes: sql.Composed) -> sql.Composed:
    """A select of `bucket, count, high, low, fine`: the sums of what `hashed` or `keyed` selects."""
    query = "select bucket, count(*), sum(high), sum(low), sum(fine) from ({}) as hashed group by bucket"
    return sql.SQL(query).format(hashes)


def bucket_of(rows: Written) -> sql.Composed:
    """A row's bucket."""
    return _bucket(rows.key)


def _bucket(key: Sql = sql.SQL("key")) -> sql.Composed:  # noqa: B008 - immutable
    digits, bits = sql.Literal(BUCKET_DIGITS), sql.Literal(BUCKET_DIGITS * 4)
    return sql.SQL("('x' || substr(md5({}), 1, {}))::bit({})::integer").format(key, digits, bits)


def _hash(columns: Sequence[Sql]) -> sql.Composed:
    # As bits, which are parsed once for both halves. One function over all texts: a chain of operators would copy the
    # text once for each.
    parts = [
        sql.SQL("octet_length(key) || ':' || key"),
        *(sql.SQL("coalesce({}, '')").format(each) for each in columns),
    ]
    return sql.SQL("('x' || md5(concat_ws(chr(31), {})))::bit(128)").format(sql.SQL(", ").join(parts))


def _made_of(rows: Written, column: Column) -> Sql:
    for each, made in zip(rows.split.computed, rows.computed, strict=True):
        if each.name == column.name:
            return made
    raise DroplessError(f"PostgreSQL cannot be asked for column {column.name!r}: its values are made by the mapping.")


def _comparable(column: Column, made: Sql) -> Sql:
    match column.type.kind:
        case Kind.STRING:
            # Behind its length, and by its bytes, whatever the database's language.
            return sql.SQL("substr({text}, strpos({text}, ':') + 1) collate \"C\"").format(text=made)
        case Kind.TIMESTAMP:
            return made
        case Kind.INT | Kind.LONG:
            return sql.SQL("({})::bigint").format(made)
        case kind:
            # Numbers, dates and truth have the same text in both.
            names = {Kind.DECIMAL: "numeric", Kind.DATE: "date", Kind.BOOLEAN: "boolean"}
            return sql.SQL("({})::{}").format(made, sql.SQL(names[kind]))


def _key_part(source: Source, name: str, types: Mapping[str, str]) -> Sql:
    type_ = types.get(name)
    if type_ is None:
        raise DroplessError(f"The table of source {source.name!r} has no column {name!r}, which is of its key.")
    column = sql.Identifier(name)
    if type_ in INTEGERS or type_ == "boolean":
        return sql.SQL("{}::text").format(column)
    if (text := _as_text(column, type_)) is not None:
        return sql.SQL(r"replace(replace({}, '\', '\\'), ',', '\,')").format(text)
    if type_.startswith("numeric"):
        return sql.SQL("{}::text").format(column)
    if type_ == "date":
        return sql.SQL("({} - date '1970-01-01')::text").format(column)
    raise DroplessError(
        f"Source {source.name!r} cannot be reconciled: column {name!r} of its key is {type_}, which is not among "
        "integers, texts, uuid, numeric, boolean and date."
    )


def _origin(expression: Expression, types: Mapping[str, str]) -> str | None:
    return next((path[0] for path in expression.paths if path[0] in types), None)


def _column(column: Column, expression: Expression | None, types: Mapping[str, str]) -> Sql | None:
    kind = column.type.kind
    if expression is None:
        return sql.SQL("null::bigint") if kind is Kind.TIMESTAMP else sql.SQL("null::text")
    if expression.constant is not None:
        return _literal(column, expression.constant)
    path = next((path for path in expression.paths if path[0] in types), None)
    if path is None:
        # No row has it: an optional one, or a mistake of which the plan tells.
        made: Sql | None = sql.SQL("null::bigint") if kind is Kind.TIMESTAMP else sql.SQL("null::text")
    elif len(path) > 1:
        return None
    else:
        made = _of(column, expression, sql.Identifier(path[0]), types[path[0]])
    if made is None or expression.default is None:
        return made
    return sql.SQL("coalesce({}, {})").format(made, _literal(column, expression.default))


def _of(column: Column, expression: Expression, origin: sql.Identifier, type_: str) -> Sql | None:
    if expression.values is not None:
        return _lookup(column, expression.values, origin, type_)
    match column.type.kind:
        case Kind.STRING:
            text = sql.SQL("{}::text").format(origin) if type_ in INTEGERS else _as_text(origin, type_)
            return None if text is None else sql.SQL("octet_length({text}) || ':' || {text}").format(text=text)
        case Kind.INT | Kind.LONG:
            return None if type_ not in INTEGERS or expression.divide else sql.SQL("{}::text").format(origin)
        case Kind.DECIMAL:
            return _decimal(column.type.scale, expression.divide or 1, origin, type_)
        case Kind.DOUBLE:
            return _double(expression.divide or 1, origin, type_)
        case Kind.BOOLEAN:
            return sql.SQL("{}::text").format(origin) if type_ == "boolean" else None
        case Kind.DATE:
            # ISO by the session's setting.
            return sql.SQL("{}::text").format(origin) if type_ == "date" else None
        case Kind.TIMESTAMP:
            return _moment(expression.timezone, origin, type_)
        case _:
            return None


def _lookup(column: Column, values: Mapping[str, object], origin: sql.Identifier, type_: str) -> Sql | None:
    text = sql.SQL("{}::text").format(origin) if type_ in INTEGERS or type_ == "boolean" else _as_text(origin, type_)
    if text is None:
        return None
    cases = [
        sql.SQL("when {} then {}").format(sql.Literal(each), _literal(column, value)) for each, value in values.items()
    ]
    return sql.SQL("case {} {} end").format(text, sql.SQL(" ").join(cases))


def _as_text(origin: Sql, type_: str) -> Sql | None:
    if type_ in {"text", "uuid", "name"} or type_.startswith("character varying"):
        return sql.SQL("{}::text").format(origin)
    if type_ == "character" or type_.startswith("character("):
        # A cast would cut the blanks at the end, which are captured.
        return sql.SQL("textin(bpcharout({}))").format(origin)
    return None


def _decimal(scale: int, divisor: int, origin: sql.Identifier, type_: str) -> Sql | None:
    if type_ in INTEGERS and 10**scale % divisor == 0:
        made = sql.SQL("{}::numeric / {}").format(origin, sql.Literal(divisor)) if divisor > 1 else None
        return sql.SQL("round({}, {})::text").format(made or sql.SQL("{}::numeric").format(origin), sql.Literal(scale))
    given = _NUMERIC.fullmatch(type_)
    if given and int(given[1]) <= scale and divisor == 1:
        return sql.SQL("round({}, {})::text").format(origin, sql.Literal(scale))
    return None


def _double(divisor: int, origin: sql.Identifier, type_: str) -> Sql | None:
    if type_ in {"smallint", "integer"} and divisor < 2**53:
        # Joined are exact, and the division gives the nearest double.
        number: Sql = sql.SQL("{}::float8 / {}::float8").format(origin, sql.Literal(divisor))
    elif divisor > 1:
        return None
    elif type_ in {"double precision", "bigint"} or type_.startswith("numeric"):
        number = sql.SQL("{}::float8").format(origin)
    elif type_ == "real":
        number = sql.SQL("{}::text::float8").format(origin)
    else:
        return None
    # Adding zero takes the sign from a negative zero.
    return sql.SQL("('x' || encode(float8send({} + 0.0::float8), 'hex'))::bit(64)::bigint::text").format(number)


def _moment(zone: str | None, origin: sql.Identifier, type_: str) -> Sql | None:
    if not re.fullmatch(r"timestamp(\(\d\))? with(out)? time zone", type_):
        return None
    moment: Sql = origin
    if zone is not None:
        if "without" not in type_:
            return None
        # Of a time that a clock showed twice PostgreSQL takes the second, the contract the first.
        made = sql.SQL("{} at time zone {}").format(origin, sql.Literal(zone))
        moment = sql.SQL(
            "case when ({made} - interval '1 hour') at time zone {zone} = {origin} "
            "then {made} - interval '1 hour' else {made} end"
        ).format(made=made, zone=sql.Literal(zone), origin=origin)
    microseconds = """case when {origin} {near} then (date_part('epoch', {moment}) * 1000000)::bigint
        when {origin} {calendar} then (extract(epoch from {moment}) * 1000000)::bigint end"""
    return sql.SQL(microseconds).format(origin=origin, moment=moment, near=_NEAR, calendar=_CALENDAR)


def _literal(column: Column, value: object) -> Sql:
    wire = on_the_wire(value, column.type)
    # A timestamp's text is made of its microseconds, together with all others of its column.
    return sql.Literal(wire) if column.type.kind is Kind.TIMESTAMP else sql.Literal(coarse(column.type.kind, wire))
