"""What jobs caught, logged and went past: a fault of ours that would only be a line in a log."""

import sys
from types import TracebackType
from typing import Any, Self

import structlog

from metering.payments.collecting.attempts import PaymentTooEarly
from metering.payments.provider.errors import ProviderRefused, ProviderUnavailable

EXPECTED = (ProviderUnavailable, ProviderRefused, PaymentTooEarly)


class Swallowed:
    """`errors` are the exceptions that were logged within, but for Stripe's own."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._processors: list[Any] = structlog.get_config()["processors"]

    def __enter__(self) -> Self:
        self._processors.insert(0, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._processors.remove(self._note)

    def _note(self, logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
        found = event.get("exc_info")
        error = found if isinstance(found, BaseException) else sys.exc_info()[1] if found else None
        if error is not None and not isinstance(error, EXPECTED):
            self.errors.append(f"{event.get('event')}: {error!r}")
        return event
