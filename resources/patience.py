"""Questions to systems that may never answer: asked in threads of their own, and given up after seconds.

A suspended server accepts connections and then says nothing; not every client library's time-outs notice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final, TypeVar

from dropless.errors import DroplessError, Unreachable

Answer = TypeVar("Answer")

_under_way: Final[dict[str, Future[object]]] = {}
_lock: Final = threading.Lock()


def ask_all(
    asker: str, questions: Mapping[str, Callable[[], Answer]], seconds: float
) -> dict[str, Answer | DroplessError]:
    """Ask everything at once; whoever has not answered in time is answered for by an error.

    Args:
        asker: who asks. While a question of the same asker and name is still unanswered from before, it is
            not asked again, so that a silent system holds one thread and not one a tick.
        questions: by the name of the system, or of what of it is asked.
        seconds: for all of them together.

    Returns:
        Each question's answer, or the `DroplessError` that it raised or deserves. Other exceptions are raised.
    """
    deadline = time.monotonic() + seconds
    asked = {name: _ask(f"{asker}: {name}", question) for name, question in questions.items()}
    answers: dict[str, Answer | DroplessError] = {}
    for name, future in asked.items():
        answer = _await(name, future, deadline - time.monotonic(), seconds)
        answers[name] = answer
    return answers


def ask(asker: str, name: str, question: Callable[[], Answer], seconds: float) -> Answer:
    """The answer to one question.

    Raises:
        Unreachable: there is none in time.
        DroplessError: as the question raised it.
    """
    answer = ask_all(asker, {name: question}, seconds)[name]
    if isinstance(answer, DroplessError):
        raise answer
    return answer


def _ask(name: str, question: Callable[[], Answer]) -> Future[Answer] | None:
    future: Future[Answer] = Future()
    with _lock:
        if name in _under_way:
            return None
        _under_way[name] = future  # type: ignore[assignment]

    def answer() -> None:
        try:
            found = question()
        except BaseException as error:  # noqa: BLE001 - raised again where the answer is awaited
            outcome: BaseException | None = error
        else:
            outcome = None
        with _lock:
            del _under_way[name]
        if outcome is None:
            future.set_result(found)
        else:
            future.set_exception(outcome)

    # A daemon: a system that never answers must not keep this process from ending.
    threading.Thread(target=answer, name=f"ask {name}", daemon=True).start()
    return future


def _await(name: str, future: Future[Answer] | None, left: float, whole: float) -> Answer | DroplessError:
    if future is None:
        return Unreachable(f"{name} has not answered since it was asked before.")
    try:
        return future.result(timeout=max(0.0, left))
    except TimeoutError:
        return Unreachable(f"{name} did not answer within {whole:g} seconds.")
    except DroplessError as error:
        return error
