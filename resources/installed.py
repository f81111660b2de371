"""What an installation consists of beside the contracts' things: the servers, where they are processes of this machine.

Elsewhere, as on Kubernetes, whoever installed the servers starts and stops them.
"""

from __future__ import annotations

from dropless.endpoints import Endpoints
from dropless.plan import Resource
from dropless.settings import Settings
from resources.adapter import Adapter
from resources.adapters import adapters
from resources.platform import LocalPlatform
from resources.topic_admin import MOVE_BYTES_PER_SECOND


def processes(settings: Settings) -> list[Resource]:
    """Every process that must run on this machine, ours and the servers'; none where the systems run elsewhere."""
    return [] if Endpoints.elsewhere() else LocalPlatform(settings).desired()


def known(
    settings: Settings, endpoints: Endpoints, move_bytes_per_second: int = MOVE_BYTES_PER_SECOND
) -> dict[str, Adapter]:
    """What observes and makes each kind of thing; nothing connects before it is used."""
    found = adapters(endpoints, move_bytes_per_second)
    return found if Endpoints.elsewhere() else found | {"process": LocalPlatform(settings)}
