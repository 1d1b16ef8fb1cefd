"""Chargebacks that a person records in the console, and that the bank paid again."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from metering.invoicing.models import Invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.disputes.chargebacks import charge_back
from metering.payments.models import Dispute, Payment
from tests.kit.factories import NOW
from tests.kit.operator import submit

pytestmark = pytest.mark.django_db


def test_a_chargeback_is_reversed_on_its_page_once(console: Client, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", "ops", NOW)
    (dispute,) = charge_back([Payment.objects.get()], Decimal("150.00"), "return 3", Decimal("0.00"), "ops", NOW)
    shown = reverse("admin:metering_dispute_change", args=[dispute.pk])
    page = reverse("admin:metering_dispute_reverse", args=[dispute.pk])
    assert page in console.get(shown).content.decode()
    assert submit(console, page, reason="the bank paid again").status_code == 302
    assert (Dispute.objects.get().status, Invoice.objects.get().status) == ("won", "paid")
    assert page not in console.get(shown).content.decode()
    assert "was reversed before" in submit(console, page, reason="once more").content.decode()
