"""Invoices = payments + credits + due, and our payments are Stripe's: proven, and every contradiction named."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from metering.credits import ledger
from metering.invoicing.models import Invoice
from metering.jobs.models import JobRun
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.collecting.collect import collect_due
from metering.payments.models import Payment
from metering.payments.refunds import refunds
from metering.payments.refunds.reversals import void_invoice
from metering.reconcile import tasks
from metering.reconcile.everything import everything, money_differences
from metering.reconcile.tasks import reconcile_nightly
from metering.reconcile.with_stripe import against_stripe
from tests.kit.billing import Meter, an_invoice, at, tokens
from tests.kit.factories import NOW, make_key
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.audit import chain
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def story(stripe: StripeServer, acme: Workspace, use: Meter) -> Invoice:
    """Credits used, a payment, a part of it refunded; and an invoice that was voided."""
    ledger.grant(acme, "promotional", Decimal("10.00"), "ops", at("08-01T00:00"))
    ledger.grant(acme, "purchased", Decimal("20.00"), "ops", at("08-01T00:00"))
    voided = an_invoice(acme, use, "08")
    void_invoice(voided.pk, "wrong month", "ops", NOW)
    invoice = an_invoice(acme, use, "09")
    with_method(acme, stripe)
    collect_due(NOW)
    refunds.refund(Payment.objects.get().pk, Decimal("5.00"), "sorry", "ops", NOW)
    invoice.refresh_from_db()
    return invoice


def tamper(sql: str) -> None:
    """Past the triggers, as only a bug in the database could."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET session_replication_role = origin")


def test_a_whole_story_agrees(story: Invoice) -> None:
    assert (story.status, story.promotional, story.credits_applied) == ("paid", Decimal("10.00"), Decimal("20.00"))
    assert (story.amount_paid, story.amount_due) == (Decimal("120.00"), Decimal("0.00"))
    found = everything()
    assert (found["ok"], found["differences"]) == (True, [])
    assert against_stripe(LATER) == []


@pytest.mark.parametrize(
    ("sql", "check", "expected", "found"),
    [
        ("UPDATE metering_payment SET amount = 119.99", "payments_are_what_was_paid", "120.00", "119.99"),
        (
            "UPDATE metering_creditentry SET amount = -19.00 WHERE kind = 'consumption' AND amount = -20.00 AND invoice_id ="
            " (SELECT max(id) FROM metering_invoice)",
            "credits_used_are_what_was_applied",
            "30.00",
            "29.00",
        ),
        ("UPDATE metering_payment SET refunded = 6.00", "refunds_are_what_was_given_back", "5.00", "6.00"),
        (
            "UPDATE metering_creditentry SET amount = 5.00 WHERE kind = 'grant' AND amount = 10.00",
            "credit_left_is_within_its_grant",
            "0.00 to 10.00",
            "-5.00",
        ),
    ],
)
def test_each_contradiction_is_named(story: Invoice, sql: str, check: str, expected: str, found: str) -> None:
    tamper(sql)
    named = [(each["check"], each["expected"], each["found"]) for each in money_differences()]
    assert (check, expected, found) in named


def test_a_payment_that_stripe_has_and_we_have_not(story: Invoice) -> None:
    payment = Payment.objects.get()
    payment.refunds.all().delete()
    payment.delete()
    (found,) = against_stripe(LATER)
    assert (found["check"], found["expected"], found["found"]) == ("payments_are_stripes", "120.00", "no payment")


def test_a_payment_of_another_amount_and_one_that_is_not_theirs(story: Invoice, stripe: StripeServer) -> None:
    stripe.succeeded()[0]["amount_received"] = 11999
    (found,) = against_stripe(LATER)
    assert (found["expected"], found["found"]) == ("119.99", "120.00")
    stripe.succeeded()[0].update(status="canceled")
    Payment.objects.update(received_at=LATER)
    (found,) = against_stripe(LATER)
    assert (found["expected"], found["found"]) == ("canceled", "120.00")


def test_a_refund_that_was_never_heard_of_and_one_that_differs(story: Invoice, stripe: StripeServer) -> None:
    (ours,), intent = stripe.of("refund"), stripe.succeeded()[0]["id"]
    foreign = stripe.make("refund", "re_", payment_intent=intent, amount=700, status="succeeded", metadata={})
    stripe.make("refund", "re_", payment_intent="pi_of_another_shop", amount=1, status="succeeded", metadata={})
    ours["status"] = "failed"
    assert [(each["check"], each["refund_id"], each["expected"], each["found"]) for each in against_stripe(LATER)] == [
        ("refunds_are_stripes", foreign["id"], "7.00 succeeded", "no refund"),
        ("refunds_are_stripes", ours["id"], "5.00 failed", "5.00 succeeded"),
    ]


def test_a_stripe_that_is_away_is_a_finding(story: Invoice, stripe: StripeServer) -> None:
    stripe.fail_at(1, "die_before")
    (found,) = against_stripe(LATER)
    assert (found["check"], found["expected"]) == ("payments_are_stripes", "an answer of Stripe's")


