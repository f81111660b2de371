"""Which installation the assets, checks and sensors work on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from dropless.endpoints import Endpoints
from dropless.kubernetes.installation import Installation as Cluster
from dropless.kubernetes.releases import provisionable
from dropless.plan import Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.installed import known, processes

if TYPE_CHECKING:
    from resources.kubernetes import Releases


class Installation(dg.ConfigurableResource[None]):
    """The settings and addresses of this installation, read when they are asked for and never at import."""

    @property
    def settings(self) -> Settings:
        """Folders, first port and topology, from the environment."""
        return Settings.load()

    @property
    def endpoints(self) -> Endpoints:
        """Where every system answers."""
        return Endpoints.load(self.settings)

    @property
    def schedules(self) -> dg.DefaultScheduleStatus:
        """Whether schedules run before anybody has started or stopped them in the UI."""
        return dg.DefaultScheduleStatus.RUNNING if self.settings.schedules else dg.DefaultScheduleStatus.STOPPED

    @property
    def processes(self) -> list[Resource]:
        """Every process that must run on this machine, ours and the servers'; none where the systems run elsewhere."""
        return processes(self.settings)

    def servers(self, system: str) -> list[Resource]:
        """What a system consists of: its processes on this machine, or its Helm releases on a cluster that is ours."""
        cluster = Cluster.of_this_cluster()
        if cluster is None:
            return self.processes
        return _on_kubernetes(self.settings, cluster).desired(provisionable(cluster, system))

    @property
    def adapters(self) -> dict[str, Adapter]:
        """What observes and makes each kind of thing; nothing connects before it is used."""
        found = known(self.settings, self.endpoints)
        cluster = Cluster.of_this_cluster()
        return found | {"release": _on_kubernetes(self.settings, cluster)} if cluster else found


def _on_kubernetes(settings: Settings, cluster: Cluster) -> Releases:
    # Most of a second to import, which only a cluster is worth.
    from resources.api_server import Access  # noqa: PLC0415
    from resources.kubernetes_installation import on_kubernetes  # noqa: PLC0415

    return on_kubernetes(settings, cluster, Access())
