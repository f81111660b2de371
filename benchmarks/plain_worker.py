"""The union's loop without transactions: an idempotent producer, flushed before the offsets are committed.

What P2 compares with. A crash between flushing and committing would repeat rows; nothing else differs.
"""

from __future__ import annotations

import argparse
import signal
import threading
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from dropless import durability, logs, names
from dropless.declared import contract_digest, declared
from dropless.endpoints import Endpoints
from dropless.settings import Settings
from dropless.union import loop
from dropless.union.loop import Union
from dropless.union.status import Status
from dropless.union.transaction import Transactions
from dropless.union.watchdog import Watchdog
from dropless.union.worker import routes

_newest: list[Consumer] = []


class _Consumer(Consumer):
    """The loop's consumer, which commits the offsets that the transaction would have."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        _newest[:] = [self]


class _Idempotent:
    """Takes a transactional producer's place: a transaction's end is a flush and a commit of the offsets."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._producer = Producer({name: value for name, value in config.items() if not name.startswith("transaction")})
        self._offsets: list[TopicPartition] = []

    def init_transactions(self, timeout: float) -> None:
        """Nothing to begin with."""

    def begin_transaction(self) -> None:
        """Nothing to begin."""

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], _metadata: object, _timeout: float) -> None:
        """Keep them for the end."""
        self._offsets = offsets

    def commit_transaction(self, _timeout: float) -> None:
        """Flush, then commit the offsets."""
        while self._producer.flush(1):
            pass
        for each in _newest[0].commit(offsets=self._offsets, asynchronous=False) or []:
            if each.error:
                raise KafkaException(each.error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True)
    arguments = parser.parse_args()
    logs.configure("plain")
    settings = Settings.load()
    contract, endpoints = declared(settings, arguments.table), Endpoints.local(settings)
    stop, watchdog = threading.Event(), Watchdog()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    instance = names.union_transactional_id(contract.name, 0)
    status = Status(
        table=contract.name,
        slot=0,
        contract_digest=contract_digest(contract),
        consumer=durability.union_consumer(endpoints, names.union_group(contract.name), instance),
        producer=durability.transactional_producer(endpoints, instance),
    )
    # The loop makes its consumer itself, and has no other reason to hand it out.
    setattr(loop, "Consumer", _Consumer)  # noqa: B010
    transactions = Transactions(
        status.producer,
        unified_topic=names.unified_topic(contract.name),
        dead_topic=names.dead_topic(contract.name),
        stop=stop,
        watchdog=watchdog,
        make=_Idempotent,  # type: ignore[arg-type]
    )
    Union(routes(contract), transactions, status, stop=stop, watchdog=watchdog).run()


if __name__ == "__main__":
    main()
