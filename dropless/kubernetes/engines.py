"""Who unites which table: ksqlDB, or our workers."""

from __future__ import annotations

from collections.abc import Sequence

from dropless.contract import Contract
from dropless.ksqldb.inexpressible import Inexpressible
from dropless.ksqldb.statements import statements
from dropless.kubernetes.installation import Installation


def on_ksqldb(installation: Installation, contracts: Sequence[Contract]) -> list[str]:
    """The tables that ksqlDB unites: all that it can, where it is the engine; workers unite the others."""
    if installation.union.engine == "worker":
        return []
    return [contract.name for contract in contracts if unfit(contract) is None]


def unfit(contract: Contract) -> Inexpressible | None:
    """Why ksqlDB cannot unite a table; None if it can."""
    try:
        statements(contract)
    except Inexpressible as why:
        return why
    return None
