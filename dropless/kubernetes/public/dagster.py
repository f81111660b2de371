"""Dagster: our image as its code, its history in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dropless.contract import Contract
from dropless.kubernetes.addresses import Addresses
from dropless.kubernetes.installation import Installation

ACCOUNT: Final = "dagster"
LAPTOP: Final = {"requests": {"cpu": "50m", "memory": "448Mi"}, "limits": {"cpu": "1", "memory": "448Mi"}}
SEED: Final = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


def values(installation: Installation, _contracts: Sequence[Contract], at: Addresses) -> dict[str, Any]:
    """Webserver, daemon, one code location, and a Job per run."""
    host, _, port = at.postgresql.rpartition(":")
    return {
        # The foundation's, with the Role that provisions.
        "serviceAccount": {"create": False, "name": ACCOUNT},
        "global": {"postgresqlSecretName": "postgresql-dagster", "serviceAccountName": ACCOUNT},
        "generatePostgresqlPasswordSecret": False,
        "postgresql": {
            "postgresqlHost": host or at.postgresql,
            "postgresqlUsername": "dagster",
            "postgresqlDatabase": "dagster",
            "service": {"port": int(port) if host else 5432},
        },
        "dagster-user-deployments": {
            "deployments": [
                {
                    "name": "dropless",
                    "image": {
                        "repository": f"{installation.registry}/dropless",
                        "tag": installation.tag,
                        "pullPolicy": "IfNotPresent",
                    },
                    "dagsterApiGrpcArgs": ["--module-name", "pipeline_assets.definitions"],
                    "port": 3030,
                    # A list is one value to Helm, so what is in it can't be in a values file of its own.
                    "resources": LAPTOP if installation.size == "laptop" else SEED,
                }
            ]
        },
    }
