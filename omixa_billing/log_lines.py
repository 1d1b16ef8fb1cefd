"""The last steps of every line that any process logs."""

import logging
from typing import Any

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
