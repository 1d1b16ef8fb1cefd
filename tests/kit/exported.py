"""What bookkeepers' exports say of a period, and how they agree with the journal and the documents."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from metering.invoicing.models import Invoice
from metering.journal.accounts import MONEY
from metering.journal.export import CSV, exported
from metering.journal.models import JournalPosting
from metering.money import from_smallest_unit
from metering.payments.exports.export import EXPORTS
from metering.payments.exports.invoice_states import states_at
from metering.periods import Period
from workspaces.models import Workspace

SALES = (
    *("revenue_usage", "revenue_adjustment", "revenue_minimum", "revenue_fees", "revenue_one_off", "discount"),
    "tax",
)


def every_export(period: Period, workspace: Workspace | None = None) -> dict[str, list[Any]]:
    """The rows of each export by its kind, and the journal's lines."""
    found: dict[str, list[Any]] = {kind: list(rows(period, workspace)) for kind, (_, rows) in EXPORTS.items()}
    return found | {"journal": "".join(exported(period, CSV)).splitlines()}


def named(kind: str, period: Period, workspace: Workspace | None = None) -> list[dict[str, Any]]:
    header, rows = EXPORTS[kind]
    return [dict(zip(header, row, strict=True)) for row in rows(period, workspace)]


def exports_agree(period: Period) -> None:
    """Of a period that holds everything: invoices are as they stand now, and sums are those of the journal's accounts."""
    finalized = list(Invoice.objects.exclude(status=Invoice.Status.DRAFT))
    states = states_at(finalized, period.end)
    for each in finalized:
        found = states[each.public_id]
        paid, credited, due = found.amount_paid, found.credited, found.amount_due
        assert (found.status, paid, credited, due) == (each.status, each.amount_paid, each.credited, each.still_due), each
    money: dict[str, Decimal] = defaultdict(Decimal)
    for row in named("payments", period):
        money[row["currency"]] += Decimal(row["amount"])
    moved = JournalPosting.objects.filter(account__in=MONEY).exclude(entry__kind="provider_fee")
    sums = moved.order_by().values_list("currency").annotate(Sum("amount"))
    assert money == {currency: from_smallest_unit(units, currency) for currency, units in sums}
    sold = sum((Decimal(row["subtotal"]) + Decimal(row["tax"]) for row in named("invoices", period)), Decimal(0))
    assert sold * -100 == (JournalPosting.objects.filter(account__in=SALES).aggregate(sum=Sum("amount"))["sum"] or 0)
    lines = sum((Decimal(row["amount"]) for row in named("lines", period)), Decimal(0))
    documents = [row for row in named("invoices", period) if row["document"] in ("invoice", "void")]
    assert lines == sum((Decimal(row["subtotal"]) for row in documents), Decimal(0))


def ever(end: datetime) -> Period:
    return Period(datetime(2000, 1, 1, tzinfo=end.tzinfo), end)
