"""The specification's table of sizes, row by row.

Its units are read as binary ones (16 GB is 16Gi), so that nothing is smaller than it says; a range of CPUs is request
and limit. What a row leaves open, such as MinIO's memory, is decided in `helm_values/`, and no test holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Volumes:
    """Volumes of one purpose on each node."""

    purpose: str
    number: int
    size: str


@dataclass(frozen=True)
class Size:
    """One row of the table; None where it says nothing."""

    service: str
    nodes: int
    cpu: tuple[str, str]
    """Request and limit, in cores."""
    memory: str | None = None
    heap: str | None = None
    volumes: tuple[Volumes, ...] = ()
    buffers: tuple[tuple[str, str], ...] = ()
    """Memory that is kept for something, by what it is for."""
    note: str = ""


TABLE: Final = (
    Size(
        "zookeeper",
        3,
        ("2", "4"),
        memory="16Gi",
        volumes=(Volumes("transaction log", 1, "256Gi"), Volumes("data", 1, "1Ti")),
        note="RAID 10 is the storage class's business",
    ),
    Size(
        "kafka",
        3,
        ("6", "6"),
        memory="32Gi",
        volumes=(Volumes("log", 6, "1Ti"),),
        note="JBOD instead of RAID 10: Kafka keeps the copies itself, three of each",
    ),
    Size("schema-registry", 2, ("2", "4"), heap="1Gi"),
    Size("kafka-connect", 2, ("2", "4"), heap="2Gi"),
    Size("rest-proxy", 2, ("16", "16"), buffers=(("producer", "512Mi"), ("consumer", "16Mi"))),
    Size("ksqldb", 2, ("2", "2"), memory="10Gi", volumes=(Volumes("state", 1, "128Gi"),)),
    Size("postgresql", 1, ("2", "2")),
    Size("mongodb", 1, ("2", "2")),
    Size("pinot", 3, ("2", "4"), note="servers; the controller and the broker come on top"),
    Size("minio", 2, ("2", "2")),
    Size("lenses", 2, ("2", "2"), note="one HQ and one agent"),
)


def size(service: str) -> Size:
    """The row of a service.

    Raises:
        KeyError: there is none.
    """
    return {each.service: each for each in TABLE}[service]
