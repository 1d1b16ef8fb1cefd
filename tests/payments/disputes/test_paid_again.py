"""A bank that pays again what it had taken: what credit notes made credit of it comes back, and rows from before say so too."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from metering.credits.models import CreditGrant
from metering.invoicing.credit_notes.issue import chosen_amounts
from metering.invoicing.models import Invoice
from metering.notifications.models import Notification
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.disputes.chargebacks import charge_back, reverse_chargeback
from metering.payments.mails.models import Notice
from metering.payments.models import Payment
from metering.payments.refunds.models import ReopenedAmount
from metering.payments.refunds.payouts import owed_to
from metering.payments.refunds.reversals import issue_credit_note
from metering.payments.refunds.withdrawals import withdraw_credit
from metering.reconcile.everything import money_differences
from tests.kit.billing import OPS
from tests.kit.factories import NOW
from workspaces.models import Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock", "journal_agrees")]
NOTHING = Decimal("0.00")


def noted(amount: Decimal, settlement: str, reference: str = "") -> None:
    invoice = Invoice.objects.get()
    issue_credit_note(invoice.pk, chosen_amounts(invoice, None, amount), "an outage", settlement, OPS, NOW, reference)


def taken_and_paid_again(amount: Decimal, reference: str, due: Decimal) -> None:
    payment = Payment.objects.get()
    (dispute,) = charge_back([payment], amount, reference, NOTHING, OPS, NOW)
    assert (Invoice.objects.get().amount_due, money_differences()) == (due, [])
    assert owed_to(payment.workspace).total == NOTHING
    reverse_chargeback(dispute.pk, "paid again", OPS, NOW)


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("kept", [Decimal("50.00"), Decimal("100.00"), Decimal("150.00")])
def test_a_transfer_is_taken_and_paid_again_however_much_of_it_is_credit(
    acme: Workspace, invoice: Invoice, kept: Decimal, withdrawn: bool
) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    noted(kept, "balance")
    if withdrawn:
        withdraw_credit(CreditGrant.objects.get(), "by mistake", OPS, NOW)
    for reference in ("return 3", "return 4"):
        taken_and_paid_again(invoice.amount_due, reference, invoice.amount_due - kept)
        payment = Payment.objects.get()
        as_credit, owed = (NOTHING, kept) if withdrawn else (kept, NOTHING)
        assert (payment.kept, owed_to(acme).withdrawn) == (as_credit, owed)
        assert (payment.charged_back, payment.reopened) == (NOTHING, NOTHING)
        assert (Invoice.objects.get().status, money_differences()) == ("paid", [])


@pytest.mark.parametrize("kept", [Decimal("30.00"), Decimal("80.00")])
def test_so_is_one_of_which_a_part_was_returned(acme: Workspace, invoice: Invoice, kept: Decimal) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    noted(Decimal("70.00"), "outside", "wire 9")
    noted(kept, "balance")
    taken_and_paid_again(Decimal("80.00"), "return 3", Decimal("80.00") - kept)
    payment = Payment.objects.get()
    assert (payment.refunded, payment.kept, payment.charged_back, payment.reopened) == (
        Decimal("70.00"),
        kept,
        NOTHING,
        NOTHING,
    )
    assert money_differences() == []


def test_a_row_from_before_says_what_was_paid_otherwise(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    (dispute,) = charge_back([Payment.objects.get()], Decimal("150.00"), "return 3", NOTHING, OPS, NOW)
    mark_paid(invoice.pk, "transfer 8", OPS, NOW)
    reverse_chargeback(dispute.pk, "paid again", OPS, NOW)
    later = Payment.objects.get(reference="transfer 8")
    charge_back([later], Decimal("20.00"), "return 4", NOTHING, OPS, NOW)
    rows = ReopenedAmount.objects.order_by("pk").values_list("amount", "lifted", "paid_otherwise")
    expected = [(Decimal("150.00"), NOTHING, Decimal("150.00")), (Decimal("20.00"), NOTHING, NOTHING)]
    assert list(rows) == expected
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name in ("0034_faster_decisions", "0036_tiers_of_corrections"):
        MigrationExecutor(connection).migrate([("metering", name)])
    assert list(rows.all()) == expected


def test_an_invoice_that_is_owed_a_second_time_is_dunned_as_the_first_time(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "cheque 7", OPS, NOW)
    for reference in ("return 3", "return 4"):
        (dispute,) = charge_back([Payment.objects.get()], Decimal("150.00"), reference, NOTHING, OPS, NOW)
        for day in range(40):
            dun(NOW + timedelta(days=day), collect_invoice)
        if reference == "return 3":
            reverse_chargeback(dispute.pk, "paid again", OPS, NOW + timedelta(days=39))
    mails = Counter(Notice.objects.values_list("kind", flat=True))
    assert (mails["payment_reminder"], mails["past_due"]) == (2 * 3, 2)
    announced = Counter(Notification.objects.values_list("type", flat=True))
    assert (announced["invoice.past_due"], announced["invoice.paid"]) == (2, 2)
