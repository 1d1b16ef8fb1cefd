"""The last step of every line that any process logs."""

from typing import Any

from workspaces.redaction import redact_line


def redact_rendered(_logger: Any, _name: str, rendered: str) -> str:
    """structlog's last processor: what strays into a message, an exception or a traceback never reaches the file."""
    return redact_line(rendered)
