"""Which installation the assets, checks and sensors work on."""

from __future__ import annotations

import dagster as dg

from dropless.endpoints import Endpoints
from dropless.plan import Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.installed import known, processes


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

    @property
    def adapters(self) -> dict[str, Adapter]:
        """What observes and makes each kind of thing; nothing connects before it is used."""
        return known(self.settings, self.endpoints)
