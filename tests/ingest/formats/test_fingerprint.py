"""What tells a retry from another event under its name: it must never change for what was recorded before."""

from datetime import UTC, datetime

from metering.components import NO_OTHERS, OtherCounts, new_counts
from metering.ingest.formats.events import Event


def fingerprint(others: OtherCounts = NO_OTHERS) -> str:
    at, counts = datetime(2026, 10, 15, tzinfo=UTC), new_counts(2006, 300, 1920, 0, 192)
    known = (0, "r", 0, "key_1", "codex-mini", at, 0, 0, "default", "azure", counts, True, 1200, 80, '{"user":"u"}')
    return Event(*known, others=others).fingerprint().hex()


def test_the_fingerprint_of_a_plain_event_is_what_it_was() -> None:
    """As versions before other components were counted have stored it."""
    assert fingerprint() == "d2cad633b8af0a40110e65a9155e7b38"


def test_other_components_tell_events_apart() -> None:
    several = [(("web_search", 1),), (("web_search", 2),), (("page", 1),), (("page", 1), ("web_search", 1))]
    assert len({fingerprint(), *map(fingerprint, several)}) == 5
