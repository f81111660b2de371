"""One union process: `python -m dropless.union.worker --table orders --slot 0`."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import closing
from pathlib import Path

import structlog
from confluent_kafka import Consumer, KafkaException

from dropless import durability, logs, names
from dropless.contract import Contract
from dropless.declared import applied, contract_digest, declared
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.settings import Settings
from dropless.statusserver import StatusServer
from dropless.stopping import on_stop
from dropless.union.batch import Route
from dropless.union.fault_points import FAULTS
from dropless.union.loop import CLOCK_SECONDS, Union
from dropless.union.mapping import compile_mapping
from dropless.union.slot import Slot
from dropless.union.status import Status
from dropless.union.transaction import Transactions
from dropless.union.turn import REQUEST_SECONDS, of_ksqldb
from dropless.union.watchdog import Watchdog

log = structlog.get_logger()

WAIT_SECONDS = 0.5
STOP_SECONDS = 4.5
"""A stop that takes longer is cut short; the successor ends what was left open."""


def routes(contract: Contract) -> dict[str, Route]:
    """Every raw topic of a contract, and how its records become rows."""
    return {
        names.raw_topic(contract.name, source.name): Route(source.name, compile_mapping(contract, source.name))
        for source in contract.sources
    }


def run(contract: Contract, slot: int, endpoints: Endpoints, status_port: int, clock_seconds: float) -> None:
    """Union a table's sources until SIGTERM or SIGINT."""
    stop = threading.Event()
    watchdog = Watchdog()

    def finish(signal_name: str) -> None:
        log.info("stopping", signal=signal_name)
        watchdog.leave_within(STOP_SECONDS)
        stop.set()

    on_stop(finish)

    instance = names.union_transactional_id(contract.name, slot)
    status = Status(
        table=contract.name,
        slot=slot,
        contract_digest=contract_digest(contract),
        consumer=durability.union_consumer(endpoints, names.union_group(contract.name), instance),
        producer=durability.transactional_producer(endpoints, instance),
    )
    server = StatusServer(status_port, status.snapshot)
    log.info("started", table=contract.name, slot=slot, status_port=server.port)
    unified, dead = names.unified_topic(contract.name), names.dead_topic(contract.name)
    if _wait_for_start(endpoints, contract, status, stop):
        transactions = Transactions(
            status.producer,
            unified_topic=unified,
            dead_topic=dead,
            stop=stop,
            watchdog=watchdog,
            reached=FAULTS.reached(os.environ),
        )
        union = Union(
            routes(contract),
            transactions,
            status,
            slot=Slot(endpoints, status.consumer, stop),
            stop=stop,
            watchdog=watchdog,
            clock_seconds=clock_seconds,
        )
        union.run()
    log.info("stopped")


def _wait_for_start(endpoints: Endpoints, contract: Contract, status: Status, stop: threading.Event) -> bool:
    """Wait until what is written to exists and ksqlDB does not unite the table; False when told to stop first."""
    group, told = names.union_group(contract.name), ""
    # It never joins, and does not wait for a transaction that a killed worker left open.
    with closing(Consumer(durability.progress_consumer(endpoints, group, f"{group}.start"))) as asking:
        while not stop.is_set():
            try:
                if (held_up := _held_up(asking, contract, status)) is None:
                    return True
            except KafkaException as raised:
                held_up = "waiting for Kafka", f"Kafka does not answer: {raised.args[0].name()}"
            status.state, reason = held_up
            if reason != told:
                log.warning("waiting", reason=reason)
                told = reason
            stop.wait(WAIT_SECONDS)
    return False


def _held_up(asking: Consumer, contract: Contract, status: Status) -> tuple[str, str] | None:
    """The state that a worker is in before it may begin, and why; None if it may."""
    existing = asking.list_topics(timeout=REQUEST_SECONDS).topics
    wanted = names.unified_topic(contract.name), names.dead_topic(contract.name)
    status.missing_topics = [topic for topic in wanted if topic not in existing]
    if status.missing_topics:
        return "waiting for topics", f"not made yet: {', '.join(status.missing_topics)}"
    raw = [names.raw_topic(contract.name, source.name) for source in contract.sources]
    if topics := of_ksqldb(asking, [(name, number) for name in raw for number in range(contract.partitions)]):
        reason = f"ksqlDB unites {', '.join(sorted(topics))}; `dropless apply` has it hand them over"
        return "waiting for ksqlDB", reason
    return None


def main() -> None:
    """Run a union process; exit code 1 with one sentence in the log when it cannot go on."""
    parser = argparse.ArgumentParser(prog="python -m dropless.union.worker", description=__doc__)
    parser.add_argument("--table", required=True)
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--contract", type=Path, help="the file with the applied contract; else what is declared")
    parser.add_argument("--status-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--clock-ms", type=float, default=1000 * CLOCK_SECONDS, help="how long a batch is gathered")
    arguments = parser.parse_args()
    logs.configure(f"union.{arguments.table}.{arguments.slot}")
    settings = Settings.load()
    try:
        contract = applied(arguments.contract) if arguments.contract else declared(settings, arguments.table)
        run(contract, arguments.slot, Endpoints.load(settings), arguments.status_port, arguments.clock_ms / 1000)
    except (DroplessError, KafkaException) as error:
        log.critical(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
