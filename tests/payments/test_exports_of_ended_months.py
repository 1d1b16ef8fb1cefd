"""An exported month is the same for ever: what becomes of its documents later stands in the month in which it happens."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.journal.lock import lock_period
from metering.offboarding.close import close_for_good
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.balance.transfer import transfer_credit
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid, record_transfer
from metering.payments.collecting.record import record_payment
from metering.payments.models import Payment, Refund
from metering.payments.provider.objects import Intent
from metering.payments.refunds import refunds
from metering.payments.refunds.payouts import pay_out
from metering.payments.refunds.reversals import issue_credit_note, void_invoice
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.webhooks.inbox import handle_waiting
from metering.periods import Period
from tests.kit.billing import NOVEMBER, OCTOBER, OPS, Meter, agree, an_invoice, at, tokens
from tests.kit.corrections import correct
from tests.kit.corrections import void as take_away
from tests.kit.exported import ever, every_export, exports_agree, named
from tests.kit.factories import NOW, make_key, make_workspace
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import Gateway, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock")]
LATER = at("11-05T09:00")
DECEMBER = Period(datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
EVER = ever(DECEMBER.end)


class Story:
    """In October: an open invoice of 178.50, one that is paid by card, one by hand with a surplus, a gift, and a refund."""

    def __init__(self, acme: Workspace, use: Meter, gateway: Gateway, stripe: StripeServer) -> None:
        self.acme, self.use, self.gateway, self.stripe = acme, use, gateway, stripe
        agree(acme, {"VAT": "19"})
        ledger.grant(acme, "goodwill", Decimal("20.00"), OPS, NOW, expires_at=at("11-01T00:00"))
        with_method(acme, stripe)
        self.by_hand, self.by_card, self.open = (an_invoice(acme, use, month=each) for each in ("06", "07", "09"))
        mark_paid(self.by_hand.pk, "wire 1", OPS, NOW)
        collect_invoice(self.by_card.pk, NOW)
        record_transfer([an_invoice(acme, use, month="05").pk], Decimal("200.00"), "wire 2", OPS, NOW)
        self.card = Payment.objects.get(invoice=self.by_card)
        self.surplus = Payment.objects.get(invoice=None)
        self.refund = refunds.refund(self.card.pk, Decimal("30.00"), "an outage", OPS, NOW)

    def hear(self, kind: str, about: dict[str, Any], moment: datetime = LATER) -> None:
        send_event(self.stripe, kind, about)
        assert handle_waiting(moment)["failed"] == 0

    def dispute(self, moment: datetime, cents: int = 10000) -> dict[str, Any]:
        found = self.stripe.dispute(str(self.card.intent_id))
        fees = [{"fee": 1500, "currency": "usd"}]
        found.update({"amount": cents, "created": int(moment.timestamp()), "balance_transactions": fees})
        self.hear("charge.dispute.created", found, moment)
        return found

    def ends(self, dispute: dict[str, Any], status: str, moment: datetime) -> None:
        dispute["status"] = status
        self.hear("charge.dispute.closed", dispute, moment)


@pytest.fixture
def story(acme: Workspace, use: Meter, gateway: Gateway, stripe: StripeServer) -> Story:
    return Story(acme, use, gateway, stripe)


def noted(story: Story, settlement: str) -> None:
    amounts = {story.by_card.lines.get().public_id: Decimal("40.00")}
    issue_credit_note(story.by_card.pk, amounts, "an outage", settlement, OPS, LATER, "wire 9")


def refund_fails(story: Story) -> None:
    made = next(each for each in story.stripe.of("refund"))
    made["status"] = "failed"
    story.hear("refund.failed", made)
    assert Refund.objects.get().status == "failed"


def voided_and_reissued(story: Story) -> None:
    void_invoice(story.open.pk, "wrong address", OPS, LATER)
    draft = reissue(story.open.pk, OPS, LATER)
    assert draft is not None
    finalize(draft.pk, OPS, LATER)


def written_off_and_owed_after_all(story: Story) -> None:
    mark_uncollectible(story.open.pk, "insolvent", OPS, LATER)
    reverse_write_off(story.open.pk, "found money", OPS, LATER)


def transferred(story: Story) -> None:
    keep_surplus_as_credit(story.surplus.pk, "they want it so", OPS, LATER)
    transfer_credit(story.acme, make_workspace("Beta"), Decimal("10.00"), "x 1", OPS, LATER, statement="one owner")


def corrected(story: Story) -> None:
    correct(story.gateway, take_away(story.acme.api_keys.first(), "req-2"))
    story.use(make_key(story.acme), "09-20T10:00", usage=tokens(input=5_000_000), now=LATER)
    story.use(make_key(story.acme), "10-20T10:00", usage=tokens(input=90_000_000), now=LATER)
    close_workspaces(OCTOBER, LATER, workspace=story.acme, finalize=True)


ACTS: dict[str, Callable[[Story], object]] = {
    "paid": lambda story: mark_paid(story.open.pk, "wire 3", OPS, LATER),
    "paid in part": lambda story: record_transfer([story.open.pk], Decimal("50.00"), "wire 3", OPS, LATER),
    "voided": lambda story: void_invoice(story.open.pk, "wrong address", OPS, LATER),
    "voided and reissued": voided_and_reissued,
    "written off": lambda story: mark_uncollectible(story.open.pk, "insolvent", OPS, LATER),
    "written off and owed after all": written_off_and_owed_after_all,
    "credited and refunded": lambda story: noted(story, "refund"),
    "credited and kept": lambda story: noted(story, "balance"),
    "credited and sent back": lambda story: noted(story, "outside"),
    "refunded": lambda story: refunds.refund(story.card.pk, Decimal("10.00"), "an outage", OPS, LATER),
    "a refund of October fails": refund_fails,
    "disputed": lambda story: story.dispute(LATER),
    "disputed and lost": lambda story: story.ends(story.dispute(LATER), "lost", LATER),
    "disputed and won": lambda story: story.ends(story.dispute(LATER), "won", LATER),
    "a surplus becomes credit": lambda story: keep_surplus_as_credit(story.surplus.pk, "they want it so", OPS, LATER),
    "credit is transferred": transferred,
    "a surplus is paid out": lambda story: pay_out(story.acme, Decimal("21.50"), "wire 4", OPS, LATER),
    "credit expires": lambda story: expire_due_credits(LATER),
    "usage is corrected and billed": corrected,
    "the workspace is closed": lambda story: close_for_good(story.acme, "moves away", "refund", OPS, LATER),
    "its customer is called otherwise": lambda story: Workspace.objects.filter(pk=story.acme.pk).update(name="Acme Two"),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
def test_nothing_that_happens_later_changes_it(story: Story, act: str, locked: bool) -> None:
    before, of_acme = every_export(OCTOBER), every_export(OCTOBER, story.acme)
    assert before["invoices"] == of_acme["invoices"] != []
    if locked:
        lock_period(OCTOBER, OPS, at("11-01T08:00"))
    ACTS[act](story)
    assert (every_export(OCTOBER), every_export(OCTOBER, story.acme)) == (before, of_acme)
    exports_agree(EVER)


def test_a_dispute_that_ends_differently_each_month(story: Story) -> None:
    """Lost in October, paid again in November, lost again in December."""
    dispute = story.dispute(NOW)
    story.ends(dispute, "lost", NOW)
    october = every_export(OCTOBER)
    story.ends(dispute, "won", LATER)
    november = every_export(NOVEMBER)
    story.ends(dispute, "lost", at("12-03T09:00"))
    assert (every_export(OCTOBER), every_export(NOVEMBER)) == (october, november)
    rows = [
        (row["document"], row["at"][:10], row["amount"])
        for row in named("payments", EVER)
        if row["document"].startswith("chargeback")
    ]
    assert rows == [
        ("chargeback", "2026-10-15", "-100.00"),
        ("chargeback_reversed", "2026-11-05", "100.00"),
        ("chargeback", "2026-12-03", "-100.00"),
    ]
    exports_agree(EVER)


def test_acts_have_rows_in_the_month_in_which_they_happen(story: Story) -> None:
    refund_fails(story)
    mark_uncollectible(story.open.pk, "insolvent", OPS, LATER)
    reverse_write_off(story.open.pk, "found money", OPS, at("11-06T09:00"))
    void_invoice(story.open.pk, "wrong address", OPS, at("11-07T09:00"))
    number = story.open.number
    (refund,) = named("payments", NOVEMBER)
    assert (refund["document"], refund["for"], refund["amount"]) == ("refund_failed", story.by_card.number, "30.00")
    rows = [
        (row["document"], row["number"], row["status"], row["issued_at"][:10], row["total"], row["amount_due"])
        for row in named("invoices", NOVEMBER)
    ]
    assert rows == [
        ("void", number, "void", "2026-11-07", "-178.50", "0.00"),
        ("write_off", number, f"of {number}", "2026-11-05", "0.00", "-178.50"),
        ("write_off_reversed", number, f"of {number}", "2026-11-06", "0.00", "178.50"),
    ]
    (october,) = [row for row in named("invoices", OCTOBER) if row["number"] == number]
    assert (october["status"], october["amount_due"], october["voided_at"]) == ("open", "178.50", None)
    (now,) = [row for row in named("invoices", EVER) if (row["number"], row["document"]) == (number, "invoice")]
    assert (now["status"], now["amount_due"], now["voided_at"][:10]) == ("void", "0.00", "2026-11-07")


def test_an_invoice_is_paid_from_the_day_on_which_it_was(story: Story) -> None:
    mark_paid(story.open.pk, "wire 3", OPS, LATER)

    def at_the_end_of(period: Period) -> tuple[str, str, str, Any]:
        (row,) = [each for each in named("invoices", period) if each["number"] == story.open.number]
        return row["status"], row["amount_paid"], row["amount_due"], row["paid_at"]

    assert at_the_end_of(OCTOBER) == ("open", "0.00", "178.50", None)
    assert at_the_end_of(EVER) == ("paid", "178.50", "0.00", "2026-11-05T09:00:00Z")


def test_what_is_heard_of_late_is_in_the_first_month_that_is_not_locked(story: Story) -> None:
    lock_period(OCTOBER, OPS, at("11-01T08:00"))
    before = every_export(OCTOBER)
    record_transfer([story.open.pk], Decimal("178.50"), "wire 3", OPS, LATER, date(2026, 10, 30))
    assert every_export(OCTOBER) == before
    (row,) = named("payments", NOVEMBER)
    assert (row["at"], row["amount"], row["reference"]) == ("2026-11-01T00:00:00Z", "178.50", "wire 3")
    exports_agree(EVER)


def test_months_add_up_to_the_whole(story: Story) -> None:
    for act in ("paid in part", "a refund of October fails", "disputed and lost", "a surplus becomes credit", "credit expires"):
        ACTS[act](story)
    for kind in ("payments", "credits", "lines"):
        parts = [row for period in (OCTOBER, NOVEMBER, DECEMBER) for row in every_export(period)[kind]]
        if kind == "payments":  # a surplus that became credit says so from then on
            parts, whole = [[*row[:4], *row[5:]] for row in parts], [[*row[:4], *row[5:]] for row in every_export(EVER)[kind]]
        else:
            whole = every_export(EVER)[kind]
        assert sorted(map(str, parts)) == sorted(map(str, whole)), kind


def test_money_in_another_currency_is_written_and_added_up_in_it(story: Story) -> None:
    october = every_export(OCTOBER)
    attempt = story.open.attempts.create(
        workspace=story.acme, number=1, amount=5, idempotency_key="k", customer_id="c", started_at=LATER
    )
    yen = Intent("pi_yen", "succeeded", Decimal("5000"), "JPY", charged=LATER, created=LATER)
    record_payment(attempt, yen, LATER)
    (row,) = named("payments", NOVEMBER)
    assert (row["currency"], row["amount"], row["reference"]) == ("JPY", "5000", "pi_yen")
    assert row["for"].startswith("It came in JPY")
    assert every_export(OCTOBER) == october
    exports_agree(EVER)
