"""Whatever is used, corrected, rated again, billed, voided and reissued in whatever order, each month is billed once.

For every month: what invoices that stand bill of it, what waits for its reissue and what is carried come to what should be
billed. The oracle is a list of requests and of lines, and knows tokens times rate and nothing of the product.
`DEEP=8 pytest tests/invoicing/composing/test_void_histories.py` searches deeper.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from metering.catalogue.models import PriceVersion
from metering.errors import NothingToBill
from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.close import close_workspace
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.payments.balance.balance import balance_of
from metering.pricing import current
from metering.reconcile.invoices import invoice_differences
from tests.kit.billing import AUGUST, NOVEMBER, OCTOBER, SEPTEMBER, Meter, at, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import replace as replace_usage
from tests.kit.corrections import void as take_away
from tests.kit.depth import in_rounds, rounds
from tests.kit.factories import forget_names
from workspaces.models import APIKey

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("usual_minimum")]
OPS = "ops@omixa.example"
MONTHS = {8: AUGUST, 9: SEPTEMBER, 10: OCTOBER}
RATE = Decimal("1.5") / 1_000_000

sizes = st.sampled_from([200_000, 1_000_000, 2_000_000, 5_000_000])
months = st.sampled_from([8, 8, 9, 10])
acts = st.one_of(
    st.tuples(st.just("use"), months, sizes),
    st.tuples(st.just("use"), months, sizes),
    st.tuples(st.just("take_away"), st.integers(1, 12)),
    st.tuples(st.just("replace"), st.integers(1, 12), sizes),
    st.tuples(st.just("bill"), months),
    st.tuples(st.just("bill"), months),
    st.tuples(st.just("void"), months),
    st.tuples(st.just("reissue"), months),
)


@dataclass
class Oracle:
    """Tokens by request; what each invoice bills of each month; months whose invoice is void and waits, with its tokens."""

    requests: dict[str, tuple[int, int]] = field(default_factory=dict)
    invoices: dict[int, dict[int, int]] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)

    def used(self, month: int) -> int:
        return sum(size for when, size in self.requests.values() if when == month)

    def billed(self, month: int) -> int:
        return sum(lines.get(month, 0) for lines in self.invoices.values())

    def waits(self, month: int) -> int:
        return min(self.waiting.get(month, 0), self.used(month))

    def carried(self, month: int) -> int:
        """What the next invoice bills of it."""
        return self.used(month) - self.waits(month) - self.billed(month)


class History:
    def __init__(self, use: Meter, key: APIKey) -> None:
        self.meter, self.key, self.workspace = use, key, key.workspace
        self.meter.sent = 0
        self.now = at("11-05T00:00")
        self.oracle = Oracle()

    def do(self, act: str, *said: Any) -> None:
        self.now += timedelta(minutes=30)
        getattr(self, act)(*said)

    def use(self, month: int, size: int) -> None:
        self.meter(self.key, f"{month:02}-14T10:00", usage=tokens(input=size), now=self.now)
        self.oracle.requests[f"req-{self.meter.sent}"] = (month, size)

    def take_away(self, number: int) -> None:
        if f"req-{number}" not in self.oracle.requests:
            return
        correct(self.meter.gateway, take_away(self.key, f"req-{number}"), now=self.now)
        del self.oracle.requests[f"req-{number}"]

    def replace(self, number: int, size: int) -> None:
        if f"req-{number}" not in self.oracle.requests:
            return
        correct(self.meter.gateway, replace_usage(self.key, tokens(input=size), f"req-{number}"), now=self.now)
        self.oracle.requests[f"req-{number}"] = (self.oracle.requests[f"req-{number}"][0], size)

    def bill(self, month: int) -> None:
        self.write_down(close_workspace(self.workspace, MONTHS[month], self.now, True, OPS).invoice)

    def void(self, month: int) -> None:
        for invoice in self.workspace.invoices.filter(period_start=MONTHS[month].start, status="open"):
            void(invoice.pk, "wrong address", OPS, self.now)
            self.oracle.waiting[month] = self.oracle.invoices.pop(invoice.pk).get(month, 0)

    def reissue(self, month: int) -> None:
        of_month = self.workspace.invoices.filter(period_start=MONTHS[month].start)
        last = of_month.order_by("pk").last()
        if last is not None and last.status == "void":
            self.oracle.waiting.pop(month, None)
            draft = reissue(last.pk, OPS, self.now)
            if draft is not None:
                try:
                    self.write_down(finalize(draft.pk, OPS, self.now))
                except NothingToBill:
                    draft.delete()

    def write_down(self, invoice: Invoice | None) -> None:
        if invoice is not None and invoice.status != "draft" and invoice.pk not in self.oracle.invoices:
            lines: dict[int, int] = defaultdict(int)
            for line in invoice.lines.all():
                lines[line.period_start.month] += line.quantity
            for month, quantity in lines.items():
                assert quantity == self.oracle.carried(month), (month, self.oracle)
            self.oracle.invoices[invoice.pk] = lines

    def check(self) -> None:
        oracle = self.oracle
        assert invoice_differences() == []
        drafts = set(self.workspace.invoices.filter(status="draft").values_list("period_start__month", flat=True))
        assert not drafts or all(each.held == "" for each in self.workspace.invoices.filter(status="draft"))
        if not drafts:
            preview = compose(self.workspace, NOVEMBER)
            found: dict[int, int] = defaultdict(int)
            for line in preview.lines:
                found[line.period.start.month] += line.quantity
            assert {month: oracle.carried(month) for month in MONTHS if oracle.carried(month)} == dict(found)
        unbilled = sum(oracle.used(month) - oracle.billed(month) for month in MONTHS)
        assert balance_of(self.workspace, self.now).unbilled == unbilled * RATE


@rounds
@given(history=st.lists(acts, min_size=8, max_size=20))
@in_rounds(5)
def test_each_month_is_billed_once_whatever_happens_to_its_invoices(
    use: Meter, key: APIKey, codex_mini: PriceVersion, round: int, history: list[tuple[Any, ...]]
) -> None:
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        both = History(use, key)
        for act in history:
            both.do(*act)
        both.check()
        for month in MONTHS:
            both.do("reissue", month)
        both.do("use", 10, 5_000_000)
        both.do("bill", 10)
        both.check()
        transaction.set_rollback(True)
