"""Dagster: our image as its code, which is told where everything is, and its history in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dropless.contract import Contract
from dropless.endpoints import LENSES_KEY
from dropless.kubernetes.addresses import Addresses
from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import LENSES_LICENCE

ACCOUNT: Final = "dagster"
INSTALLATION: Final = "installation"
"""The foundation's ConfigMap with the addresses of all systems, and what the installation was told."""
HOME: Final = "/etc/dropless"
# A password's file, by the Secret and the key that hold it.
PASSWORDS: Final = {
    "postgresql_replication": ("postgresql-replication", "password"),
    "postgresql_application": ("postgresql-application", "password"),
    "mongodb_replication": ("mongodb-replication", "password"),
    "mongodb_application": ("mongodb-application", "password"),
    "minio_root": ("minio-root", "rootPassword"),
    # Of a service account in Lenses, with which Dagster asks what its agent sees.
    LENSES_KEY: (LENSES_LICENCE, "serviceAccountKey"),
    **{f"minio_{user}": (f"minio-{user}", "secretKey") for user in ("pipeline", "pinot", "reader", "scientist")},
}
LAPTOP: Final = {"requests": {"cpu": "50m", "memory": "448Mi"}, "limits": {"cpu": "1", "memory": "448Mi"}}
SEED: Final = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}


_ENVIRONMENT: Final = {
    "DROPLESS_STATE": "/var/lib/dropless",
    "DROPLESS_ENDPOINTS": f"{HOME}/installation/endpoints.json",
    "DROPLESS_INSTALLATION": f"{HOME}/installation/installation.yaml",
    "DROPLESS_KAFKA_USER": ACCOUNT,
}


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
                    # What the code is told, its runs are told too.
                    "includeConfigInLaunchedRuns": {"enabled": True},
                    "env": [{"name": name, "value": value} for name, value in _ENVIRONMENT.items()],
                    "volumes": [
                        {"name": "state", "emptyDir": {"sizeLimit": "2Gi"}},
                        {"name": "installation", "configMap": {"name": INSTALLATION}},
                        {"name": "secrets", "projected": {"sources": _secrets(at)}},
                    ],
                    "volumeMounts": [
                        {"name": "state", "mountPath": "/var/lib/dropless"},
                        {"name": "installation", "mountPath": f"{HOME}/installation", "readOnly": True},
                        {"name": "secrets", "mountPath": f"{HOME}/secrets", "readOnly": True},
                    ],
                    # A list is one value to Helm, so what is in it can't be in a values file of its own.
                    "resources": LAPTOP if installation.size == "laptop" else SEED,
                }
            ]
        },
    }


def _secrets(at: Addresses) -> list[dict[str, Any]]:
    """Every password that the code reads, each as its file; with external systems, some may not be there."""
    user = at.kafka.client(ACCOUNT)["userSecret"]
    files = {**PASSWORDS, "kafka_password": (user, "password")}
    if at.pinot_user:
        files[f"pinot_{at.pinot_user}"] = ("pinot-users", at.pinot_user)
    if at.kafka.ca_secret:
        files["kafka_ca.crt"] = (at.kafka.ca_secret, "ca.crt")
    return [
        {"secret": {"name": name, "optional": True, "items": [{"key": key, "path": file}]}}
        for file, (name, key) in files.items()
    ]
