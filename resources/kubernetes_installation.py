"""One installation on one cluster, put together from what is pinned and what is told."""

from __future__ import annotations

from collections.abc import Sequence

from dropless.contract import Contract, load_contracts
from dropless.kubernetes.installation import Installation
from dropless.settings import Settings
from local_stack.helm import tools
from resources.api_server import Access, ApiServer
from resources.helm import Helm
from resources.kubernetes import READY_SECONDS, Releases


def on_kubernetes(
    settings: Settings,
    installation: Installation,
    access: Access,
    contracts: Sequence[Contract] | None = None,
    ready_seconds: float = READY_SECONDS,
) -> Releases:
    """What observes and makes the Helm releases of an installation on a cluster.

    Raises:
        DroplessError: the cluster is not known, or Helm could not be fetched.
    """
    programs = tools(settings)
    helm = Helm(programs.helm, settings.cache / "helm-home", access)
    declared = load_contracts(settings.contracts) if contracts is None else contracts
    return Releases(
        helm,
        ApiServer.connect(access),
        kubectl=programs.kubectl,
        installation=installation,
        contracts=declared,
        ready_seconds=ready_seconds,
    )
