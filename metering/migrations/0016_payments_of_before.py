"""Invoices that were marked as paid before payments were kept get the payment that their reference names."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F


def make_payments(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    paid = apps.get_model("metering", "Invoice").objects.filter(status="paid", amount_paid=0, total__gt=0)
    payments = apps.get_model("metering", "Payment").objects
    for invoice in paid.iterator():
        payments.create(
            workspace_id=invoice.workspace_id,
            invoice=invoice,
            amount=invoice.total,
            currency=invoice.currency,
            method="by_hand",
            reference=invoice.payment_reference,
            received_at=invoice.paid_at,
            recorded_by="migration",
        )
    paid.update(amount_paid=F("total"))


class Migration(migrations.Migration):
    dependencies = [("metering", "0015_money_is_frozen")]

    operations = [migrations.RunPython(make_payments, migrations.RunPython.noop)]
