"""After a decline: retries after 3, 5 and 7 days with a mail at each step, then past due; paid, everything lifts."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.errors import AmountTooSmall
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.accounts.customers import account_of, ensure_customer
from metering.payments.accounts.methods import store_method
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.collecting.collect import collect_due, collect_invoice, payment_page
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.collecting.status_label import invoices_with_status, status_label_of
from metering.payments.mails.models import Notice
from metering.payments.mails.texts import build_mail
from metering.payments.models import Dunning, PaymentAccount
from metering.payments.provider.current import provider
from metering.payments.refunds.reversals import issue_credit_note
from tests.kit.billing import Meter, an_invoice
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import BANK, DECLINED, GOOD, StripeServer
from workspaces.keys import issue
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def on_day(day: float) -> datetime:
    return NOW + timedelta(days=day)


def run(day: float) -> dict[str, int]:
    return dun(on_day(day), collect_invoice)


def notices() -> list[tuple[str, str]]:
    return [(each.kind, each.created_at.strftime("%m-%d")) for each in Notice.objects.order_by("id")]


def asks(workspace: Workspace, kind: str) -> Any:
    _, secret = issue.create_key(workspace, kind, "server", "tests", NOW)
    path = "/api/v1/key" if kind == "live" else "/api/v1/invoices"
    return APIClient(headers={"authorization": f"Bearer {secret}"}).get(path)


def test_three_retries_on_their_days_then_past_due(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    outcomes = {day: run(day)["retried"] for day in (1, 2.9, 3, 4, 5, 6.5, 7, 8, 30)}
    assert outcomes == {1: 0, 2.9: 0, 3: 1, 4: 0, 5: 1, 6.5: 0, 7: 1, 8: 0, 30: 0}
    assert notices() == [
        ("payment_failed", "10-15"),
        ("payment_failed", "10-18"),
        ("payment_failed", "10-20"),
        ("past_due", "10-22"),
    ]
    dunning = Dunning.objects.get()
    assert (dunning.state, dunning.retries, dunning.past_due_at, dunning.next_retry_at) == ("past_due", 3, on_day(7), None)
    assert [each.number for each in invoice.attempts.order_by("number")] == [1, 2, 3, 4]
    assert Notice.objects.first().context["message"] == "Your card has insufficient funds."  # type: ignore[union-attr]


def test_the_days_are_a_setting(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.DUNNING_RETRY_DAYS = [1]
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    assert run(1)["retried"] == 1
    assert Dunning.objects.get().state == "past_due"


def test_a_retry_that_succeeds_ends_it(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    account = with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    account.method_id = stripe.save_method(str(account.customer_id), GOOD)
    account.save()
    assert run(3) == {"retried": 1, "reminded": 0, "failed": 0}
    invoice.refresh_from_db()
    assert (invoice.status, Dunning.objects.get().state) == ("paid", "settled")
    assert [kind for kind, _ in notices()] == ["payment_failed", "invoice_paid"]


def test_missed_steps_are_made_up_for_a_day_apart(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    """Nothing ran for seventeen days: the customer gets a day after each mail, and not three of them at once."""
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    outcomes = {day: run(day)["retried"] for day in (20, 20.01, 20.9, 21, 21.5, 22, 23)}
    assert outcomes == {20: 1, 20.01: 0, 20.9: 0, 21: 1, 21.5: 0, 22: 1, 23: 0}
    assert [each.context.get("next_try") for each in Notice.objects.order_by("id")] == [
        "2026-10-18T12:00:00Z",
        "2026-11-05T12:00:00Z",
        "2026-11-06T12:00:00Z",
        None,
    ]
    assert Dunning.objects.get().state == "past_due"


def test_a_step_made_late_does_not_put_off_the_next_one(stripe: StripeServer, acme: Workspace, invoice: Invoice) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    assert run(3.01)["retried"] == 1
    assert Dunning.objects.get().next_retry_at == on_day(5)


def test_without_a_method_reminders_begin_on_the_due_day(acme: Workspace, invoice: Invoice) -> None:
    assert run(13.9) == {"retried": 0, "reminded": 0, "failed": 0}
    assert [run(day)["reminded"] for day in (14, 14.5, 17, 19, 21, 22)] == [1, 0, 1, 1, 1, 0]
    assert [kind for kind, _ in notices()] == ["payment_reminder"] * 3 + ["past_due"]


@pytest.mark.parametrize("agreed", [True, False])
def test_past_due_suspends_the_live_keys_if_agreed_and_payment_lifts_it(
    acme: Workspace, invoice: Invoice, agreed: bool
) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=agreed)
    for day in (14, 17, 19, 21):
        run(day)
    answer = asks(acme, "live")
    assert answer.status_code == (403 if agreed else 200)
    if agreed:
        assert answer.json()["error"] == {
            "message": f"This workspace is suspended. The invoice {invoice.number} is overdue. "
            "Its keys work again when that is settled.",
            "type": "permission_error",
            "code": "workspace_suspended",
            "param": None,
        }
    assert asks(acme, "admin").status_code == 200
    mark_paid(invoice.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 200
    actions = list(AuditEntry.objects.filter(action__startswith="workspace.").values_list("action", flat=True))
    assert actions == (["workspace.unsuspended", "workspace.suspended"] if agreed else [])


def test_it_lifts_when_the_last_past_due_invoice_is_paid(acme: Workspace, invoice: Invoice, use: Meter) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    second = an_invoice(acme, use, "08")
    for day in (14, 17, 19, 21):
        run(day)
    mark_paid(invoice.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 403
    mark_paid(second.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 200


def test_events_of_a_suspended_workspace_are_still_counted(acme: Workspace, invoice: Invoice, use: Meter) -> None:
    Workspace.objects.filter(pk=acme.pk).update(suspended_at=NOW, suspensions=["past_due"], suspended_because="x")
    assert an_invoice(acme, use, "08").total == invoice.total


def test_one_invoices_failure_does_not_stop_the_others(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, use: Meter
) -> None:
    beta = make_workspace("Beta")
    an_invoice(beta, use)
    with_method(acme, stripe, DECLINED)
    with_method(beta, stripe, DECLINED)
    collect_due(NOW)
    stripe.fail_at(1, "die_before")
    stripe.fail_at(2, "die_before")
    assert run(3) == {"retried": 1, "reminded": 0, "failed": 1}


# --- What the customer tries in between ---------------------------------------------------------------------------


def test_declines_that_the_customer_asks_for_are_told_of_and_no_steps(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    for minutes in (1, 2, 3):
        collect_invoice(invoice.pk, NOW + timedelta(minutes=minutes))
    dunning = Dunning.objects.get()
    assert (dunning.state, dunning.retries, dunning.next_retry_at) == ("retrying", 0, on_day(3))
    assert invoice.attempts.filter(status="declined").count() == 4
    assert [each.context["next_try"] for each in Notice.objects.all()] == ["2026-10-18T12:00:00Z"] * 4
    assert asks(acme, "live").status_code == 200
    assert [run(day)["retried"] for day in (3, 5, 7)] == [1, 1, 1]
    assert (Dunning.objects.get().state, asks(acme, "live").status_code) == ("past_due", 403)


def test_what_is_declined_when_past_due_is_told_of_and_changes_nothing(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    for day in (3, 5, 7):
        run(day)
    collect_invoice(invoice.pk, on_day(8))
    dunning = Dunning.objects.get()
    assert (dunning.state, dunning.retries, dunning.past_due_at, dunning.next_retry_at) == ("past_due", 3, on_day(7), None)
    assert notices()[-2:] == [("past_due", "10-22"), ("past_due", "10-23")]
    assert AuditEntry.objects.filter(action="invoice.past_due").count() == 1


def test_a_debit_that_fails_after_its_step_was_due_is_one_step_and_not_asked_for_meanwhile(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    account = with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    PaymentAccount.objects.filter(pk=account.pk).update(method_id=stripe.save_method(str(account.customer_id), BANK))
    assert run(3)["retried"] == 1
    assert [run(day)["retried"] for day in (3.1, 4, 5, 6)] == [0, 0, 0, 0]
    (_, debit) = stripe.of("payment_intent")
    stripe.settle(debit["id"], succeeded=False)
    recover_attempts(on_day(6))
    dunning = Dunning.objects.get()
    assert (dunning.retries, dunning.next_retry_at) == (1, on_day(7))  # a day's distance from the fifth's


# --- A new method -------------------------------------------------------------------------------------------------


def save_method(acme: Workspace, stripe: StripeServer, method: str) -> None:
    account = account_of(acme)
    saved = provider().look_up_method(stripe.save_method(str(account.customer_id), method))
    store_method(account, saved, NOW, set_up_at=NOW)


def test_a_method_saved_while_past_due_is_charged_by_the_next_run(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    ensure_customer(acme, NOW)
    for day in (14, 17, 19, 21):
        run(day)
    assert (Dunning.objects.get().state, asks(acme, "live").status_code) == ("past_due", 403)
    save_method(acme, stripe, GOOD)
    assert run(22) == {"retried": 1, "reminded": 0, "failed": 0}
    invoice.refresh_from_db()
    assert (invoice.status, asks(acme, "live").status_code) == ("paid", 200)
    assert len(stripe.succeeded()) == 1


def test_a_new_method_that_is_declined_too_is_tried_once_and_is_no_step(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    for _ in range(3):
        save_method(acme, stripe, DECLINED)
        assert [run(day)["retried"] for day in (1, 1.01, 2)] == [1, 0, 0]
    dunning = Dunning.objects.get()
    assert (dunning.state, dunning.retries, dunning.next_retry_at) == ("retrying", 0, on_day(3))
    assert [run(day)["retried"] for day in (3, 5, 7)] == [1, 1, 1]
    save_method(acme, stripe, DECLINED)
    assert [run(day)["retried"] for day in (8, 9)] == [1, 0]
    assert (Dunning.objects.get().state, len(notices())) == ("past_due", 8)


# --- Too little ---------------------------------------------------------------------------------------------------


def test_less_than_a_card_can_pay_is_not_dunned(stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    credit_all_but(invoice, "0.49")
    with_method(acme, stripe)
    assert collect_due(NOW)["succeeded"] == 0
    assert [run(day) for day in range(14, 40)] == [{"retried": 0, "reminded": 0, "failed": 0}] * 26
    assert (Dunning.objects.count(), stripe.of("payment_intent")) == (0, [])
    assert [kind for kind, _ in notices()] == ["credit_note_ready"]
    with pytest.raises(AmountTooSmall) as refused:
        payment_page(Invoice.objects.select_related("workspace").get(), NOW)
    assert refused.value.message == (
        f"0.49 USD are due on the invoice {invoice.number}, and less than 0.50 USD cannot be charged: "
        "it stays due, and you get no reminder."
    )
    assert stripe.of("checkout.session") == []


def test_what_a_credit_note_lowers_to_too_little_is_let_off(acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    for day in (14, 17, 19, 21):
        run(day)
    assert asks(acme, "live").status_code == 403
    credit_all_but(invoice, "0.49")
    assert run(22) == {"retried": 0, "reminded": 0, "failed": 0}
    assert (Dunning.objects.get().state, asks(acme, "live").status_code) == ("settled", 200)


def test_exactly_what_a_card_can_pay_is_dunned(acme: Workspace, invoice: Invoice, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    credit_all_but(invoice, "0.50")
    assert run(14)["reminded"] == 1


def credit_all_but(invoice: Invoice, amount: str) -> None:
    """`amount` stays due of the 150.00."""
    credited = Decimal("150.00") - Decimal(amount)
    issue_credit_note(invoice.pk, {invoice.lines.get().public_id: credited}, "slow", "balance", "ops", NOW)


# --- What Stripe refuses, and what nothing was tried for --------------------------------------------------------------


def test_an_amount_above_stripes_limit_is_dunned_by_mail_until_past_due(
    stripe: StripeServer, acme: Workspace, invoice: Invoice, settings: Any
) -> None:
    settings.PAYMENT_INSTRUCTIONS = "IBAN DE00 1234"
    BillingTerms.objects.create(workspace=acme, suspend_when_past_due=True)
    with_method(acme, stripe)
    stripe.refuse(
        lambda method, path, _: (method, path) == ("POST", "/v1/payment_intents"), 400, code="amount_too_large", message="no"
    )
    assert collect_due(NOW)["failed"] == 1
    assert run(13.9) == {"retried": 0, "reminded": 0, "failed": 0}
    assert [run(day) for day in (14, 14.5, 17)] == [
        {"retried": 0, "reminded": 1, "failed": 1},
        {"retried": 0, "reminded": 0, "failed": 0},
        {"retried": 0, "reminded": 1, "failed": 1},
    ]
    for day in (19, 21):
        run(day)
    assert [kind for kind, _ in notices()] == ["payment_reminder"] * 3 + ["past_due"]
    assert (Dunning.objects.get().state, asks(acme, "live").status_code) == ("past_due", 403)
    said = build_mail("payment_reminder", Notice.objects.order_by("id")[0].context).sentences
    assert said[0] == f"We have not received a payment for invoice {invoice.number} yet."
    assert said[1].endswith("Or as follows: IBAN DE00 1234")
    stripe.refusals.clear()
    mark_paid(invoice.pk, "transfer", "ops", on_day(22))
    assert asks(acme, "live").status_code == 200


def test_a_card_that_is_refused_after_a_decline_goes_on_through_its_steps(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    with_method(acme, stripe, DECLINED)
    collect_due(NOW)
    stripe.refuse(lambda method, path, _: (method, path) == ("POST", "/v1/payment_intents"), 401, message="Expired API Key")
    assert [run(day)["reminded"] for day in (3, 5, 7)] == [1, 1, 1]
    assert [kind for kind, _ in notices()] == ["payment_failed", "payment_reminder", "payment_reminder", "past_due"]


def test_a_card_declined_on_a_page_promises_no_next_try_without_a_saved_method(
    stripe: StripeServer, acme: Workspace, invoice: Invoice
) -> None:
    payment_page(invoice, NOW)
    (session,) = stripe.of("checkout.session")
    stripe.complete(session["id"], BANK)
    recover_attempts(NOW)
    stripe.settle(stripe.of("payment_intent")[0]["id"], succeeded=False)
    recover_attempts(on_day(4))
    failed = Notice.objects.get(kind="payment_failed")
    assert failed.context["next_try"] == ""
    assert build_mail("payment_failed", failed.context).sentences == [
        f"The payment of invoice {invoice.number} did not succeed: The bank refused the debit.",
        "You can pay it on its page, by card or bank account, and save the method for the next ones.",
    ]
    label = status_label_of(invoices_with_status(acme).get(), on_day(4))
    assert label.word == "Failed"
