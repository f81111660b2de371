"""The declared tables of this installation, by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

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


def written(contract: Contract) -> str:
    """A contract as a process gets it: the JSON that `applied` reads."""
    text = contract.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    # In a generated file that would be a reference to a password.
    return text.replace("${", "\\u0024{")


def applied(path: Path) -> Contract:
    """The contract that a process was given when it was applied.

    Raises:
        DroplessError: the file is not there or holds no contract.
    """
    try:
        return Contract.from_attributes(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise DroplessError(f"The contract in {path} cannot be read ({error}): see `dropless apply`.") from None


def contract_digest(contract: Contract) -> str:
    """A short hash of everything a contract says, to see whether a process runs the present one."""
    return hashlib.sha256(contract.model_dump_json().encode()).hexdigest()[:16]
