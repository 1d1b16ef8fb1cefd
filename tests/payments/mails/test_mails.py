"""Mails: one per event, as text and HTML, to whom the terms say, and none lost."""

import itertools
import re
import socket
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from metering.credits import ledger
from metering.invoicing.documents.pdf import invoice_pdf
from metering.invoicing.models import Invoice
from metering.invoicing.terms.models import BillingTerms
from metering.payments.accounts.methods import notify_expiring_cards
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.mails.models import Notice
from metering.payments.mails.outbox import add_notice
from metering.payments.mails.sending import resend_notice, send_waiting
from metering.payments.mails.texts import TEXTS, build_mail
from metering.payments.models import PaymentAccount, TopUp
from metering.payments.top_ups.automatic import top_up_low
from tests.kit.billing import Meter, tokens
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import DECLINED, StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
PAID = {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}


def away(*_: Any) -> int:
    raise ConnectionRefusedError("no mail server")


def test_an_invoice_is_told_of_once_with_its_pdf(acme: Workspace, invoice: Invoice) -> None:
    assert send_waiting(NOW) == {"sent": 1, "failed": 0}
    assert send_waiting(LATER) == {"sent": 0, "failed": 0}
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == (f"Invoice {invoice.number} of Omixa Cloud", ["bills@acme.example"])
    assert "Your invoice for September 2026 is ready." in sent.body
    assert "Amount due: 150.00 USD" in sent.body
    assert f"/invoices/{invoice.public_id}" in sent.body
    ((name, content, kind),) = sent.attachments
    assert (name, content, kind) == (f"{invoice.number}.pdf", invoice_pdf(invoice), "application/pdf")
    ((html, html_kind),) = sent.alternatives  # type: ignore[attr-defined]
    assert (html_kind, "150.00 USD" in html) == ("text/html", True)


def test_a_paid_invoice_is_told_of(acme: Workspace, invoice: Invoice) -> None:
    mark_paid(invoice.pk, "transfer", "ops", NOW)
    send_waiting(NOW)
    assert [each.subject for each in mail.outbox] == [
        f"Invoice {invoice.number} is paid",
        f"Invoice {invoice.number} of Omixa Cloud",
    ]


def test_the_terms_say_to_whom(acme: Workspace, invoice: Invoice) -> None:
    BillingTerms.objects.create(workspace=acme, recipients=["ap@acme.example", "cfo@acme.example"])
    send_waiting(NOW)
    assert mail.outbox[0].to == ["ap@acme.example", "cfo@acme.example"]


def test_without_an_address_it_waits_visibly(use: Meter) -> None:
    nobody = make_workspace("Nobody", email="")
    add_notice(nobody, "invoice_paid", "k", {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}, NOW)
    assert send_waiting(NOW) == {"sent": 0, "failed": 1}
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.tries, notice.undeliverable) == (None, 1, "no_address")
    assert notice.error == "NoAddress: The workspace has no address: set the recipients in its billing terms."
    assert send_waiting(LATER) == {"sent": 0, "failed": 0}  # nor later
    Workspace.objects.update(email="found@nobody.example")
    assert send_waiting(LATER) == {"sent": 1, "failed": 0}


