"""The declared tables of this installation, by name."""

from __future__ import annotations

import hashlib

from dropless.contract import Contract, load_contracts
from dropless.errors import DroplessError
from dropless.settings import Settings


def declared(settings: Settings, table: str) -> Contract:
    """The contract of a table.

    Raises:
        DroplessError: no contract has that name; the sentence lists those there are.
        ContractError: a declaration is wrong.
    """
    contracts = {contract.name: contract for contract in load_contracts(settings.contracts)}
    if table not in contracts:
        known = ", ".join(sorted(contracts)) or "none"
        raise DroplessError(f"No contract in {settings.contracts} declares a table {table!r}; declared: {known}.")
    return contracts[table]


def contract_digest(contract: Contract) -> str:
    """A short hash of everything a contract says, to see whether a process runs the present one."""
    return hashlib.sha256(contract.model_dump_json().encode()).hexdigest()[:16]
