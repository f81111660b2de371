"""Life cycles of orders, whatever shop keeps them: pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from dropless.example.fields import random_fields


class Status(StrEnum):
    """Where an order is in its life."""

    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What one change does to one order."""

    PLACE = "place"
    PAY = "pay"
    SHIP = "ship"
    DELIVER = "deliver"
    CANCEL = "cancel"
    AMEND = "amend"
    REMOVE = "remove"
    RESTORE = "restore"
    REKEY = "rekey"
    SPOIL = "spoil"


@dataclass(frozen=True)
class Change:
    """One change of the order of this number.

    `values` holds what changes: all fields for a new order, none for a removed or rekeyed one.
    A spoilt order is a new one with the named fault, which the union must refuse.
    """

    kind: Kind
    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


_NEXT: Final = {
    Status.PLACED: (Kind.PAY, Status.PAID),
    Status.PAID: (Kind.SHIP, Status.SHIPPED),
    Status.SHIPPED: (Kind.DELIVER, Status.DELIVERED),
}
# Orders beyond this are left as they are, so that a long run's memory stays constant.
_REMEMBERED: Final = 4000


class LifeCycles:
    """An endless sequence of transactions, each a list of changes to be committed together.

    The sequence is a function of the seed, the adopted orders and the share of spoilt ones.
    """

    def __init__(
        self,
        seed: str,
        adopted: Sequence[Status] = (),
        faults: Sequence[str] = (),
        bad_rate: float = 0.0,
        *,
        odd: bool = False,
    ) -> None:
        """Adopted orders have the numbers 0, 1, ...; new ones follow. Odd orders hold values at the edges."""
        self._random = random.Random(seed)  # noqa: S311 - the same orders for the same seed
        self._live: list[tuple[int, Status]] = list(enumerate(adopted))
        self._removed: list[int] = []
        self._next_number = len(adopted)
        self._odd = odd
        self._faults = faults
        self._bad_rate = bad_rate if faults else 0.0

    def __iter__(self) -> Iterator[list[Change]]:
        """Transactions without end: most of one change, some of several."""
        while True:
            dice = self._random.random()
            if dice < 0.92:
                yield [self._change()]
            elif dice < 0.96:
                yield [self._change() for _ in range(self._random.randint(2, 12))]
            else:
                yield self._life_of_one()

    def place(self, status: Status = Status.PLACED) -> Change:
        """A new order with every field."""
        number, self._next_number = self._next_number, self._next_number + 1
        self._remember(number, status)
        return Change(Kind.PLACE, number, random_fields(self._random, odd=self._odd) | {"status": status})

    def _change(self) -> Change:
        dice = self._random.random()
        if self._random.random() < self._bad_rate:
            number, self._next_number = self._next_number, self._next_number + 1
            values = random_fields(self._random, odd=self._odd) | {"status": Status.PLACED}
            return Change(Kind.SPOIL, number, values, self._random.choice(self._faults))
        if not self._live or dice < 0.30:
            return self.place()
        if self._removed and dice < 0.34:
            return self._restore()
        return self._alter(self._random.randrange(len(self._live)))

    def _life_of_one(self) -> list[Change]:
        # One order's versions within one transaction, its birth included, its end at times.
        changes = [self.place()]
        for _ in range(self._random.randint(1, 4)):
            if not self._live or self._live[-1][0] != changes[0].number:
                break
            changes.append(self._alter(len(self._live) - 1))
        return changes

    def _alter(self, index: int) -> Change:
        number, status = self._live[index]
        dice = self._random.random()
        if dice < 0.55 and status in _NEXT:
            kind, after = _NEXT[status]
            self._live[index] = (number, after)
            return Change(kind, number, {"status": after})
        if dice < 0.60 and status in (Status.PLACED, Status.PAID):
            self._live[index] = (number, Status.CANCELLED)
            return Change(Kind.CANCEL, number, {"status": Status.CANCELLED})
        if dice < 0.70:
            self._forget(index)
            self._removed.append(number)
            return Change(Kind.REMOVE, number)
        if dice < 0.77:
            return Change(Kind.REKEY, number)
        every = random_fields(self._random, odd=self._odd)
        chosen = self._random.sample(sorted(every), self._random.randint(1, 4))
        return Change(Kind.AMEND, number, {name: every[name] for name in chosen})

    def _restore(self) -> Change:
        number = self._removed.pop(self._random.randrange(len(self._removed)))
        self._remember(number, Status.PLACED)
        return Change(Kind.RESTORE, number, random_fields(self._random, odd=self._odd) | {"status": Status.PLACED})

    def _remember(self, number: int, status: Status) -> None:
        if len(self._live) >= _REMEMBERED:
            self._forget(self._random.randrange(len(self._live)))
        self._live.append((number, status))
        if len(self._removed) > _REMEMBERED:
            self._removed.pop(0)

    def _forget(self, index: int) -> None:
        self._live[index] = self._live[-1]
        self._live.pop()
