"""The operators: each watches our namespace and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dropless.contract import Contract
from dropless.kubernetes.addresses import Addresses
from dropless.kubernetes.installation import Installation


def strimzi(installation: Installation, _contracts: Sequence[Contract], _at: Addresses) -> dict[str, Any]:
    """Pods that it makes are restricted ones, also those that its resources have no template for."""
    return {
        "watchNamespaces": [installation.namespace],
        "extraEnvs": [{"name": "STRIMZI_POD_SECURITY_PROVIDER_CLASS", "value": "restricted"}],
    }


def mongodb(installation: Installation, _contracts: Sequence[Contract], _at: Addresses) -> dict[str, Any]:
    """Of its kinds, the one that is free."""
    return {"operator": {"watchNamespace": installation.namespace, "watchedResources": ["mongodbcommunity"]}}
