"""Timed blocks, the noise in each, and rounds in which they take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.conditions import Listener, Noise
from benchmarks.result import Pairs

Step = tuple[str, Callable[[], Mapping[str, float]]]
"""A block's name, and what gives the values that it measured."""


@dataclass(kw_only=True)
class Blocks:
    """Who is told of what is done, and the noise of the present round."""

    tell: Callable[[str], None] = lambda _: None
    noises: dict[str, Noise] = field(default_factory=dict)

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """Something timed; the noise in it is kept under its name."""
        self.tell(name)
        listener = Listener()
        yield
        self.noises[name] = listener.noise()

    def rounds(self, steps: Sequence[Step], count: int) -> Pairs:
        """So many undisturbed rounds of all steps; their order turns round, so that drift falls on all alike."""
        pairs = Pairs()
        for number in pairs.numbers(count):
            self.noises.clear()
            values: dict[str, float] = {}
            for name, step in steps if number % 2 == 0 else reversed(steps):
                with self.block(name):
                    found = step()
                values |= found
            pairs.add(values, self.noises)
        return pairs
