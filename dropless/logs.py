"""Structured logs of our own processes: one JSON object a line, never a row's contents."""

from __future__ import annotations

import logging
import sys

import structlog


def for_a_command() -> None:
    """A command's results go to standard output: it logs warnings only, and to standard error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def configure(process: str) -> None:
    """Send every log line of this process, librdkafka's included, to standard error as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
    ]
    structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # Their lines at INFO are one per request.
    for chatty in ("botocore", "boto3", "httpx", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
