"""How many histories a run played, and how many acts they had: said at its end, whichever processes they ran in."""

from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from _pytest.terminal import TerminalReporter

TALLY = "tally"
Tally = dict[str, int]  # a plain one: it travels between processes


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """What the test adds to."""
    counts = {"histories": 0, "acts": 0}
    record_property(TALLY, counts)
    return counts


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for counts in (value for name, value in report.user_properties if name == TALLY):
                    found[report.nodeid.partition("::")[0]].update(counts)
    for file, counts in sorted(found.items()):
        terminalreporter.write_line(f"{file}: {', '.join(f'{number:,} {what}' for what, number in counts.items())}")
