"""The passwords that an installation needs: each a Secret that is made once in the cluster and read by nobody here.

Whoever brings passwords of their own makes Secrets of these names first; what is there is taken as it is.
"""

from __future__ import annotations

from typing import Any, Final

from dropless.kubernetes.installation import Installation

REPLICATION_USER: Final = "dropless_replication"
APPLICATION_USER: Final = "dropless_application"

Json = dict[str, Any]


def secrets(installation: Installation) -> list[Json]:
    """Those that a release of ours takes, and nobody else makes."""
    made: list[Json] = []
    if installation.ours("postgresql"):
        made += [
            _postgresql("postgresql-replication", REPLICATION_USER),
            _postgresql("postgresql-application", APPLICATION_USER),
            # Dagster's chart reads this key and no other.
            _postgresql("postgresql-dagster", "dagster") | {"same": {"postgresql-password": "password"}},
            _postgresql("postgresql-lenses", "lenses"),
        ]
    if installation.ours("mongodb"):
        made += [_secret(f"mongodb-{name}", ["password"]) for name in ("admin", "replication", "application")]
    if installation.ours("minio"):
        made.append(_secret("minio-root", ["rootPassword"]) | {"fixed": {"rootUser": "dropless-root"}})
        made += [_secret(f"minio-{name}", ["secretKey"]) for name in ("pipeline", "pinot", "reader", "scientist")]
    if installation.ours("pinot"):
        # Servers call the controller as the pipeline's user, and take the whole header.
        made.append(_secret("pinot-users", ["admin", "pipeline", "analyst"]) | {"basic": {"pipelineToken": "pipeline"}})
    return made


def _postgresql(name: str, user: str) -> Json:
    # CloudNativePG notices a changed password of a Secret with this label only.
    labels = {"cnpg.io/reload": "true"}
    return _secret(name, ["password"]) | {
        "type": "kubernetes.io/basic-auth",
        "fixed": {"username": user},
        "labels": labels,
    }


def _secret(name: str, keys: list[str]) -> Json:
    return {"name": name, "keys": keys}