def test_a_mail_that_cannot_be_sent_is_tried_again(acme: Workspace, invoice: Invoice, monkeypatch: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        assert send_waiting(NOW) == {"sent": 0, "failed": 1}
    assert send_waiting(LATER) == {"sent": 1, "failed": 0}


def test_a_mail_is_never_given_up(acme: Workspace, monkeypatch: Any) -> None:
    """A week without a mail server: tried at most every four hours, and sent within four hours of its return."""
    add_notice(acme, "invoice_paid", "k", PAID, NOW)
    tried: list[datetime] = []
    week = [NOW + timedelta(minutes=30 * number) for number in range(7 * 24 * 2)]
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        for moment in week:
            if send_waiting(moment)["failed"]:
                tried.append(moment)
    waits = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert (waits[0], waits[-1], max(waits)) == (timedelta(minutes=30), timedelta(hours=4), timedelta(hours=4))
    notice = Notice.objects.get()
    assert (notice.tries, notice.error) == (len(tried), "ConnectionRefusedError: no mail server")
    assert list(Notice.objects.failing()) == [notice]
    assert send_waiting(week[-1] + timedelta(hours=4)) == {"sent": 1, "failed": 0}
    assert (len(mail.outbox), list(Notice.objects.failing())) == (1, [])


def test_a_mail_server_that_is_away_is_not_asked_for_every_mail(acme: Workspace, monkeypatch: Any) -> None:
    for number in range(10):
        add_notice(acme, "invoice_paid", f"k{number}", PAID, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        assert [send_waiting(NOW) for _ in range(2)] == [{"sent": 0, "failed": 3}] * 2
    assert send_waiting(NOW) == {"sent": 4, "failed": 0}
    assert send_waiting(LATER) == {"sent": 6, "failed": 0}


def test_a_mail_server_that_hangs_holds_nobody_up(acme: Workspace, settings: Any) -> None:
    assert settings.EMAIL_TIMEOUT == 20
    add_notice(acme, "invoice_paid", "k", PAID, NOW)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        settings.EMAIL_TIMEOUT = 0.2
        assert send_waiting(NOW) == {"sent": 0, "failed": 1}
    assert Notice.objects.get().error == "SMTPServerDisconnected: Connection unexpectedly closed: timed out"


def test_a_lease_begins_when_the_mail_is_taken(acme: Workspace, monkeypatch: Any) -> None:
    """The second is taken eleven minutes after the run began; nobody else takes it then."""
    for number in range(2):
        add_notice(acme, "invoice_paid", f"k{number}", PAID, NOW)
    clock, meanwhile = [NOW], []
    send_messages = EmailBackend.send_messages

    def slow(backend: EmailBackend, messages: Any) -> int:
        meanwhile.append(send_waiting(lambda: clock[0]) if clock[0] > NOW else None)
        clock[0] += timedelta(minutes=11)
        return send_messages(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", slow)
    clock[0] = NOW
    assert send_waiting(lambda: clock[0]) == {"sent": 2, "failed": 0}
    assert (meanwhile, len(mail.outbox)) == ([None, {"sent": 0, "failed": 0}], 2)


def test_a_person_sends_one_again(acme: Workspace, monkeypatch: Any) -> None:
    add_notice(acme, "invoice_paid", "k", PAID, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", away)
        send_waiting(NOW)
        failed = resend_notice(Notice.objects.get(), "ops@omixa.example", NOW)
        assert (failed.sent_at, failed.tries, failed.error) == (None, 1, "ConnectionRefusedError: no mail server")
    for _ in range(2):
        sent = resend_notice(failed, "ops@omixa.example", NOW)
        assert (sent.sent_at, sent.error) == (NOW, "")
    assert len(mail.outbox) == 2
    assert AuditEntry.objects.filter(action="notice.sent_again", target="k", actor="ops@omixa.example").count() == 3


def test_a_run_says_how_far_it_is(acme: Workspace) -> None:
    for number in range(3):
        add_notice(acme, "invoice_paid", f"k{number}", PAID, NOW)
    heard: list[tuple[int, int]] = []
    send_waiting(NOW, lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_one_key_is_one_mail(acme: Workspace) -> None:
    for _ in range(3):
        add_notice(acme, "invoice_paid", "k", {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00"}, NOW)
    assert send_waiting(NOW) == {"sent": 1, "failed": 0}


def test_what_a_bank_says_is_text_and_no_markup(acme: Workspace) -> None:
    about = {"invoice_id": "inv_1", "number": "OMX-1", "total": "1.00", "amount_due": "1.00"}
    about |= {"due_at": "2026-10-29T12:00:00Z", "message": "<b>No</b> & never", "next_try": "2026-10-18T12:00:00Z"}
    add_notice(acme, "payment_failed", "k", about, NOW)
    send_waiting(NOW)
    (sent,) = mail.outbox
    assert "<b>No</b> & never" in sent.body
    assert "&lt;b&gt;No&lt;/b&gt; &amp; never" in sent.alternatives[0][0]  # type: ignore[attr-defined]


def test_every_kind_has_its_text() -> None:
    assert set(TEXTS) == {
        "invoice_ready",
        "payment_failed",
        "payment_reminder",
        "invoice_paid",
        "past_due",
        "card_expiring",
        "balance_low",
        "top_up_failed",
        "key_expiring",
        "webhook_disabled",
        "payment_disputed",
        "payment_reversed",
        "payment_reinstated",
        "payment_received",
        "top_up_paid",
        "credit_note_ready",
        "refund_sent",
        "invoice_void",
        "dispute_lost",
        "dispute_won",
        "payment_surplus",
        "workspace_closed",
        "budget_threshold",
        "budget_forecast",
        "key_spend_spike",
        "key_leaked",
        "gateway_leaked",
        "usage_unaccounted",
        "price_changing",
        "price_change_withdrawn",
    }


def test_an_expiring_card_is_told_of_once(stripe: StripeServer, acme: Workspace) -> None:
    account = with_method(acme, stripe)
    account.expires_year, account.expires_month = 2026, 12
    account.save()
    assert notify_expiring_cards(NOW) == 0
    account.expires_month = 11
    account.save()
    assert [notify_expiring_cards(NOW), notify_expiring_cards(LATER)] == [1, 1]
    assert send_waiting(NOW) == {"sent": 1, "failed": 0}
    assert mail.outbox[0].subject == "Your card ending in 4242 expires soon"


# --- Low balances ------------------------------------------------------------------------------------------------


def watch(workspace: Workspace, **levels: Any) -> PaymentAccount:
    account, _ = PaymentAccount.objects.update_or_create(workspace=workspace, defaults=levels)
    return account


def test_a_threshold_crossed_twice_alerts_once_each_time(acme: Workspace, use: Meter) -> None:
    watch(acme, low_balance=Decimal("2.00"))
    ledger.grant(acme, "purchased", Decimal("3.00"), "ops", NOW)
    assert top_up_low(NOW)["notified"] == 0
    use(make_key(acme), "10-14T10:00", usage=tokens(input=1_000_000))
    assert [top_up_low(NOW)["notified"] for _ in range(3)] == [1, 0, 0]
    ledger.grant(acme, "purchased", Decimal("5.00"), "ops", NOW)
    assert top_up_low(NOW)["notified"] == 0
    use(make_key(acme), "10-15T10:00", usage=tokens(input=4_000_000))
    assert [top_up_low(LATER)["notified"] for _ in range(2)] == [1, 0]
    send_waiting(LATER)
    assert [each.body.splitlines()[0] for each in mail.outbox] == [
        "Your balance is 1.50 USD, below the 2.00 USD at which you asked for a notice.",
        "Your balance is 0.50 USD, below the 2.00 USD at which you asked for a notice.",
    ]


def test_a_low_balance_tops_itself_up_so_many_times_a_day(stripe: StripeServer, acme: Workspace, use: Meter) -> None:
    with_method(acme, stripe)
    watch(acme, top_up_below=Decimal("10.00"), top_up_amount=Decimal("20.00"), top_ups_per_day=2)
    assert [top_up_low(NOW)["topped_up"] for _ in range(2)] == [1, 0]
    use(make_key(acme), "10-14T10:00", usage=tokens(input=20_000_000))
    assert top_up_low(NOW)["topped_up"] == 1
    use(make_key(acme), "10-14T11:00", usage=tokens(input=20_000_000))
    assert top_up_low(NOW)["topped_up"] == 0
    assert top_up_low(NOW + timedelta(days=1))["topped_up"] == 1
    assert [each["amount"] for each in stripe.succeeded()] == [2000] * 3


def test_a_decline_stops_it_until_another_method_is_saved(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe, DECLINED)
    watch(acme, top_up_below=Decimal("10.00"), top_up_amount=Decimal("20.00"))
    assert [top_up_low(NOW)["topped_up"] for _ in range(3)] == [0, 0, 0]
    assert [(each.status, each.message) for each in TopUp.objects.all()] == [("failed", "Your card has insufficient funds.")]
    assert PaymentAccount.objects.get().top_up_stopped == "Your card has insufficient funds."
    send_waiting(NOW)
    assert [each.subject for each in mail.outbox] == ["Your automatic top-up failed"]


def test_one_under_way_is_not_followed_by_another(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    watch(acme, top_up_below=Decimal("10.00"), top_up_amount=Decimal("20.00"))
    for number in (1, 2):
        stripe.fail_at(number, "die_before")
    assert [top_up_low(NOW)["topped_up"] for _ in range(2)] == [0, 0]
    assert TopUp.objects.count() == 1


def test_a_customer_without_a_method_is_reminded_and_told_how_to_pay(acme: Workspace, invoice: Invoice, settings: Any) -> None:
    """Nothing was tried, so nothing failed: no next try is promised, and the invoice comes along."""
    settings.PAYMENT_INSTRUCTIONS = "IBAN DE00 1234"
    due = invoice.due_at
    assert due is not None
    dun(due, lambda _pk, _now: None)
    send_waiting(due)
    (reminder,) = [each for each in mail.outbox if each.subject.startswith("Reminder")]
    assert reminder.subject == f"Reminder: invoice {invoice.number} was due on {due:%Y-%m-%d}"
    assert "IBAN DE00 1234" in reminder.body
    assert "Amount due: 150.00 USD" in reminder.body
    assert [name for name, _, _ in reminder.attachments] == [f"{invoice.number}.pdf"]
    assert not re.search("failed|next try|another payment method", reminder.body)


def test_the_last_reminder_speaks_of_no_charge(acme: Workspace, invoice: Invoice) -> None:
    assert invoice.due_at is not None
    for days in (0, 3, 5, 7):
        dun(invoice.due_at + timedelta(days=days), lambda _pk, _now: None)
    overdue = Notice.objects.get(kind="past_due")
    said = " ".join(build_mail(overdue.kind, overdue.context).sentences)
    assert build_mail(overdue.kind, overdue.context).subject == f"Invoice {invoice.number} is overdue"
    assert "is not paid. Omixa Cloud tells you how to pay it: reply to this mail." in said
    assert "charge" not in said
