"""Whatever is used, corrected, voided and reissued in whatever order: what each line bills of each request never changes.

The oracle writes down at each finalization what every request counts and takes off what the invoices that stand bill of it.
`DEEP=8 pytest tests/invoicing/explaining/test_explain_histories.py` searches deeper.
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from metering.errors import NothingToBill
from metering.ingest.models import UsageEvent
from metering.invoicing.explaining.explain import events_under
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice, InvoiceLine
from metering.pricing import current
from tests.kit.billing import AUGUST, OCTOBER, SEPTEMBER, Meter, at, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import replace as count_anew
from tests.kit.corrections import void as take_away
from tests.kit.depth import in_rounds, rounds
from tests.kit.factories import forget_names
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
OPS = "ops@omixa.example"
MONTHS = {8: AUGUST, 9: SEPTEMBER, 10: OCTOBER}

sizes = st.sampled_from([1000, 1000, 2000, 5000])
months = st.sampled_from([8, 8, 9, 10])
acts = st.one_of(
    st.tuples(st.just("use"), months, sizes),
    st.tuples(st.just("use"), months, sizes),
    st.tuples(st.just("take_away"), st.integers(1, 12)),
    st.tuples(st.just("count_anew"), st.integers(1, 12), sizes),
    st.tuples(st.just("bill"), months),
    st.tuples(st.just("bill"), months),
    st.tuples(st.just("void"), months),
)
Requests = dict[str, int]


class History:
    """Both sides of one history: the product, and what each line bills of each request by the oracle."""

    def __init__(self, use: Meter, key: APIKey) -> None:
        self.meter, self.key, self.workspace = use, key, key.workspace
        self.meter.sent = 0
        self.now = at("11-05T00:00")
        self.billed: dict[int, Requests] = {}
        self.standing: dict[int, list[InvoiceLine]] = {}
        # What void invoices billed of their own month, until that is reissued.
        self.waiting: dict[int, list[InvoiceLine]] = {}

    def do(self, act: str, *said: Any) -> None:
        self.now += timedelta(minutes=1)
        getattr(self, act)(*said)

    def use(self, month: int, size: int) -> None:
        self.meter(self.key, f"{month:02}-14T10:00", usage=tokens(input=size), now=self.now)

    def take_away(self, number: int) -> None:
        correct(self.meter.gateway, take_away(self.key, f"req-{number}"), now=self.now)

    def count_anew(self, number: int, size: int) -> None:
        correct(self.meter.gateway, count_anew(self.key, tokens(input=size), f"req-{number}"), now=self.now)

    def bill(self, month: int) -> None:
        """As the job does, or as an operator does where the month is void or held."""
        of_month = self.workspace.invoices.filter(period_start=MONTHS[month].start).order_by("pk")
        last, invoice = of_month.last(), None
        try:
            with transaction.atomic():
                if last is not None and last.status == "void":
                    self.waiting.pop(month, None)
                    invoice = reissue(last.pk, OPS, self.now)
                else:
                    invoice = close_workspace(self.workspace, MONTHS[month], self.now, True, OPS).invoice
                if invoice is not None and invoice.status == "draft":
                    invoice = finalize(invoice.pk, OPS, self.now)
        except NothingToBill:
            return
        if invoice is not None and invoice.pk not in self.standing:
            self.write_down(invoice)

    def void(self, month: int) -> None:
        for invoice in self.workspace.invoices.filter(period_start=MONTHS[month].start, status="open"):
            void(invoice.pk, "wrong address", OPS, self.now)
            lines = self.standing.pop(invoice.pk)
            self.waiting[month] = [line for line in lines if line.period_start == MONTHS[month].start]

    def write_down(self, invoice: Invoice) -> None:
        used, lines = self.used(), list(invoice.lines.all())
        for line in lines:
            requests = Counter(used[line.period_start])
            stands, waits = (
                [other.pk for several in kept.values() for other in several if other.period_start == line.period_start]
                for kept in (self.standing, self.waiting)
            )
            if waits and requests.total() <= sum(sum(self.billed[pk].values()) for pk in waits):
                requests, waits = Counter(), []
            for pk in [*stands, *waits]:
                requests.subtract(self.billed[pk])
            self.billed[line.pk] = {name: count for name, count in requests.items() if count}
            assert sum(self.billed[line.pk].values()) == line.quantity
        self.standing[invoice.pk] = lines

    def used(self) -> dict[datetime, Requests]:
        found: dict[datetime, Requests] = defaultdict(dict)
        for event in UsageEvent.objects.filter(workspace=self.workspace, price__isnull=False):
            found[MONTHS[event.occurred_at.month].start][event.request_id] = event.input_tokens
        return found

    def check(self) -> None:
        lines = InvoiceLine.objects.select_related("invoice__workspace").in_bulk(self.billed)
        found = {
            number: {each.event.request_id: each.quantity for each in events_under(lines[number], 100)[0]} for number in lines
        }
        assert found == self.billed


@pytest.fixture(autouse=True)
def issue_however_little(settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal(0)


@rounds
@given(history=st.lists(acts, min_size=6, max_size=20))
@in_rounds(8)
def test_what_a_line_bills_of_a_request_never_changes(
    use: Meter, key: APIKey, acme: Workspace, round: int, history: list[tuple[Any, ...]]
) -> None:
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        both = History(use, key)
        for act in history:
            both.do(*act)
            both.check()
        transaction.set_rollback(True)
