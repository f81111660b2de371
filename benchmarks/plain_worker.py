"""The union's loop without transactions: an idempotent producer, flushed before the offsets are committed.

What P2 compares with. A crash between flushing and committing would repeat rows; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from dropless.union import loop, worker
from dropless.union.transaction import Transactions

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
    """Run the worker with these in the places of its own, which have no other reason to be exchangeable."""
    setattr(loop, "Consumer", _Consumer)  # noqa: B010 - not exported, so that mypy refuses the plain assignment
    make = cast("Callable[[dict[str, Any]], Producer]", _Idempotent)
    setattr(worker, "Transactions", partial(Transactions, make=make))  # noqa: B010
    worker.main()


if __name__ == "__main__":
    main()
