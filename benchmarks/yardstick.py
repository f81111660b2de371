"""H, the rate of a relay made of Kafka's own performance tools: C consumes, P produces, H = 1 / (1/C + 1/P).

A yardstick and no bound. Its Java tools get Kafka's own JVM options, and records enough to be warm: P's first
half is not counted, C's start is a small part of what it reads.
"""

from __future__ import annotations

import re
import subprocess
from typing import Final

from benchmarks.lab import Lab
from dropless import durability
from dropless.errors import DroplessError
from local_stack import install, toolchain
from local_stack.versions import HERE, KAFKA

TOOL_SECONDS: Final = 300
# As bin/kafka-run-class.sh starts them, with the heap fixed.
JVM: Final = ("-Xms512m", "-Xmx512m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent")  # fmt: skip
# librdkafka's settings that Java's producer has under the same name.
_SHARED: Final = ("acks", "enable.idempotence", "max.in.flight.requests.per.connection", "compression.type",
                  "batch.size", "linger.ms")  # fmt: skip
_COLUMNS: Final = ("start.time", "end.time", "data.consumed.in.MB", "MB.sec", "data.consumed.in.nMsg", "nMsg.sec",
                   "rebalance.time.ms", "fetch.time.ms", "fetch.MB.sec", "fetch.nMsg.sec")  # fmt: skip
LONGER: Final = 4
"""Java compiles what runs hot within the run, so its tools get so many times the union's records."""
WARM_UP_SHARE: Final = 0.5


def consume(lab: Lab, records: int) -> float:
    """C: changes a second that kafka-consumer-perf-test reads of the same raw topics, committed ones only."""
    records = min(LONGER * records, lab.written.records)
    pattern = "|".join(re.escape(topic) for topic in lab.raw.values())
    settings = durability.layer("consumer")
    answer = _run(
        lab, "org.apache.kafka.tools.ConsumerPerformance", "--include", pattern, "--num-records", str(records),
        "--hide-header", *_properties(settings),
    )  # fmt: skip
    lines = [fields for line in answer.splitlines() if len(fields := line.split(", ")) == len(_COLUMNS)]
    if not lines:
        raise DroplessError(f"kafka-consumer-perf-test told no figures:\n{answer}")
    return float(lines[-1][_COLUMNS.index("fetch.nMsg.sec")]) * lab.written.changes / lab.written.records


def produce(lab: Lab, records: int) -> float:
    """P: changes a second that kafka-producer-perf-test writes, settings and rows the union's."""
    records *= LONGER
    warm_up = int(WARM_UP_SHARE * records)
    answer = _run(
        lab, "org.apache.kafka.tools.ProducerPerformance", "--topic", lab.yardstick, "--num-records",
        str(records), "--warmup-records", str(warm_up), "--throughput", "-1", "--payload-file", str(lab.payload),
        *_properties(producer_settings(lab)),
    )  # fmt: skip
    found = re.findall(r"([\d.]+) (?:\w+ )*records/sec", answer)
    if not found:
        raise DroplessError(f"kafka-producer-perf-test told no figures:\n{answer}")
    return float(found[-1])


def producer_settings(lab: Lab) -> dict[str, str]:
    """The union's producer settings as Java's producer takes them."""
    ours = durability.transactional_producer(lab.endpoints, "yardstick")
    return {name: str(ours[name]) for name in _SHARED} | {"max.request.size": str(durability.MAX_MESSAGE_BYTES)}


def relay(consumed: float, produced: float) -> float:
    """H."""
    return 1 / (1 / consumed + 1 / produced)


def _properties(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("--command-property", f"{name}={value}")]


def _run(lab: Lab, tool: str, *arguments: str) -> str:
    installation = install.installed(lab.settings)
    command = [
        toolchain.expected_java(lab.settings.cache).executable, *JVM,
        f"-Dlog4j2.configurationFile={HERE}/templates/log4j2.xml", "-Djava.net.preferIPv4Stack=true",
        "-cp", f"{installation.folder(KAFKA)}/*", tool, "--bootstrap-server", lab.endpoints.kafka, *arguments,
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TOOL_SECONDS)
    if answer.returncode:
        raise DroplessError(
            f"{tool.rsplit('.', maxsplit=1)[-1]} ended with {answer.returncode}: {answer.stdout}{answer.stderr}"
        )
    return answer.stdout
