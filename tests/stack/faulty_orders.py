"""The example's orders with faults done to them: rows that are lost, forged, doubled on their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable, write_deltalake

from dropless import databases, durability, names
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.example.traffic import Load, Traffic
from dropless.lake.merge import Merge
from dropless.lake.store import Store
from dropless.reconciliation.findings import Report, Wrong
from dropless.reconciliation.where import parse
from dropless.records import Partition
from dropless.settings import Settings
from resources import reconciled
from resources.cluster import ClusterView
from resources.committed import CommittedReader
from resources.platform import LocalPlatform
from resources.reconciliation import Limits, Reconciliation
from resources.waiting import until

SHOP = "faulty"
ROW = """
    insert into shop.orders values
    (%s, %s, 'ann@example.com', %s + 0.34, 'EUR', 'paid', 1, 2, 0.5, true, '2026-03-01', '{"a": 1.5}',
     '2026-03-29 01:00:00.000123+00', '2026-03-29 01:00:00.999999+00')
"""


@dataclass
class Orders:
    """The example's table, with rows of a shop of our own that traffic does not know."""

    settings: Settings
    endpoints: Endpoints
    contract: Contract
    kafka: AdminClient

    def reconcile(self, tier: str = "full", *sources: str, where: str | None = None) -> Report:
        chosen = [each for each in self.contract.sources if not sources or each.name in sources]
        rows = parse(self.contract, where) if where else None
        return Reconciliation(self.endpoints, self.contract, chosen, tier, Limits(), where=rows).run()

    def repair(self, report: Report) -> tuple[Report, float]:
        began = time.monotonic()
        proof = reconciled.repair(self.settings, self.contract, self.contract.sources, Limits(), found=report)
        return proof.after.report, time.monotonic() - began

    def insert(self, *numbers: int) -> None:
        with databases.postgresql(self.endpoints, "webshop") as connection:
            for number in numbers:
                connection.execute(ROW, [SHOP, number, number])

    def delete(self, *numbers: int) -> None:
        with databases.postgresql(self.endpoints, "webshop") as connection:
            connection.execute(
                "delete from shop.orders where shop_code = %s and order_no = any(%s)", [SHOP, list(numbers)]
            )

    def newest(self, *numbers: int, deleted: bool = False) -> dict[int, dict[str, Any]]:
        """The newest unified row of each of our orders, once there are some; or of their deletions."""
        wanted = {key(number).encode(): number for number in numbers}
        view = ClusterView(self.endpoints)
        places = view.partitions([names.unified_topic("orders")])
        found: dict[int, dict[str, Any]] = {}

        def missing() -> str | None:
            starts, ends = view.starts(places), view.ends(places)
            reader = CommittedReader(self.endpoints, "test.newest")
            for message in reader.read({place: (starts[place], ends[place]) for place in places}):
                if message.key() in wanted:
                    found[wanted[message.key()]] = orjson.loads(message.value())
            left = {each for each in numbers if found.get(each, {}).get("_deleted") is not deleted}
            return f"{left} are not united yet" if left else None

        until("the rows", missing, 60)
        return found

    def forge(self, rows: list[dict[str, Any]]) -> None:
        """Write rows as if the union had: what a bug in it would do."""
        producer = Producer(durability.transactional_producer(self.endpoints, "forger.orders"))
        producer.init_transactions(30)
        producer.begin_transaction()
        for row in rows:
            newer = row | {"_position": row["_position"] + 1}
            producer.produce(names.unified_topic("orders"), orjson.dumps(newer), row["_key"].encode())
        producer.commit_transaction(30)

    @contextmanager
    def union_that_skips_what_comes(self) -> Iterator[None]:
        """Whatever is committed meanwhile never reaches the unified topic: what lost offsets would do."""
        supervisor = LocalPlatform(self.settings).supervisor
        union = [name for name in supervisor.processes() if name.startswith("union-orders")]
        for name in union:
            supervisor.stop(name)
        try:
            yield
            group, view = names.union_group("orders"), ClusterView(self.endpoints)
            ends = view.ends(view.partitions([names.raw_topic("orders", "webshop")]))
            skipped = [TopicPartition(*place, end) for place, end in ends.items()]

            def refused() -> str | None:
                request = [ConsumerGroupTopicPartitions(group, skipped)]
                answer = self.kafka.alter_consumer_group_offsets(request)[group].result()
                wrong = [str(each.error) for each in answer.topic_partitions if each.error]
                return wrong[0] if wrong else None

            until("the offsets", refused, 60)
        finally:
            for name in union:
                supervisor.start_program(name)

    def captured(self, count: int, since: dict[Partition, int]) -> None:
        """Wait until so many more raw records of the webshop are there."""
        view = ClusterView(self.endpoints)

        def missing() -> str | None:
            ends = view.ends(list(since))
            read = CommittedReader(self.endpoints, "test.captured").read(
                {place: (since[place], ends[place]) for place in since}
            )
            found = sum(1 for each in read if SHOP.encode() in (each.key() or b""))
            return None if found >= count else f"{found} of {count}"

        until("the raw records", missing, 60)

    def raw_ends(self) -> dict[Partition, int]:
        view = ClusterView(self.endpoints)
        return view.ends(view.partitions([names.raw_topic("orders", "webshop")]))


def key(number: int) -> str:
    return f"webshop:{SHOP},{number}"


def found(report: Report, system: str) -> dict[str, Wrong]:
    return {each.key: each.what for each in report.findings if each.system == system}


@contextmanager
def traffic(endpoints: Endpoints, rate: float) -> Iterator[Traffic]:
    playing = Traffic(endpoints, Load(rate, 3600, seed=11, odd=True))
    thread = threading.Thread(target=playing.run)
    thread.start()
    try:
        yield playing
    finally:
        playing.stop()
        thread.join()


def double(orders: Orders, key: str) -> None:
    """Append a row to the lake's current state once more."""
    store = Store.pipeline(orders.endpoints)
    uri, options = store.uri("orders"), store.delta_options()

    def missing() -> str | None:
        Merge(store, "orders").run()
        rows = DeltaTable(uri, storage_options=options).to_pyarrow_table(filters=[("_key", "=", key)])
        if rows.num_rows:
            write_deltalake(uri, rows, mode="append", storage_options=options)
        return None if rows.num_rows else "the row is not merged"

    until("the merged row", missing, 120)
