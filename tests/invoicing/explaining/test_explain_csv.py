"""The events under a line as a download: which they are is worked out once, and a page is in memory at a time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.invoicing import api
from metering.invoicing.lifecycle.void import void
from metering.invoicing.models import InvoiceLine
from tests.kit.billing import Meter, finalized, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import void as take_away
from tests.kit.factories import NOW
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
MILLION = tokens(input=1_000_000)


def month_with_a_late_event(use: Meter, key: APIKey) -> InvoiceLine:
    """September's line of eleven requests, and a twelfth that it does not bill."""
    use(key, *[f"09-{day}T10:00" for day in range(10, 21)], usage=MILLION)
    (september,) = finalized()
    use(key, "09-21T10:00", usage=MILLION, now=NOW + timedelta(minutes=1))
    return september.lines.get()


def a_late_one(use: Meter, key: APIKey, line: InvoiceLine) -> None:
    """Nothing more."""


def a_correction(use: Meter, key: APIKey, line: InvoiceLine) -> None:
    correct(use.gateway, take_away(key, "req-3"), now=NOW + timedelta(minutes=2))


def a_void(use: Meter, key: APIKey, line: InvoiceLine) -> None:
    void(line.invoice.pk, "wrong address", "ops@omixa.example", NOW + timedelta(minutes=2))


@pytest.mark.parametrize("also", [a_late_one, a_correction, a_void])
def test_a_download_of_many_pages_works_out_once_which_events_they_are(
    use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch, also: Callable[[Meter, APIKey, InvoiceLine], None]
) -> None:
    line = month_with_a_late_event(use, key)
    also(use, key, line)
    found: dict[int, tuple[int, list[str]]] = {}
    for size in (2, 100):
        monkeypatch.setattr(api, "EVENTS_AT_ONCE", size)
        with CaptureQueriesContext(connection) as queries:
            text = b"".join(download(line)).decode()
        assert [row.split(",")[0] for row in text.splitlines()[1:]] == [f"req-{number}" for number in range(11, 0, -1)]
        statements = [query["sql"] for query in queries]
        assert sum(" OVER " in sql for sql in statements) == 1
        assert sum("metering_dailyrollup" in sql for sql in statements) <= 1
        found[size] = len(statements), text.splitlines()
    (many, rows), (few, same) = found[2], found[100]
    assert rows == same
    assert many - few == 5 * 2  # five more pages, each of its events and what is billed of them


def test_a_download_reads_a_page_when_it_is_asked_for_it(use: Meter, key: APIKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "EVENTS_AT_ONCE", 2)
    rows = iter(download(month_with_a_late_event(use, key)))
    with CaptureQueriesContext(connection) as queries:
        assert [next(rows).startswith(start) for start in (b"request_id", b"req-11", b"req-10")] == [True] * 3
    assert sum("metering_usageevent" in query["sql"] for query in queries) == 2
    assert len(list(rows)) == 9


def download(line: InvoiceLine) -> Any:
    return api.line_events_csv(InvoiceLine.objects.get(pk=line.pk)).streaming_content
