"""What an AdminClient answers, and what goes wrong told in a sentence."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from dropless.errors import DroplessError, Unreachable

REQUEST_SECONDS = 10
_AWAY = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own error codes are spelled with an underscore
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError.REQUEST_TIMED_OUT,
}

_SETTLING = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}


def settling(future: Future[Any]) -> bool:
    """Whether the answer is that a partition's leader has just changed: asked again it will be another."""
    error = future.exception()
    return isinstance(error, KafkaException) and error.args[0].code() in _SETTLING


def result(future: Future[Any], doing: str) -> Any:
    """An AdminClient's answer; `doing` completes the sentence "Kafka refused to ...".

    Raises:
        Unreachable: Kafka does not answer, or not before a leader is elected.
        DroplessError: any other refusal, with Kafka's own words.
    """
    try:
        return future.result()
    except KafkaException as error:
        raise sentence(error, doing) from None


def sentence(error: KafkaException, doing: str) -> DroplessError:
    """The error for what Kafka said; `doing` as for `result`."""
    reason: KafkaError = error.args[0]
    if reason.code() in _AWAY:
        return Unreachable(f"Kafka did not answer when asked to {doing}: {reason.str()}.")
    if reason.code() in _SETTLING:
        return Unreachable(f"Kafka is changing leaders and cannot {doing} yet: {reason.str()}.")
    return DroplessError(f"Kafka refused to {doing}: {reason.str()}")
