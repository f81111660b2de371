"""When an operator's work is done, and what is missing until then."""

from __future__ import annotations

from typing import Any

import pytest
from charts import installed

from dropless.kubernetes.installation import Installation
from dropless.kubernetes.releases import RELEASES, Awaited, awaited
from resources.kubernetes_ready import missing, referred
from resources.kubernetes_trouble import ready, troubles

KAFKA = Awaited("kafkas.kafka.strimzi.io", "kafka")
MONGODB = Awaited("mongodbcommunity.mongodbcommunity.mongodb.com", "mongodb", phase="Running")


def found(generation: int = 2, **status: Any) -> dict[str, Any]:
    return {"metadata": {"generation": generation}, "status": status}


def condition(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "Ready", "status": status, **more}


@pytest.mark.parametrize(
    ("which", "live", "sentence"),
    [
        (KAFKA, None, "there is none"),
        (KAFKA, found(), "it has no status: does its operator run?"),
        (
            KAFKA,
            found(observedGeneration=1, conditions=[condition("True")]),
            "its operator has not yet seen the change",
        ),
        (KAFKA, found(observedGeneration=2, conditions=[condition("True")]), None),
        (
            KAFKA,
            found(
                observedGeneration=2, conditions=[condition("False", reason="NoBrokers", message="pod a is pending")]
            ),
            "NoBrokers: pod a is pending",
        ),
        (
            KAFKA,
            found(conditions=[{"type": "NotReady", "status": "True", "message": "no pools"}]),
            "NotReady: no pools",
        ),
        # CloudNativePG's way of saying what it has seen.
        (KAFKA, found(conditions=[condition("True", observedGeneration=1)]), "it is not ready: no message"),
        (KAFKA, found(conditions=[condition("True", observedGeneration=2)]), None),
        (MONGODB, found(), "it has no phase: does its operator run?"),
        (MONGODB, found(phase="Failed", message="no volume"), "its phase is Failed no volume"),
        (MONGODB, found(phase="Running"), None),
    ],
)
def test_ready_is_what_an_operator_says_of_what_was_applied(
    which: Awaited, live: dict[str, Any] | None, sentence: str | None
) -> None:
    assert missing(which, live) == sentence


def test_everything_that_is_awaited_is_rendered() -> None:
    waited = [(release, each) for release in RELEASES for each in awaited(release, Installation())]
    assert {each.name for _, each in waited} == {"postgresql", "mongodb", "kafka", "kafka-connect"}
    for release, each in waited:
        which = referred(each, installed()[release.name].manifests or (), "dropless")
        assert which.name == each.name
        assert which.namespace == "dropless"


class Pods:
    """A cluster with one pod, and a set that cannot make its pods."""

    def listed(self, _api: str, kind: str, _namespace: str, **selectors: str) -> list[dict[str, Any]]:
        return {
            "Pod": [
                {
                    "metadata": {"name": "ksqldb-0", "uid": "8", "labels": {"app.kubernetes.io/instance": "ksqldb"}},
                    "status": {
                        "phase": "Pending",
                        "conditions": [
                            {
                                "type": "PodScheduled",
                                "status": "False",
                                "reason": "Unschedulable",
                                "message": "0/3 nodes are available",
                            }
                        ],
                        "containerStatuses": [
                            {
                                "name": "ksqldb",
                                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                            }
                        ],
                    },
                },
                {"metadata": {"name": "done", "labels": {"app": "ksqldb"}}, "status": {"phase": "Succeeded"}},
                {"metadata": {"name": "another"}, "status": {}},
            ],
            "StatefulSet": [
                {
                    "metadata": {"name": "ksqldb", "uid": "9", "labels": {"app.kubernetes.io/instance": "ksqldb"}},
                    "spec": {"replicas": 2},
                    "status": {"replicas": 1},
                }
            ],
            "Event": [
                {"reason": "FailedCreate", "message": "exceeded quota", "lastTimestamp": "2026-01-02T00:00:00Z"},
                {"reason": "FailedCreate", "message": "exceeded quota", "lastTimestamp": "2026-01-01T00:00:00Z"},
            ]
            if selectors.get("field_selector") == "involvedObject.uid=9,type=Warning"
            else [],
        }.get(kind, [])


def test_what_is_wrong_is_told_to_the_pod_and_the_event() -> None:
    first, second = troubles(Pods(), "dropless", {"ksqldb"})  # type: ignore[arg-type]
    assert first == (
        "pod ksqldb-0: Unschedulable: 0/3 nodes are available; container ksqldb: CrashLoopBackOff; "
        "container ksqldb ended with 137 (OOMKilled)"
    )
    assert second == "StatefulSet ksqldb (FailedCreate: exceeded quota)"


def test_a_pod_that_has_done_its_work_is_ready() -> None:
    assert ready({"status": {"phase": "Succeeded"}})
    assert not ready({"status": {"phase": "Running", "conditions": [condition("False")]}})
