"""How every process logs: one JSON object per line on standard error, and what is done to a line before it is written."""

import logging
from typing import Any

import structlog

from workspaces.redaction import redact_line


def redact_rendered(_logger: Any, _name: str, rendered: str) -> str:
    """structlog's last processor: what strays into a message, an exception or a traceback never reaches the file."""
    return redact_line(rendered)


class RefusalsInOneLine(logging.Filter):
    """What Django refuses is its caller's fault, and one line of warning: with a traceback for each odd request, strangers
    could fill the log, and hide our own faults among theirs."""

    def filter(self, record: logging.LogRecord) -> bool:
        refused = record.name == "django.request" and record.levelno < logging.ERROR
        if refused or record.name.startswith("django.security."):
            record.exc_info, record.exc_text = None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


LOG_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_settings(level: str) -> dict[str, Any]:
    """For Django's LOGGING. structlog is configured with it, once for the process."""
    structlog.configure(
        processors=[*LOG_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": LOG_PROCESSORS,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                    redact_rendered,
                ],
            },
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": [RefusalsInOneLine()]}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {"django.server": {"handlers": ["stderr"], "propagate": False}},
    }
