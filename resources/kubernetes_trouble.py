"""Why pods are not ready, as one would find out with kubectl: their states, conditions and last warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from resources.api_server import ApiServer

# More than these are a list that nobody reads.
MOST: Final = 3

Object = Mapping[str, Any]


def pods(cluster: ApiServer, namespace: str, names: Collection[str]) -> list[Object]:
    """The pods of releases or custom resources of these names, which charts and operators put into a label."""
    return [
        each
        for each in cluster.listed("v1", "Pod", namespace)
        if set(names) & set((each["metadata"].get("labels") or {}).values())
    ]


def ready(pod: Object) -> bool:
    """Whether a pod serves, or has done its work."""
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return True
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())


def troubles(cluster: ApiServer, namespace: str, names: Collection[str]) -> list[str]:
    """A sentence for each of the first few pods that are not ready, and for what cannot even make its pods.

    Raises:
        Unreachable: the API server does not answer.
    """
    waiting = [each for each in pods(cluster, namespace, names) if not ready(each)]
    found = [
        f"pod {each['metadata']['name']}: {'; '.join(_reasons(each)) or 'is not ready'}"
        + _told(_warnings(cluster, namespace, each))
        for each in waiting[:MOST]
    ]
    if len(waiting) > MOST:
        found.append(f"{len(waiting) - MOST} more pods")
    for kind in ("StatefulSet", "ReplicaSet"):
        for each in cluster.listed("apps/v1", kind, namespace):
            labels = set((each["metadata"].get("labels") or {}).values())
            short = (each.get("status") or {}).get("replicas", 0) < each["spec"].get("replicas", 1)
            if labels & set(names) and short and (said := _warnings(cluster, namespace, each)):
                found.append(f"{kind} {each['metadata']['name']}{_told(said)}")
    return found


def _warnings(cluster: ApiServer, namespace: str, item: Object) -> list[str]:
    """The last warnings about an object, the newest first, each once."""
    # Not by its name: a pod of a set has that of the pod before it, whose warnings are over.
    which = f"involvedObject.uid={item['metadata']['uid']},type=Warning"
    events = cluster.listed("v1", "Event", namespace, field_selector=which)
    events.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""), reverse=True)
    return list(dict.fromkeys(f"{each.get('reason')}: {str(each.get('message')).strip()}" for each in events))[:MOST]


def _told(said: list[str]) -> str:
    return f" ({'; '.join(said)})" if said else ""


def _reasons(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            yield f"{condition.get('reason')}: {condition.get('message')}"
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        state = container.get("state") or {}
        waits, ended = (
            state.get("waiting"),
            state.get("terminated") or (container.get("lastState") or {}).get("terminated"),
        )
        if waits:
            yield f"container {container['name']}: {waits.get('reason')} {waits.get('message') or ''}".strip()
        if ended and ended.get("exitCode"):
            yield f"container {container['name']} ended with {ended['exitCode']} ({ended.get('reason')})"
