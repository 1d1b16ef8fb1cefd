"""A prepaid workspace's keys work while there is credit, and again as soon as there is some."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.balance.suspension import update_suspensions
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.models import Payment, Refund, TopUp
from metering.payments.provider.current import provider
from metering.payments.refunds import refunds
from metering.payments.refunds.external import record_external_refund
from metering.payments.refunds.outcomes import apply_refund
from metering.payments.top_ups import purchase
from metering.periods import parse_month
from metering.reconcile.everything import money_differences
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import Meter, tokens
from tests.kit.factories import NOW, make_key
from tests.kit.stripe_server import StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
NOBODY = {"suspended": 0, "lifted": 0, "failed": 0}


def why(workspace: Workspace) -> str:
    workspace.refresh_from_db()
    return workspace.suspended_because


@pytest.fixture
def prepaid(acme: Workspace) -> Workspace:
    BillingTerms.objects.create(workspace=acme, mode="prepaid", suspend_when_past_due=True)
    return acme


def test_used_up_credit_suspends_and_a_top_up_lifts_it_at_once(stripe: StripeServer, prepaid: Workspace, use: Meter) -> None:
    ledger.grant(prepaid, "purchased", Decimal("2.00"), "ops", NOW)
    use(make_key(prepaid), "10-14T10:00", usage=tokens(input=1_000_000))
    assert (update_suspensions(NOW), why(prepaid)) == (NOBODY, "")
    use(make_key(prepaid), "10-14T11:00", usage=tokens(input=1_000_000))
    assert why(prepaid) == "Its prepaid credit is used up.", "at once, as its usage is recorded"
    assert update_suspensions(NOW) == NOBODY
    bought = purchase.buy_credit(prepaid, Decimal("50.00"), purchase.PAGE, "a-key", "ops", NOW)
    stripe.complete(bought.attempts.get().session_id)
    recover_attempts(NOW)
    assert why(prepaid) == ""
    actions = AuditEntry.objects.filter(action__startswith="workspace.").values_list("action", flat=True)
    assert list(actions) == ["workspace.unsuspended", "workspace.suspended"]


def test_postpaid_workspaces_are_left_alone(acme: Workspace, use: Meter) -> None:
    use(make_key(acme), "10-14T10:00", usage=tokens(input=1_000_000))
    assert (update_suspensions(NOW), why(acme)) == (NOBODY, "")


def test_who_changes_to_postpaid_works_again(prepaid: Workspace) -> None:
    assert update_suspensions(NOW)["suspended"] == 1
    BillingTerms.objects.update(mode="postpaid")
    assert (update_suspensions(NOW), why(prepaid)) == (NOBODY | {"lifted": 1}, "")


def test_new_credit_does_not_lift_what_is_past_due(prepaid: Workspace, invoice: Invoice) -> None:
    assert update_suspensions(NOW)["suspended"] == 1
    for day in (14, 17, 19, 21):
        dun(NOW + timedelta(days=day), collect_invoice)
    ledger.grant(prepaid, "goodwill", Decimal("5.00"), "ops", NOW)
    update_suspensions(NOW + timedelta(days=22))
    assert why(prepaid) == f"The invoice {invoice.number} is overdue."


def bought_credit(stripe: StripeServer, workspace: Workspace) -> Payment:
    """50.00 of credit, paid on Stripe's page."""
    bought = purchase.buy_credit(workspace, Decimal("50.00"), purchase.PAGE, "a-key", "ops", NOW)
    stripe.complete(bought.attempts.get().session_id)
    recover_attempts(NOW)
    return Payment.objects.get()


def used_invoice(workspace: Workspace, use: Meter) -> Invoice:
    """Of 30.00, paid by credit."""
    use(make_key(workspace), "09-14T10:00", usage=tokens(input=20_000_000))
    (invoice,) = close_workspaces(parse_month("2026-09"), NOW, finalize=True)
    return invoice


def left(payment: Payment) -> Decimal:
    assert payment.grant is not None
    return ledger.remaining_of_grant(payment.grant)


def test_refunding_a_purchase_takes_its_credit_back_and_a_failed_refund_returns_it(
    stripe: StripeServer, prepaid: Workspace
) -> None:
    payment = bought_credit(stripe, prepaid)
    refund = refunds.refund(payment.pk, Decimal("30.00"), "not needed", "ops", NOW)
    assert (refund.status, left(payment)) == ("succeeded", Decimal("20.00"))
    stripe.objects[str(refund.stripe_id)].update(status="failed")
    for _ in range(2):
        apply_refund(refund, provider().look_up_refund(str(refund.stripe_id)), NOW)
    assert left(payment) == Decimal("50.00")
    assert money_differences() == []


def test_credit_that_was_used_is_not_refunded(stripe: StripeServer, prepaid: Workspace, use: Meter) -> None:
    payment = bought_credit(stripe, prepaid)
    invoice = used_invoice(prepaid, use)
    assert (invoice.status, left(payment)) == ("paid", Decimal("20.00"))
    with pytest.raises(InvalidParameter, match=r"20\.00 are left of this credit, not 20\.01"):
        refunds.refund(payment.pk, Decimal("20.01"), "not needed", "ops", NOW)
    assert (Refund.objects.count(), stripe.of("refund")) == (0, [])


def test_a_purchase_refunded_at_stripe_itself_takes_what_is_left_of_its_credit(
    stripe: StripeServer, prepaid: Workspace, use: Meter
) -> None:
    payment = bought_credit(stripe, prepaid)
    invoice = used_invoice(prepaid, use)
    made = stripe.make("refund", "re_", payment_intent=payment.intent_id, amount=5000, status="succeeded", metadata={})
    for _ in range(2):
        assert record_external_refund(provider().look_up_refund(made["id"]), NOW)
    refund = Refund.objects.get()
    assert (refund.amount, refund.credit_taken, left(payment)) == (Decimal("50.00"), Decimal("20.00"), Decimal("0.00"))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due) == ("open", Decimal("30.00")), "what was used is owed again"
    assert money_differences() == []


def test_a_repeated_purchase_answers_whatever_has_changed_since(
    stripe: StripeServer, prepaid: Workspace, settings: Any
) -> None:
    payment = bought_credit(stripe, prepaid)
    settings.TOP_UP_MINIMUM = Decimal("60.00")
    again = purchase.buy_credit(prepaid, Decimal("50.00"), purchase.PAGE, "a-key", "ops", NOW)
    assert (again.status, again.grant, TopUp.objects.count()) == ("paid", payment.grant, 1)
