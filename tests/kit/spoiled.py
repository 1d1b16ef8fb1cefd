"""What must never be, written behind the back of the product."""

from dataclasses import replace

from django.db import connection
from django.db.models import CheckConstraint

from metering.invoicing.composing.compose import compose
from metering.invoicing.lifecycle.freeze import freeze
from metering.invoicing.models import Invoice, InvoiceLine, line_id
from metering.money import round_to_cents
from metering.periods import Period
from tests.kit.factories import NOW


def spoil(statement: str) -> None:
    """Behind the back of triggers and of the sums that the database checks, as only a superuser can, until the test ends."""
    sums = [each.name for each in Invoice._meta.constraints if isinstance(each, CheckConstraint)]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come cannot be altered
        for name in sums:
            cursor.execute(f"ALTER TABLE metering_invoice DROP CONSTRAINT IF EXISTS {name}")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


def bill_again(line: InvoiceLine, to: Period) -> None:
    """As a bug in closing would: another month's invoice, right in itself, adjusts by what this line bills already."""
    exact, shown = line.amount_exact, round_to_cents(line.amount_exact)
    totals = {"subtotal_exact": exact, "subtotal": shown, "total": shown, "amount_due": shown}
    workspace = line.invoice.workspace
    invoice = Invoice.objects.create(workspace=workspace, period_start=to.start, period_end=to.end, **totals)
    line.pk, line.public_id, line.invoice, line.kind, line.amount = None, line_id(), invoice, "adjustment", shown
    line.save(force_insert=True)
    freeze(invoice, replace(compose(workspace, to), lines=(line,)), "tests", NOW)  # type: ignore[arg-type]
