"""The table that `dropless status --clients` shows: each client beside what the durability table asks of it.

Pure: it is told what was read where. What does not hold becomes a finding elsewhere, in `invariants`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dropless import durability
from dropless.invariants import holds, texts, under


@dataclass(frozen=True)
class ListedClient:
    """One client or broker as it was found: `settings` under the names of its layer of the durability table."""

    name: str
    layer: durability.Layer
    settings: Mapping[str, str]
    read_from: str


@dataclass(frozen=True)
class Row:
    """One row of the durability table for one client; `effective` is None where the client does not set it."""

    client: str
    layer: durability.Layer
    setting: str
    required: str
    effective: str | None
    read_from: str

    @property
    def kept(self) -> bool:
        """Whether the client keeps to the table."""
        return holds(self.setting, self.required, self.effective)


def rows(clients: Iterable[ListedClient]) -> list[Row]:
    """Each client against each row of its layer."""
    return [
        Row(client.name, client.layer, name, required, client.settings.get(name), client.read_from)
        for client in clients
        for name, required in durability.layer(client.layer).items()
    ]


def own(name: str, effective: Mapping[str, Mapping[str, object]], read_from: str) -> list[ListedClient]:
    """The clients of a process of ours, which tells them itself."""
    layers: tuple[durability.Layer, ...] = ("producer", "consumer")
    return [ListedClient(name, layer, texts(effective[layer]), read_from) for layer in layers if layer in effective]


def prefixed(
    name: str, layer: durability.Layer, config: Mapping[str, str], prefix: str, read_from: str
) -> ListedClient:
    """A client whose settings stand among others, behind a prefix."""
    return ListedClient(name, layer, under(config, prefix), read_from)


def streams(name: str, effective: Mapping[str, Mapping[str, object]], copies: str, read_from: str) -> ListedClient:
    """A union process as the stream processor that it is.

    With a transactional id it is exactly once; what it keeps is Kafka's own topics, of which there are `copies`.
    """
    exactly = "exactly_once_v2" if effective.get("producer", {}).get("transactional.id") else "at_least_once"
    return ListedClient(name, "streams", {"processing.guarantee": exactly, "replication.factor": copies}, read_from)
