"""Any folder of components, loaded as Dagster loads a project's own."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import dagster as dg

from dropless.settings import PROJECT

OWN = PROJECT / "pipeline_assets" / "defs"


def definitions_in(folder: Path) -> dg.Definitions:
    """The definitions of every component below a folder."""
    if not any(folder.rglob("*")):
        # Dagster takes an empty folder for a mistake.
        return dg.Definitions()
    module = importlib.import_module("pipeline_assets.defs") if folder == OWN else _as_module(folder)
    return dg.ComponentTree.from_module(defs_module=module, project_root=PROJECT).build_defs()


def _as_module(folder: Path) -> ModuleType:
    # Dagster finds components by module: a folder elsewhere becomes a package without being on the path.
    name = "dropless_contracts"
    spec = importlib.machinery.ModuleSpec(name, loader=None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    module.__file__ = None
    sys.modules[name] = module
    return module
