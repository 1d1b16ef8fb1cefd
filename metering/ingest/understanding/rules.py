"""The rules of operators for numbers that no dialect knows, as they hold for a batch.

A rule holds by the time at which a batch was received, so the endpoint and the worker read the same bytes the same way. The
database is asked only where a dialect does not understand a number by itself, once for each batch.
"""

from collections.abc import Mapping
from datetime import datetime

from metering.ingest.understanding.models import UsageRule

_last: tuple[datetime, Mapping[tuple[str, str], str]] | None = None


def rules_at(received_at: datetime) -> Mapping[tuple[str, str], str]:
    """By (dialect, path), the component that a number is, or "" where it is counted elsewhere or not at all."""
    global _last
    found = _last  # looked at once: another thread may be reading another batch
    if found is None or found[0] != received_at:
        rows = UsageRule.objects.at(received_at).order_by("version")
        found = _last = received_at, {(rule.dialect, rule.path): rule.component for rule in rows}
    return found[1]


def forget_rules() -> None:
    """After a rule was made or ended, and whatever else was read at the same instant."""
    global _last
    _last = None
