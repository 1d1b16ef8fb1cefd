"""How the two kinds of broker are talked to."""

from typing import Any


def is_rabbitmq(url: str) -> bool:
    return url.startswith(("amqp", "pyamqp"))


def broker_options(url: str) -> dict[str, Any]:
    """How this broker is talked to. One that is away fails a reminder at once: the web request that sends it does not wait."""
    options: dict[str, Any] = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    if is_rabbitmq(url):
        return options | {"confirm_publish": True, "read_timeout": 2, "write_timeout": 2}
    if "redis" in url:
        # A killed worker's message is delivered again after ten minutes, not an hour: every task may run twice.
        options |= {"socket_connect_timeout": 2, "socket_timeout": 5, "visibility_timeout": 600}
    return options
