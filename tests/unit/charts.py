"""Our charts as Helm renders them, each installation once per session."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from specified import environment, one

from dropless.contract import Contract, load_contracts
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES, releases
from dropless.settings import PROJECT, Settings
from local_stack.helm import tools
from resources.helm import Helm, Rendered, render

__all__ = ["environment", "one"]

Manifest = Mapping[str, Any]


@cache
def helm() -> Helm:
    home = TemporaryDirectory(prefix="dropless-helm-")
    atexit.register(home.cleanup)
    return Helm(tools(Settings.load()).helm, Path(home.name))


@cache
def contracts() -> tuple[Contract, ...]:
    return tuple(load_contracts(PROJECT / "pipeline_assets" / "defs"))


@cache
def installed(size: str = "seed") -> dict[str, Rendered]:
    """Everything of an installation that leaves everything else open."""
    installation = Installation.model_validate({"size": size})
    return {each.release.name: each for each in render(helm(), releases(installation), installation, contracts())}


def rendered(installation: Installation, *names: str) -> dict[str, Rendered]:
    """Some releases of another installation."""
    chosen = [each for each in releases(installation) if each.name in names]
    return {each.release.name: each for each in render(helm(), chosen, installation, contracts())}


@cache
def with_workers() -> dict[str, Rendered]:
    """What is another way with workers instead of ksqlDB, KEDA, and people's namespaces."""
    worker = {"engine": "worker", "replicas": 2, "autoscaling": {"enabled": True}}
    installation = Installation.model_validate({"union": worker, "visitors": ["people"]})
    return rendered(installation, "pipeline", "foundation", "kafka")


def everything() -> Iterator[tuple[str, Manifest]]:
    """Each object that anybody might install, with where it comes from."""
    for where, of in (("seed", installed()), ("laptop", installed("laptop")), ("worker", with_workers())):
        for manifest in manifests(of):
            yield f"{where} {manifest['kind']} {manifest['metadata']['name']}", manifest


def manifests(of: Mapping[str, Rendered]) -> list[Manifest]:
    return [manifest for each in of.values() for manifest in each.manifests or ()]


def pod_templates(of: Manifest) -> Iterator[Manifest]:
    if of["kind"] in {"Deployment", "StatefulSet"}:
        yield of["spec"]["template"]


OUR_CHARTS = sorted(each.name for each in RELEASES if each.ours)
