"""Days on a command line."""

from datetime import UTC, date, datetime, time

from omixa_billing.api.errors import InvalidParameter
from omixa_billing.instants import FIRST_INSTANT, LAST_INSTANT


def day_in_utc(text: str, name: str) -> datetime:
    """The beginning of the day in UTC. Raises InvalidParameter."""
    try:
        found = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidParameter(f"{name} is a day, such as 2026-10-15, not {text!r}.", param=name) from None
    if not FIRST_INSTANT <= found < LAST_INSTANT:
        raise InvalidParameter(f"{name} is between the years {FIRST_INSTANT.year} and {LAST_INSTANT.year}.", param=name)
    return found
