"""The component behind `pipeline_assets.components.UnifiedTable`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict

from dropless.contract import Contract, parse_contract
from dropless.contract.loading import FILE
from pipeline_assets.installation import Installation
from pipeline_assets.lake import lake
from pipeline_assets.lineage import lineage
from pipeline_assets.source_columns import source_columns
from pipeline_assets.table import provisioning, union_key


class Attributes(BaseModel):
    """The attributes as editors and `dg check yaml` see them: the contract's schema.

    They are judged by the contract alone, whose errors name file, line and what would be right.
    """

    model_config = ConfigDict(extra="allow")

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """The contract's own schema."""
        return Contract.model_json_schema(*arguments, **options)


class UnifiedTable(dg.Component):
    """One real-time table made of several, from its sources to SQL and the lake.

    A folder with a `defs.yaml` of this type declares the table: its columns, and for each source the
    table or collection, its primary key, and one expression per column. From it come the topics,
    registry subjects, connectors, Pinot table and processes, and the lineage between them.
    """

    def __init__(self, contract: Contract, folder: Path) -> None:
        self.contract = contract
        self.folder = folder

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema for `dg check yaml` and editors."""
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:  # noqa: ARG003 - the file is read instead
        """The component of a folder.

        Raises:
            ContractError: one sentence with file and line.
        """
        return cls(parse_contract(context.path / FILE), Path(context.path))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - Dagster's signature
        """Everything that is made for the table, and the data that flows through it."""
        installation = Installation()
        data = lineage(self.contract, union_key(self.contract, installation))
        return dg.Definitions.merge(
            provisioning(self.contract, installation),
            dg.Definitions(assets=data, asset_checks=[source_columns(self.contract)]),
            lake(self.contract, self.folder, installation.schedules),
        )
