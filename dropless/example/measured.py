"""How fresh Pinot's answers are, measured with a few seconds of traffic."""

from __future__ import annotations

import statistics
import threading
import time

from dropless import pinot
from dropless.endpoints import Endpoints
from dropless.errors import NotReady
from dropless.example.traffic import Load, Traffic

TABLE = "orders"
SAMPLE_SECONDS = 0.1


def freshness_seconds(endpoints: Endpoints, rate: float = 30.0, seconds: float = 6.0) -> float:
    """The median age of the newest change that Pinot shows while changes come at `rate` a second.

    At most the time from commit to query, and the gap between two changes.

    Raises:
        DroplessError: a source or Pinot does not answer.
        NotReady: none of the changes arrived.
    """
    query = f'select max("_committed_at") from "{TABLE}"'  # noqa: S608  # a constant
    traffic = Traffic(endpoints, Load(rate, seconds, seed=int(time.time())))
    player = threading.Thread(target=traffic.run, daemon=True)
    began = time.time()
    player.start()
    ages: list[float] = []
    try:
        while player.is_alive():
            newest = pinot.select(endpoints, query).value()
            # The first second belongs to the start of the threads.
            if newest is not None and newest / 1000 > began and time.time() - began > 1:
                ages.append(time.time() - newest / 1000)
            time.sleep(SAMPLE_SECONDS)
    finally:
        traffic.stop()
        player.join()
    if not ages:
        raise NotReady(f"None of the changes of {seconds:g} seconds became visible in Pinot.")
    return statistics.median(ages)