def test_what_stripe_does_not_know_or_say_is_a_finding_beside_the_others(
    story: Invoice, stripe: StripeServer, acme: Workspace
) -> None:
    unknown = [
        Payment.objects.create(
            workspace=acme, amount=amount, method="stripe", intent_id=intent, received_at=LATER, recorded_by="x", surplus="x"
        )
        for amount, intent in ((Decimal("5.00"), "pi_gone"), (Decimal("6.00"), "pi_lost"))
    ]
    foreign = stripe.make("refund", "re_", payment_intent=story.payments.get().intent_id, amount=700, status="succeeded")

    def findings() -> list[tuple[Any, ...]]:
        names = ("check", "payment_id", "refund_id", "expected", "found")
        return sorted(tuple(each.get(name, "") for name in names) for each in against_stripe(LATER))

    second, first = (
        ("payments_are_stripes", each.public_id, "", f"No such id: '{each.intent_id}'", str(each.amount))
        for each in reversed(unknown)
    )
    refund = ("refunds_are_stripes", "", foreign["id"], "7.00 succeeded", "no refund")
    assert findings() == sorted([first, second, refund])
    stripe.fail_at(3, "error_500_before")  # after the list and one of the two that are asked for singly
    away = findings()
    assert [each for each in away if each[0] == "refunds_are_stripes"] == [refund]
    assert [each[3] for each in away].count("an answer of Stripe's") == 1
    assert len(away) == 3


def test_what_a_bug_of_ours_breaks_off_keeps_what_was_found(story: Invoice, monkeypatch: Any) -> None:
    def broken(_: Any) -> Any:
        raise LookupError("a bug")

    tamper("UPDATE metering_payment SET amount = 119.99")
    monkeypatch.setattr(tasks, "against_stripe", broken)
    with pytest.raises(LookupError):
        reconcile_nightly()
    run = JobRun.objects.get()
    assert (run.outcome, run.error) == ("failed", "LookupError: a bug")
    checks = [each["check"] for each in run.result["differences"]]
    assert checks == ["payments_are_what_was_paid", "documents_are_in_the_journal"]


def test_it_says_how_far_it_is(story: Invoice) -> None:
    heard: list[tuple[int, int]] = []
    everything(progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 2), (1, 2), (2, 2)]


def test_the_operators_are_told(story: Invoice, settings: Any) -> None:
    settings.OPERATOR_EMAILS = ["ops@omixa.example"]
    settings.STRIPE_SECRET_KEY = ""
    reconcile_nightly.apply()
    assert (JobRun.objects.get().outcome, mail.outbox) == ("succeeded", [])
    tamper("UPDATE metering_payment SET amount = 119.99")
    reconcile_nightly.apply()
    assert JobRun.objects.first().outcome == "attention"  # type: ignore[union-attr]
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("Omixa billing: differences found, 2 in all", ["ops@omixa.example"])
    assert '"payments_are_what_was_paid"' in sent.body


def test_a_touched_trail_is_found_at_night(story: Invoice, settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = ""
    reconcile_nightly.apply()
    head = JobRun.objects.get().result["audit_head"]
    assert head == str(chain.head())
    tamper("ALTER TABLE workspaces_auditentry DISABLE TRIGGER USER")
    tamper("UPDATE workspaces_auditentry SET actor = 'eve' WHERE id = (SELECT min(id) FROM workspaces_auditentry)")
    reconcile_nightly.apply()
    run = JobRun.objects.all()[0]
    (found,) = run.result["differences"]
    assert (run.outcome, found["check"], found["position"]) == ("attention", "audit_trail_is_untouched", 1)


def test_a_trail_made_again_is_found_by_the_head_of_a_night_before(story: Invoice, settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = ""
    reconcile_nightly.apply()
    for table in ("entry", "seal", "head"):
        tamper(f"ALTER TABLE workspaces_audit{table} DISABLE TRIGGER USER")
    tamper("DELETE FROM workspaces_auditseal; DELETE FROM workspaces_audithead")
    tamper("UPDATE workspaces_auditentry SET actor = 'eve' WHERE id = (SELECT min(id) FROM workspaces_auditentry)")
    tamper("SELECT workspaces_seal_audit_from(0)")
    reconcile_nightly.apply()
    (found,) = JobRun.objects.all()[0].result["differences"]
    assert found["problem"] == "a head noted earlier has another hash: the chain was made again from here or before"


# --- Expiry ------------------------------------------------------------------------------------------------------


def test_credit_that_expires_at_midnight_waits_for_its_last_invoice(acme: Workspace, use: Meter) -> None:
    grant = ledger.grant(acme, "goodwill", Decimal("200.00"), "ops", at("09-01T00:00"), expires_at=at("10-01T00:00"))
    use(make_key(acme), "08-20T00:00", usage=tokens(input=1))
    assert expire_due_credits(at("09-30T23:59")) == {"expired": 0, "waiting": 0}
    assert expire_due_credits(at("10-01T00:00")) == {"expired": 0, "waiting": 1}
    use(make_key(acme), "09-14T10:00", usage=tokens(input=100_000_000))
    from metering.invoicing.lifecycle.close import close_workspaces
    from metering.periods import parse_month

    (invoice,) = close_workspaces(parse_month("2026-09"), at("10-04T00:00"), finalize=True)
    assert (invoice.status, invoice.credits_applied) == ("paid", Decimal("150.00"))
    assert [expire_due_credits(at("10-06T00:00")) for _ in range(2)] == [
        {"expired": 1, "waiting": 0},
        {"expired": 0, "waiting": 0},
    ]
    moved = [(entry.kind, entry.amount) for entry in grant.entries.order_by("id")]
    assert moved == [("grant", Decimal("200.00")), ("consumption", Decimal("-150.00")), ("expiry", Decimal("-50.00"))]
    assert money_differences() == []
