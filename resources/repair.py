"""What can safely be repaired without a person: found, and mended, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient

from dropless import desired, durability, names
from dropless.attempts import Ailment
from dropless.contract import Contract
from dropless.endpoints import Endpoints
from dropless.errors import DroplessError
from dropless.invariants import FEATURES, unpreferred
from dropless.plan import Change, Plan, Resource
from resources.adapter import Adapter
from resources.cluster import ClusterView
from resources.connect_status import ConnectStatus
from resources.features import finalized_features, raise_features
from resources.kafka_answers import result
from resources.overrides import Overrides
from resources.platform import LocalPlatform
from resources.provisioning import by_kind, check, preview, provision

RESTART: Final = "restart_dead_processes"
# supervisord is at work on the others: it starts or stops them. What it tries to start again and again does not run.
DEAD: Final = ("BACKOFF", "FATAL", "EXITED", "STOPPED", "UNKNOWN", "MISSING")
# What has been started is dead again, or does its work, after so long.
HEALTHY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Repair:
    """One kind of repair: what ails now, and how it is mended; mending what is well changes nothing."""

    name: str
    find: Callable[[], list[Ailment]]
    mend: Callable[[], None]


class Repairs:
    """Every kind, in the order in which one helps the next."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        endpoints: Endpoints,
        platform: LocalPlatform | None,
        adapters: Mapping[str, Adapter],
    ) -> None:
        """Without a platform, whoever runs the processes starts them again."""
        self._contracts, self._endpoints = contracts, endpoints
        self._platform, self._adapters = platform, adapters
        self._connect = ConnectStatus(endpoints)
        self._overrides = Overrides(endpoints)

    @property
    def kinds(self) -> tuple[Repair, ...]:
        """Dead processes of this machine, overrides, lowered features, drift, failed tasks, displaced leaders."""
        at = self._platform
        return (
            *([Repair(RESTART, partial(_dead, at), partial(_start, at))] if at else []),
            Repair("undo_overrides", self._weakened, self._undo),
            Repair("raise_features", self._lowered, self._raise),
            Repair("reapply_drifted", self._drifted, self._reapply),
            Repair("restart_failed_tasks", self._failed, self._restart),
            Repair("elect_preferred_leaders", self._displaced, self._elect),
        )

    def drift(self, kind: str, resources: Sequence[Resource]) -> Plan:
        """How things of one kind differ from what is declared.

        Raises:
            DroplessError: the system does not answer.
        """
        return preview(resources, {kind: self._adapters[kind]})

    @property
    def declared(self) -> dict[str, list[Resource]]:
        """Everything declared, by kind, without processes: a changed program is no drift of a running system."""
        return by_kind(desired.everything(self._contracts, self._endpoints))

    def _weakened(self) -> list[Ailment]:
        found = self._overrides.find(self._topics)
        return [Ailment(f"override:{each.kind.name}:{each.name}:{each.setting}", str(each)) for each in found]

    def _undo(self) -> None:
        for each in self._overrides.find(self._topics):
            self._overrides.undo(each)

    def _lowered(self) -> list[Ailment]:
        levels = finalized_features(self._endpoints)
        return [
            Ailment(f"feature:{name}", f"feature {name} is at level {levels.get(name, 0)}, not {level}")
            for name, (level, _) in FEATURES.items()
            if levels.get(name, 0) < level
        ]

    def _raise(self) -> None:
        levels = finalized_features(self._endpoints)
        lowered = {name: level for name, (level, _) in FEATURES.items() if levels.get(name, 0) < level}
        if lowered:
            raise_features(self._endpoints, lowered)

    @property
    def _topics(self) -> list[str]:
        return [resource.name for contract in self._contracts for resource in desired.topics(contract)]

    def _drifted(self) -> list[Ailment]:
        return [
            Ailment(f"drift:{change.desired.id}", f"{change.desired.id} is not as declared")
            for change in self._repairable()
        ]

    def _reapply(self) -> None:
        wanted = [change.desired for change in self._repairable()]
        if wanted:
            provision(wanted, self._adapters)

    def _repairable(self) -> list[Change]:
        plans = (self.drift(kind, resources) for kind, resources in self.declared.items())
        return [change for plan in plans for change in plan.changes if self.safe(change)]

    def safe(self, change: Change) -> bool:
        """Whether a change may be applied without asking a person; what would lose data may not."""
        try:
            check(Plan((change,)), self._adapters)
        except DroplessError:
            # The check of drift tells of it.
            return False
        return True

    def _failed(self) -> list[Ailment]:
        ours = {
            names.connector(contract.name, source.name) for contract in self._contracts for source in contract.sources
        }
        return [
            Ailment(f"task:{name}", f"connector {name} is {status.said}: {status.trace or 'no trace'}")
            for name, status in self._connect.all().items()
            if name in ours and status.failed
        ]

    def _restart(self) -> None:
        for each in self._failed():
            self._connect.restart_failed(each.id.removeprefix("task:"))

    def _displaced(self) -> list[Ailment]:
        found = unpreferred(ClusterView(self._endpoints).cluster())
        if not found:
            return []
        return [Ailment("leaders", f"{len(found)} partitions are not led by their preferred replica")]

    def _elect(self) -> None:
        places = [TopicPartition(*place) for place in unpreferred(ClusterView(self._endpoints).cluster())]
        if places:
            admin = AdminClient(durability.admin_client(self._endpoints, "dropless.repair"))
            result(
                # confluent-kafka 2.16.1 fails on any time-out given here; the client's own is ten seconds.
                admin.elect_leaders(ElectionType.PREFERRED, places),
                "elect the preferred leaders",
            )


def _dead(platform: LocalPlatform) -> list[Ailment]:
    return [
        Ailment(f"process:{each.name}", f"process {each.name} is {each.state}{' again' if each.again else ''}")
        for each in platform.status()
        # One that ends as often as it is started would seem well at every look that meets it starting.
        if each.state in DEAD or each.again
    ]


def _start(platform: LocalPlatform) -> None:
    # One that is being started just now, for the tenth time perhaps, is not dead and does not work yet.
    away = {each.system for each in platform.status() if each.state != "RUNNING"}
    for system in dict.fromkeys(each.system for each in platform.processes if each.system in away):
        platform.revive(system)
        platform.wait_healthy(system, HEALTHY_SECONDS)
