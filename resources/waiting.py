"""Waiting by condition, with a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_exponential

from dropless.errors import NotReady, Unreachable

PATIENCE_SECONDS: Final = 180.0
"""A server that was killed comes back within this, and open transactions end."""

Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Answer], seconds: float = PATIENCE_SECONDS) -> Answer:
    """The answer of a system that may be restarting.

    Raises:
        Unreachable: it still does not answer after so many seconds.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Unreachable),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    return retrying(ask)


def until(what: str, missing: Callable[[], str | None], timeout_seconds: float) -> None:
    """Wait until `missing` answers None; until then it says what is still missing.

    A system that does not answer for a while is waited for as well; every other error is raised at once.

    Raises:
        NotReady: the time is over; the sentence ends with what was missing last.
    """

    def look() -> str | None:
        try:
            return missing()
        except Unreachable as error:
            return str(error)

    def give_up(last: str) -> None:
        raise NotReady(f"{what} was not ready after {timeout_seconds:g} seconds: {last}")

    Retrying(
        retry=retry_if_result(lambda answer: answer is not None),
        stop=stop_after_delay(timeout_seconds),
        wait=wait_exponential(multiplier=0.1, max=1),
        retry_error_callback=lambda state: give_up(str(state.outcome.result() if state.outcome else "nothing seen")),
    )(look)
