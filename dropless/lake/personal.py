"""Which columns tell of a person: those that the contract says, and what is made of them."""

from __future__ import annotations

from collections.abc import Collection

from dropless.contract import Contract
from dropless.lake.header import Header


def personal(contract: Contract) -> frozenset[str]:
    """The columns of a unified table that tell of a person; `_key` where a source's key does."""
    own = {column.name for column in contract.columns if column.pii}
    for source in contract.sources:
        paths = [path for name in own & source.columns.keys() for path in source.columns[name].paths]
        if any(path[0] in source.key for path in paths):
            return frozenset(own | {"_key"})
    return frozenset(own)


def personal_of(contract: Contract, header: Header, columns: Collection[str]) -> frozenset[str]:
    """Those of a curated dataset's columns that are made of personal ones, or have the name of one."""
    own = personal(contract)
    told = header.columns
    return frozenset(
        name
        for name in columns
        if name in own or (name in told and any(each.partition(".")[2] in own for each in told[name].of))
    )
