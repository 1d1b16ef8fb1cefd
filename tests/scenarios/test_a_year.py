"""A year of one customer, July 2027 to June 2028: everything that can happen to a bill happens, and every cent is explained.

The oracle is plain arithmetic on what it was given. It knows nothing of rollups, lines or ledgers.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.void import reissue
from metering.invoicing.models import Invoice
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import TaxRate
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.collecting import attempts
from metering.payments.collecting.collect import collect_due, collect_invoice
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid
from metering.payments.models import Payment
from metering.payments.refunds import refunds
from metering.payments.refunds.reversals import issue_credit_note, void_invoice
from metering.payments.top_ups import purchase
from metering.reconcile.everything import everything
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import an_event, make_gateway, make_key, make_price, make_workspace, send
from tests.kit.paying import with_method
from tests.kit.stripe_server import DECLINED, GOOD, StripeServer

pytestmark = pytest.mark.django_db

OPS = "ops@omixa.example"
CENT, PICO = Decimal("0.01"), Decimal("1e-12")
VAT = Decimal(19)
LEAST = Decimal("0.50")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def month_of(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


@dataclass
class Credit:
    """What is left of a grant, and until when it is good."""

    promotional: bool
    left: Decimal
    expires: str = "9999-12"


@dataclass
class Oracle:
    """What happened, and what a month should cost for it."""

    requests: dict[str, tuple[datetime, int, int]] = field(default_factory=dict)
    rates: list[tuple[datetime, Decimal, Decimal]] = field(default_factory=list)
    # From which month on a discount holds.
    discounts: list[tuple[str, Decimal]] = field(default_factory=list)
    minimums: dict[str, Decimal] = field(default_factory=dict)
    credits: list[Credit] = field(default_factory=list)
    # By month: what was billed of it; and months that a void left open.
    billed: dict[str, Decimal] = field(default_factory=dict)
    voided: set[str] = field(default_factory=set)

    def rate(self, moment: datetime) -> tuple[Decimal, Decimal]:
        return next((i, o) for since, i, o in reversed(self.rates) if since <= moment)

    def used(self, month: str) -> Decimal:
        total = Decimal(0)
        for moment, tokens_in, tokens_out in self.requests.values():
            if month_of(moment) == month:
                rate_in, rate_out = self.rate(moment)
                total += (tokens_in * rate_in + tokens_out * rate_out) / 1_000_000
        return total

    def should(self, month: str) -> Decimal:
        used = self.used(month)
        percent = next((percent for since, percent in reversed(self.discounts) if since <= month), Decimal(0))
        discount = (used * percent / 100).quantize(PICO, ROUND_HALF_EVEN)
        return max(used - discount, self.minimums.get(month, Decimal(0)))

    def bill(self, month: str) -> dict[str, Decimal] | None:
        """The invoice for the month; None when it comes to less than the least."""
        months = {month_of(moment) for moment, *_ in self.requests.values()} | set(self.minimums) | set(self.billed)
        open_months = [each for each in months if each <= month and each not in self.voided - {month}]
        owed = {each: self.should(each) - self.billed.get(each, Decimal(0)) for each in open_months}
        exact = sum(owed.values(), Decimal(0))
        subtotal = exact.quantize(CENT, ROUND_HALF_UP)
        promotional, spent = self.draw(True, subtotal, month)
        tax = ((subtotal - promotional) * VAT / 100).quantize(CENT, ROUND_HALF_UP)
        total = subtotal - promotional + tax
        applied, spent_after = self.draw(False, total, month)
        due = total - applied
        if subtotal <= 0 or (due > 0 and promotional + total < LEAST):
            return None
        for credit, amount in [*spent, *spent_after]:
            credit.left -= amount
        for each, amount in owed.items():
            self.billed[each] = self.billed.get(each, Decimal(0)) + amount
        self.voided.discard(month)
        return {
            "subtotal_exact": exact,
            "subtotal": subtotal,
            "promotional": promotional,
            "tax": tax,
            "total": total,
            "credits_applied": applied,
        }

    def draw(self, promotional: bool, amount: Decimal, month: str) -> tuple[Decimal, list[tuple[Credit, Decimal]]]:
        """In the order in which they expire; a credit is good for every month up to the one it expires in."""
        spent = []
        for credit in sorted(self.credits, key=lambda credit: credit.expires):
            if credit.promotional == promotional and credit.expires >= month:
                taken = min(credit.left, amount)
                spent.append((credit, taken))
                amount -= taken
        return sum((taken for _, taken in spent), Decimal(0)), spent


class Year:
    """The product and the oracle, given the same."""

    def __init__(self, server: StripeServer) -> None:
        self.server, self.oracle = server, Oracle()
        self.workspace = make_workspace("Acme", email="bills@acme.example")
        self.key, self.gateway = make_key(self.workspace), make_gateway()
        self.account = with_method(self.workspace, server)
        self.expected: dict[str, dict[str, Decimal]] = {}

    def price(self, since: str, rate_in: str, rate_out: str) -> None:
        make_price(input=rate_in, output=rate_out, cached_input=None, effective_from=at(since))
        self.oracle.rates.append((at(since), Decimal(rate_in), Decimal(rate_out)))

    def agree(self, when: str, **terms: Any) -> None:
        save_terms(self.workspace, terms, None, OPS, at(when))
        if "discount_percent" in terms:
            self.oracle.discounts.append((when[:7], terms["discount_percent"]))

    def use(self, name: str, moment: str, tokens_in: int, tokens_out: int = 0, now: str | None = None) -> None:
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
        event = an_event(self.key, request_id=name, occurred_at=at(moment).isoformat(), usage=usage)
        batch = send(self.gateway, [event], at(now or moment) + timedelta(seconds=1))
        assert batch.recorded == 1, batch.items
        self.oracle.requests[name] = (at(moment), tokens_in, tokens_out)

    def credit(self, kind: str, amount: str, when: str, expires: str | None = None) -> None:
        ends = at(expires) if expires else None
        ledger.grant(self.workspace, kind, Decimal(amount), OPS, at(when), expires_at=ends)
        until = month_of(ends - timedelta(microseconds=1)) if ends else "9999-12"
        self.oracle.credits.append(Credit(kind == "promotional", Decimal(amount), until))

    def close(self, month: str) -> Invoice | None:
        """As the jobs do on the fourth of the next month. The invoice says what the oracle says."""
        now = (at(f"{month}-28T00:00") + timedelta(days=7)).replace(day=4, hour=3)
        assert close_months_due(now)["failed"] == 0
        expected = self.oracle.bill(month)
        invoice = self.invoice(month)
        assert (invoice is None) == (expected is None), (month, expected)
        if invoice is not None and expected is not None:
            assert {name: getattr(invoice, name) for name in expected} == expected, month
            self.expected[month] = expected
        collect_due(now)
        expire_due_credits(now + timedelta(days=2))
        found = everything()
        assert found["ok"], found["differences"]
        return self.invoice(month)

    def invoice(self, month: str) -> Invoice | None:
        standing = self.workspace.invoices.filter(period_start=at(f"{month}-01")).exclude(status__in=["void", "draft"])
        return standing.first()


def test_every_cent_of_a_year_is_explained(stripe: StripeServer, settings: Any) -> None:
    settings.INVOICE_MINIMUM = LEAST
    year = Year(stripe)
    oracle = year.oracle
    year.price("2027-01-01", "1.5", "6")
    year.agree("2027-07-01", discount_percent=Decimal("12.5"), legal_name="Acme GmbH")
    save_terms(year.workspace, {}, [TaxRate.objects.create(name="VAT", percent=VAT)], OPS, at("2027-07-01"))

    # July: the first invoice, collected from the card.
    year.use("jul-1", "2027-07-01T00:00:00", 33_333_333, 1_234_567)
    year.use("jul-2", "2027-07-31T23:59:59.999999", 7_000_001)
    july = year.close("2027-07")
    assert july is not None
    assert july.status == "paid"

    # August: a promotion, and usage of July that arrives late.
    year.credit("promotional", "30.00", "2027-08-02")
    year.use("aug-1", "2027-08-10T10:00", 50_000_000, 3_000_000)
    year.use("jul-late", "2027-07-20T10:00", 1_000_003, now="2027-08-20T10:00")
    year.close("2027-08")

    # September: the price changes inside an hour in mid-month.
    year.use("sep-1", "2027-09-16T11:29:59.999999", 10_000_000, 1_000_000)
    year.price("2027-09-16T11:30", "2", "8")
    year.use("sep-2", "2027-09-16T11:30", 10_000_000, 1_000_000)
    year.close("2027-09")

    # October: less than can be charged is carried over.
    year.use("oct-1", "2027-10-05T10:00", 100_000)
    assert year.close("2027-10") is None

    # November: October's with its own, a void of September, a top-up on a page.
    correct(year.gateway, void(year.key, "sep-1"), now=at("2027-11-02T10:00"))
    del oracle.requests["sep-1"]
    year.use("nov-1", "2027-11-11T10:00", 90_000_000)
    bought = purchase.buy_credit(year.workspace, Decimal("50.00"), purchase.PAGE, "a-key", OPS, at("2027-11-12"))
    stripe.complete(bought.attempts.get().session_id)
    attempts.recover_attempts(at("2027-11-12"))
    oracle.credits.append(Credit(False, Decimal("50.00")))
    november = year.close("2027-11")
    assert november is not None
    assert november.notes["carried"].startswith("Carried over from October 2027")

    # December: a minimum commitment, a gift that expires with the year, a replacement of November's usage.
    year.agree("2027-12-01", minimum_commitment=Decimal("80.00"))
    oracle.minimums |= {f"{y}-{m:02}": Decimal("80.00") for y, m in [(2027, 12), *((2028, n) for n in range(1, 7))]}
    year.credit("goodwill", "500.00", "2027-12-05", expires="2028-01-01")
    corrected = {"prompt_tokens": 80_000_000, "completion_tokens": 10, "total_tokens": 80_000_010}
    correct(year.gateway, replace(year.key, corrected, "nov-1"), now=at("2027-12-06T10:00"))
    oracle.requests["nov-1"] = (at("2027-11-11T10:00"), 80_000_000, 10)
    year.use("dec-1", "2027-12-24T10:00", 5_000_000)
    december = year.close("2027-12")
    assert december is not None
    assert december.status == "paid"  # the gift covers it
    assert oracle.credits[-1].left > 0  # and what it left is written off
    assert ledger.remaining_grants(year.workspace) == []

    # January: other terms; its invoice is voided for a wrong address and reissued with a late event of January on it.
    year.agree("2028-01-15", discount_percent=Decimal("20"))
    year.account.method_id = ""
    year.account.save()
    year.use("jan-1", "2028-01-20T10:00", 200_000_000)
    year.credit("purchased", "25.00", "2028-01-21")
    january = year.close("2028-01")
    assert january is not None
    assert (january.status, january.credits_applied, oracle.credits[-1].left) == ("open", Decimal("25.00"), 0)
    void_invoice(january.pk, "the address is wrong", OPS, at("2028-02-05"))
    oracle.credits[-1].left = Decimal("25.00")
    oracle.billed["2028-01"] = Decimal(0)
    oracle.voided.add("2028-01")
    year.use("jan-late", "2028-01-31T10:00", 1_000_000, now="2028-02-06T10:00")
    reissue(january.pk, OPS, at("2028-02-07"))
    again = year.close("2028-01")
    assert again is not None
    assert again.number != january.number

    # February has a leap day; the card is declined, and a better one pays on the first retry.
    year.account.method_id = stripe.save_method(str(year.account.customer_id), DECLINED)
    year.account.save()
    year.use("feb-1", "2028-02-29T23:59:59.999999", 60_000_000)
    year.use("mar-0", "2028-03-01T00:00", 1_000_000)
    february = year.close("2028-02")
    assert february is not None
    assert (february.status, february.attempts.get().code) == ("open", "insufficient_funds")
    year.account.method_id = stripe.save_method(str(year.account.customer_id), GOOD)
    year.account.save()
    assert dun(at("2028-03-08"), collect_invoice)["retried"] >= 1
    february.refresh_from_db()
    assert february.status == "paid"

    # March: a credit note on a paid invoice goes back to the card.
    year.use("mar-1", "2028-03-15T10:00", 100_000_000, 100)
    march = year.close("2028-03")
    assert march is not None
    line = march.lines.filter(kind="usage").order_by("-amount").first()
    assert line is not None
    note = issue_credit_note(march.pk, {line.public_id: Decimal("10.00")}, "slow", "refund", OPS, at("2028-04-10"))
    refunds.recover_refunds(at("2028-04-10"))
    assert (note.subtotal, note.tax, note.total) == (Decimal("10.00"), Decimal("1.90"), Decimal("11.90"))
    assert [each["amount"] for each in stripe.of("refund")] == [1190]

    # April is paid by transfer, May tops itself up to the minimum, June is the last.
    year.account.method_id = ""
    year.account.save()
    year.use("apr-1", "2028-04-15T10:00", 70_000_000)
    april = year.close("2028-04")
    assert april is not None
    mark_paid(april.pk, "transfer 1", OPS, at("2028-05-20"))
    may = year.close("2028-05")
    assert may is not None
    assert [(each.kind, each.amount) for each in may.lines.all()] == [("minimum", Decimal("80.00"))]
    year.use("jun-1", "2028-06-30T23:59:59.999999", 123_456_789, 987)
    year.close("2028-06")

    # The year: billed is what was used by the terms of each month, and the money adds up.
    standing = list(year.workspace.invoices.exclude(status__in=["void", "draft"]))
    assert len(standing) == 11
    for month in sorted(oracle.billed):
        assert oracle.billed[month] == oracle.should(month), month
    assert sum(invoice.subtotal_exact for invoice in standing) == sum(oracle.billed.values())
    for invoice in standing:
        taken = invoice.credits_applied + invoice.amount_paid + invoice.credited + invoice.amount_due
        assert invoice.total == taken, invoice
    money = sum(payment.amount for payment in Payment.objects.exclude(invoice=None))
    assert money == sum(invoice.amount_paid for invoice in standing)
    assert sum(intent["amount_received"] for intent in stripe.succeeded()) == sum(
        int(payment.amount * 100) for payment in Payment.objects.filter(method="stripe")
    )
    numbers = sorted(invoice.number for invoice in year.workspace.invoices.all() if invoice.number)
    assert [number for number in numbers if "-2027-" in number] == [f"OMX-2027-{n:05}" for n in range(1, 5)]
    assert [number for number in numbers if "-2028-" in number] == [f"OMX-2028-{n:05}" for n in range(1, 9)]
    assert year.workspace.invoices.filter(status="void").count() == 1
