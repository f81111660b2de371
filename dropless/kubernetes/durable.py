"""The durability table in each release's values, from `dropless/durability.py` and nowhere else."""

from __future__ import annotations

from typing import Any

from dropless import durability


def values(release: str) -> dict[str, Any]:
    """What of a release's values the table demands; merged last, so that nothing weakens it."""
    match release:
        case "kafka":
            return {"config": durability.broker(), "connect": {"config": durability.worker_layers()}}
        case "schema-registry":
            return {"configuration": durability.confluent_registry()}
        case "rest-proxy":
            return {"configuration": durability.rest_proxy()}
        case "ksqldb":
            return {"configuration": durability.ksqldb()}
    # The union's workers and the lake's writers, and Pinot's table, take it from the same module by themselves.
    return {}
