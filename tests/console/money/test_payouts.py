"""What is owed to customers, in the console: listed, and recorded as paid out on the workspace's page."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import record_transfer
from metering.payments.models import Payment
from metering.payments.refunds.models import Payout
from tests.kit.factories import NOW
from tests.kit.operator import submit
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


def test_a_surplus_is_listed_paid_out_and_listed_no_more(console: Client, acme: Workspace, invoice: Invoice) -> None:
    record_transfer([invoice.pk], Decimal("170.00"), "transfer 1", "ops", NOW)
    listed = reverse("admin:metering_payout_changelist")
    page = reverse("admin:workspaces_workspace_pay_out", args=[acme.pk])
    assert page in console.get(listed).content.decode()
    assert "$20.00 are owed to Acme" in console.get(page).content.decode()
    assert submit(console, page, amount="20.00", reference="wire-9").status_code == 302
    assert (Payout.objects.get().amount, Payment.objects.surplus().get().refunded) == (Decimal("20.00"), Decimal("20.00"))
    after = console.get(listed).content.decode()
    assert (page in after, "wire-9" in after, "Nothing is owed to customers." in after) == (False, True, True)
