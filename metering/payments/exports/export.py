"""CSV for bookkeepers: documents, their lines, money and credit movements of a period. Streamed.

What they say of a period depends on what happened until its end: of an ended month they say the same for ever, but for what is
booked into it later with an earlier value date, until the month is locked (journal/lock.py). Cells that a spreadsheet would
take for a formula are defused as in the usage exports.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.http import StreamingHttpResponse

from metering.payments.exports.credits import credits
from metering.payments.exports.documents import invoices
from metering.payments.exports.lines import lines
from metering.payments.exports.money import payments
from metering.payments.exports.rows import Row
from metering.periods import Period
from metering.usage.exports import csv_download
from omixa_billing.api.errors import InvalidParameter
from workspaces.models import Workspace

SUMS = ["subtotal", "promotional_credits", "tax", "total", "credits_applied", "amount_paid", "credited", "amount_due"]
PARTY = ["workspace_id", "customer", "tax_id"]
EXPORTS: dict[str, tuple[list[str], Callable[[Period, Workspace | None], Iterator[Row]]]] = {
    "invoices": (
        ["document", "number", "status", *PARTY, "month", "issued_at", "due_at", "paid_at", "voided_at", "currency", *SUMS],
        invoices,
    ),
    "lines": (
        [
            *("number", "workspace_id", "line_id", "kind", "description", "model", "service_tier", "component", "month"),
            *("quantity", "rate_per_million", "amount_exact", "amount", "currency", "unit", "rate", "rate_for"),
        ],
        lines,
    ),
    "payments": (
        ["document", "id", "at", "workspace_id", "for", "method", "reference", "currency", "amount"],
        payments,
    ),
    "credits": (
        ["id", "at", "workspace_id", "credit_id", "credit_kind", "movement", "invoice", "note", "amount", "currency"],
        credits,
    ),
}


def export(kind: str, period: Period, workspace: Workspace | None = None, for_people: bool = False) -> StreamingHttpResponse:
    """The CSV as a download. Raises InvalidParameter for an unknown kind."""
    if kind not in EXPORTS:
        raise InvalidParameter(f"There are exports of {', '.join(EXPORTS)}.", param="kind")
    header, rows = EXPORTS[kind]
    name = f"{kind}-{period.start:%Y-%m-%d}-to-{period.end - timedelta(microseconds=1):%Y-%m-%d}.csv"
    named = (dict(zip(header, row, strict=True)) for row in rows(period, workspace))
    return csv_download(name, header, named, for_people)
