"""A workspace that is closed: one last invoice now, what was agreed ends, the rest of its credit goes back or expires."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from metering.credits import ledger
from metering.invoicing.composing.compose import compose
from metering.invoicing.fees.change import add_line, set_fee
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.void import reissue, void
from metering.invoicing.models import Invoice
from metering.journal.accounts import JournalAccount
from metering.journal.balances import balance_of_account
from metering.limits.budgets.change import set_budget
from metering.limits.models import Budget
from metering.notifications.models import Notification
from metering.offboarding.close import close_for_good, late_usage, what_closing_does
from metering.offboarding.models import ClosedWorkspace
from metering.payments.collecting.manual import mark_paid
from metering.payments.mails.models import Notice
from metering.payments.mails.sending import send_waiting
from metering.payments.models import Payment, PaymentAccount, Refund, TopUp
from metering.payments.refunds.payouts import owed_to
from metering.payments.top_ups import purchase
from metering.payments.top_ups.automatic import top_up_low
from metering.payments.top_ups.preferences import save_preferences
from metering.periods import month_of
from tests.kit.billing import NOVEMBER, OCTOBER, OPS, SEPTEMBER, Meter, agree, at, credit, finalized, lines_of, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import void as take_away
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.errors import WorkspaceClosed
from workspaces.keys.issue import create_key, rotate_key
from workspaces.models import APIKey, AuditEntry, Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock", "books_agree")]
NOTHING = Decimal("0.00")
LATER = NOW + timedelta(days=40)


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("close_workspace", *arguments, stdout=out)
    printed: dict[str, Any] = json.loads(out.getvalue())
    return printed


def closing(workspace: Workspace, credit: str = "refund") -> ClosedWorkspace:
    closed = close_for_good(workspace, "moves away", credit, OPS, NOW)
    workspace.refresh_from_db()
    return closed


def balance(workspace: Workspace, account: JournalAccount) -> Decimal:
    return balance_of_account(workspace.pk, account, "USD")


def bought(workspace: Workspace, stripe: StripeServer, amount: str = "100.00") -> Payment:
    """Credit by card."""
    with_method(workspace, stripe)
    purchase.buy_credit(workspace, Decimal(amount), purchase.SAVED, f"key-{amount}", OPS, NOW)
    return Payment.objects.get(workspace=workspace)


# --- Its last invoices --------------------------------------------------------------------------------------------------


def test_what_was_used_up_to_now_is_billed_now_and_fees_by_the_day(acme: Workspace, key: APIKey, use: Meter) -> None:
    agree(acme, minimum_commitment=Decimal("500.00"), discount_percent=Decimal(10), since=OCTOBER)
    set_fee(acme, "Platform fee", Decimal("31.00"), None, OCTOBER.start, None, OPS, NOW)
    set_fee(acme, "Support", Decimal("99.00"), None, at("11-01T00:00"), None, OPS, NOW)
    use(key, "10-02T10:00", usage=tokens(input=40_000_000))
    printed = run(acme.public_id, "--reason", "moves away")
    invoice = Invoice.objects.get()
    assert printed["invoices"] == [
        {"id": invoice.public_id, "number": "OMX-2026-00001", "status": "open", "total": "69.00", "amount_due": "69.00"}
    ]
    # Fifteen of October's 31 days, today among them; no minimum, and the agreed discount.
    assert [(kind, amount) for kind, _, _, _, amount in lines_of(invoice)] == [
        ("usage", "60.00"),
        ("discount", "-6.00"),
        ("fee", "15.00"),
    ]
    assert invoice.notes["final"] == "Final invoice: the workspace is closed since 15 October 2026."
    assert (printed["not_billed"], printed["credit"], printed["keys_revoked"]) == ("0.00", "refund", 1)
    assert close_months_due(LATER)["finalized"] == 0
    assert close_workspaces(OCTOBER, LATER, finalize=True) == []
    assert compose(acme, month_of(LATER)).subtotal == NOTHING


def test_months_in_their_grace_are_billed_as_well_each_on_its_own_invoice(acme: Workspace, key: APIKey, use: Meter) -> None:
    agree(acme, minimum_commitment=Decimal("200.00"))
    use(key, "09-14T10:00", "10-02T10:00", usage=tokens(input=10_000_000))
    close_workspaces(SEPTEMBER, NOW)  # a draft
    printed = run(acme.public_id, "--reason", "moves away")
    assert [(each["number"], each["total"]) for each in printed["invoices"]] == [
        ("OMX-2026-00001", "200.00"),
        ("OMX-2026-00002", "15.00"),
    ]


def test_a_draft_on_hold_is_released_by_who_closes(acme: Workspace, key: APIKey, use: Meter, settings: Any) -> None:
    settings.INVOICE_SAFETY_CEILING = Decimal("10.00")
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    (invoice,) = run(acme.public_id, "--reason", "moves away")["invoices"]
    assert (invoice["status"], invoice["total"]) == ("open", "15.00")


def test_corrections_beyond_what_is_left_to_bill_pay_for_it_and_go_back(
    acme: Workspace, key: APIKey, use: Meter, gateway: Gateway
) -> None:
    use(key, "09-14T10:00", "09-14T11:00", usage=tokens(input=100_000_000))
    (september,) = finalized()
    mark_paid(september.pk, "transfer 1", OPS, NOW)
    correct(gateway, take_away(key, "req-2"))
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    closed = closing(acme)
    (october,) = Invoice.objects.filter(public_id__in=closed.invoices)
    assert (october.subtotal, october.credits_applied, october.status) == (Decimal("15.00"), Decimal("15.00"), "paid")
    # 150.00 were not used, and 15.00 of them paid for October; the transfer cannot be refunded from here.
    assert (closed.refunded, closed.owed, closed.not_billed) == (NOTHING, Decimal("135.00"), NOTHING)
    assert owed_to(acme).total == Decimal("135.00")
    call_command("pay_out", acme.public_id, "135.00", "--reference", "wire-1", stdout=StringIO())
    assert (owed_to(acme).total, Payment.objects.get().refunded) == (NOTHING, Decimal("135.00"))
    assert balance(acme, JournalAccount.OWED_TO_CUSTOMER) == NOTHING


def test_less_than_is_issued_is_not_billed_and_says_so(acme: Workspace, key: APIKey, use: Meter, settings: Any) -> None:
    settings.INVOICE_MINIMUM = Decimal("0.50")
    use(key, "10-02T10:00", usage=tokens(input=200_000))
    printed = run(acme.public_id, "--reason", "moves away")
    assert (printed["invoices"], printed["not_billed"]) == ([], "0.30")


# --- Its credit ---------------------------------------------------------------------------------------------------------


def test_the_rest_of_bought_credit_goes_back_to_the_card(
    stripe: StripeServer, acme: Workspace, key: APIKey, use: Meter
) -> None:
    payment = bought(acme, stripe)
    credit(acme, "10.00", "promotional")
    use(key, "10-02T10:00", usage=tokens(input=20_000_000))
    closed = closing(acme)
    # 30.00 were used: 10.00 of them promotional.
    assert (closed.refunded, closed.owed, closed.expired) == (Decimal("80.00"), NOTHING, NOTHING)
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount, refund.status) == (payment, Decimal("80.00"), "succeeded")
    assert [each["amount"] for each in stripe.of("refund")] == [8000]
    assert (ledger.remaining_grants(acme), owed_to(acme).total) == ([], NOTHING)
    assert balance(acme, JournalAccount.CREDIT_BOUGHT) == NOTHING


def test_credit_may_be_left_to_expire(stripe: StripeServer, acme: Workspace) -> None:
    bought(acme, stripe)
    credit(acme, "10.00", "goodwill")
    printed = run(acme.public_id, "--reason", "moves away", "--credit", "expire")
    assert (printed["credit_expired"], printed["given_credit_expired"], printed["credit_refunded"]) == (
        "100.00",
        "10.00",
        "0.00",
    )
    assert balance(acme, JournalAccount.BREAKAGE) == Decimal("100.00")
    assert (stripe.of("refund"), owed_to(acme).total) == ([], NOTHING)


def test_credit_that_no_payment_is_behind_is_owed_and_paid_out(acme: Workspace) -> None:
    credit(acme, "40.00", "purchased")
    closed = closing(acme)
    assert (closed.refunded, closed.owed) == (NOTHING, Decimal("40.00"))
    assert balance(acme, JournalAccount.OWED_TO_CUSTOMER) == Decimal("40.00")
    out = StringIO()
    call_command("owed_to_customers", stdout=out)
    (row,) = json.loads(out.getvalue())["workspaces"]
    assert (row["credit"], row["total"]) == ("40.00", "40.00")
    call_command("pay_out", acme.public_id, "15.00", "--reference", "wire-1", stdout=StringIO())
    call_command("pay_out", acme.public_id, "25.00", "--reference", "wire-2", stdout=StringIO())
    assert (owed_to(acme).total, balance(acme, JournalAccount.OWED_TO_CUSTOMER)) == (NOTHING, NOTHING)
    assert balance(acme, JournalAccount.MONEY_OTHER) == NOTHING


def test_a_refund_that_stripe_cannot_make_is_owed(stripe: StripeServer, acme: Workspace) -> None:
    bought(acme, stripe)
    is_refund = lambda method, path, _: (method, path) == ("POST", "/v1/refunds")  # noqa: E731
    stripe.refuse(is_refund, 400, code="charge_already_refunded", message="It was refunded before.")
    closing(acme)
    assert Refund.objects.get().status == "failed"
    assert owed_to(acme).total == Decimal("100.00")
    call_command("pay_out", acme.public_id, "100.00", "--reference", "wire-1", stdout=StringIO())
    assert (owed_to(acme).total, Payment.objects.get().refunded) == (NOTHING, Decimal("100.00"))


# --- What ends and what stays -------------------------------------------------------------------------------------------


def test_what_was_agreed_ends_and_nothing_new_is_agreed(stripe: StripeServer, acme: Workspace) -> None:
    live, _ = create_key(acme, "live", "server", OPS, NOW)
    admin, _ = create_key(acme, "admin", "reads", OPS, NOW)
    set_budget(acme, "workspace", None, "month", Decimal(100), actor=OPS, now=NOW)
    with_method(acme, stripe)
    save_preferences(acme, Decimal(5), Decimal(10), Decimal(20), 3, OPS, NOW)
    closing(acme)
    live.refresh_from_db()
    admin.refresh_from_db()
    assert (live.status(NOW), admin.status(NOW), Budget.objects.count()) == ("revoked", "active", 0)
    assert PaymentAccount.objects.get().top_up_below is None
    assert top_up_low(LATER) == {"topped_up": 0, "notified": 0, "failed": 0}
    refused: list[Any] = [
        lambda: create_key(acme, "live", "another", OPS, NOW),
        lambda: rotate_key(admin, timedelta(0), OPS, NOW),
        lambda: set_budget(acme, "workspace", None, "day", Decimal(1), actor=OPS, now=NOW),
        lambda: set_fee(acme, "Seats", Decimal(1), 1, OCTOBER.start, None, OPS, NOW),
        lambda: add_line(acme, OCTOBER, Decimal(1), "late", OPS, NOW),
        lambda: credit(acme, "1.00"),
        lambda: purchase.buy_credit(acme, Decimal(50), purchase.SAVED, "a-key", OPS, NOW),
        lambda: save_preferences(acme, None, Decimal(10), Decimal(20), 3, OPS, NOW),
    ]
    for act in refused:
        with pytest.raises(WorkspaceClosed, match="was closed on 2026-10-15"):
            act()
    assert Workspace.objects.filter(closed_at=NOW).get() == acme


def test_lines_of_later_months_are_on_the_last_invoice(acme: Workspace, key: APIKey, use: Meter) -> None:
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    add_line(acme, month_of(at("12-01T00:00")), Decimal("30.00"), "Setup", OPS, NOW)
    add_line(acme, month_of(at("12-01T00:00")), Decimal("-5.00"), "Promised", OPS, NOW)
    for amount in ("7.00", "-7.00"):  # undone before
        add_line(acme, NOVEMBER, Decimal(amount), "Training", OPS, NOW)
    said = what_closing_does(acme, "moves away", "refund", OPS, NOW)
    closed = closing(acme)
    (invoice,) = Invoice.objects.all()
    assert [(text, amount) for kind, text, _, _, amount in lines_of(invoice) if kind == "manual"] == [
        ("December 2026: Setup", "30.00"),
        ("December 2026: Promised", "-5.00"),
    ]
    assert (invoice.total, said["invoices"][0]["total"], closed.not_billed) == (Decimal("40.00"), "40.00", NOTHING)
    assert compose(acme, month_of(at("12-01T00:00"))).subtotal == NOTHING


def test_its_customer_gets_a_mail_of_it_once(stripe: StripeServer, acme: Workspace, key: APIKey, use: Meter) -> None:
    bought(acme, stripe)
    credit(acme, "10.00", "promotional")
    use(key, "10-02T10:00", usage=tokens(input=80_000_000))
    what_closing_does(acme, "moves away", "refund", OPS, NOW)
    assert not Notice.objects.filter(kind="workspace_closed").exists()
    closing(acme)
    closing(acme)
    send_waiting(NOW)
    (mailed,) = [each for each in mail.outbox if each.subject == "Your workspace Acme is closed"]
    invoice = Invoice.objects.get()
    for text in (
        "was closed on 15 October 2026",
        f"Invoice {invoice.number}",
        "110.00 USD, of which 10.00 USD are due",
        "members can still sign in, see and download them",
    ):
        assert text in mailed.body, mailed.body
    assert "credit go back" not in mailed.body


def test_the_mail_says_what_becomes_of_credit(stripe: StripeServer, acme: Workspace) -> None:
    bought(acme, stripe)
    credit(acme, "10.00", "goodwill")
    credit(acme, "40.00", "purchased")
    closing(acme)
    send_waiting(NOW)
    (mailed,) = [each for each in mail.outbox if each.subject == "Your workspace Acme is closed"]
    for text in (
        "100.00 USD of credit go back to the method that you paid with",
        "40.00 USD of credit go back to you by transfer",
        "10.00 USD of credit expired",
        "There is nothing left to bill.",
    ):
        assert text in mailed.body, mailed.body


def test_usage_that_comes_late_is_recorded_shown_and_billed_by_no_invoice_unless_a_person_reissues(
    acme: Workspace, key: APIKey, use: Meter
) -> None:
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    closed = closing(acme)
    use(key, "10-03T10:00", usage=tokens(input=20_000_000))
    assert late_usage(closed, NOW) == Decimal("30.00")
    close_months_due(LATER)
    invoice = Invoice.objects.get()
    void(invoice.pk, "late usage", OPS, NOW)
    draft = reissue(invoice.pk, OPS, NOW)
    assert draft is not None
    assert (draft.total, draft.period_start, draft.notes["final"][:14]) == (Decimal("45.00"), OCTOBER.start, "Final invoice:")
    assert finalize(draft.pk, OPS, NOW).number == "OMX-2026-00002"
    assert late_usage(closed, NOW) == NOTHING


def test_closing_again_changes_nothing_and_answers_the_same(acme: Workspace, key: APIKey, use: Meter) -> None:
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    first = run(acme.public_id, "--reason", "moves away")
    entries = AuditEntry.objects.count()
    assert run(acme.public_id, "--reason", "again", "--credit", "expire") == first
    assert (AuditEntry.objects.count(), Invoice.objects.count()) == (entries, 1)
    entry = AuditEntry.objects.get(action="workspace.closed")
    assert (entry.target, entry.detail["reason"]) == (acme.public_id, "moves away")


def test_programs_are_notified_once_of_a_closing_and_not_of_a_preview(acme: Workspace, key: APIKey, use: Meter) -> None:
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    what_closing_does(acme, "does not pay", "refund", OPS, NOW)
    assert not Notification.objects.filter(type="workspace.closed").exists()
    done = run(acme.public_id, "--reason", "does not pay")
    run(acme.public_id, "--reason", "again")
    notified = Notification.objects.get(type="workspace.closed")
    expected = {name: done[name] for name in done if name not in ("ok", "reason", "waiting_for_reissue")}
    assert (notified.workspace, notified.data, len(expected["invoices"])) == (acme, expected, 1)


def test_a_preview_says_the_same_and_changes_nothing(stripe: StripeServer, acme: Workspace, key: APIKey, use: Meter) -> None:
    bought(acme, stripe)
    use(key, "10-02T10:00", usage=tokens(input=10_000_000))
    entries = AuditEntry.objects.count()
    said = what_closing_does(acme, "moves away", "refund", OPS, NOW)
    assert (AuditEntry.objects.count(), Invoice.objects.count(), Refund.objects.count()) == (entries, 0, 0)
    assert stripe.of("refund") == []
    acme.refresh_from_db()
    assert acme.closed_at is None
    done = run(acme.public_id, "--reason", "moves away")
    number = {"id": None, "number": None}
    assert said == done | {"invoices": [each | number for each in done["invoices"]]}
    assert done["credit_refunded"] == "85.00"


def test_money_for_credit_that_arrives_afterwards_is_kept_as_a_surplus(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    top_up = purchase.buy_credit(acme, Decimal(50), purchase.PAGE, "a-key", OPS, NOW)
    stripe.complete(top_up.attempts.get().session_id)
    Workspace.objects.filter(pk=acme.pk).update(closed_at=NOW)
    purchase.pay_top_up(TopUp.objects.get(), NOW)
    payment = Payment.objects.get()
    assert (payment.grant, payment.surplus) == (None, "The workspace was closed before it arrived.")
    assert (TopUp.objects.get().status, owed_to(payment.workspace).total) == ("failed", Decimal("50.00"))


def test_what_is_no_choice_is_refused(acme: Workspace) -> None:
    with pytest.raises(CommandError, match="Say why"):
        run(acme.public_id, "--reason", " ")
    other = make_workspace("Sandbox", sandbox=True)
    make_key(other, kind="test")
    assert run(other.public_id, "--reason", "done")["keys_revoked"] == 1
