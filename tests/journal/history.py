"""Random acts about one workspace through the product's own verbs, and beside them a second, plain double-entry book.

The book knows nothing of the product's journal: it writes down what each act is about from what was asked for.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import TypeVar

from django.db.models import Model, QuerySet

from metering.credits import ledger
from metering.credits.models import CreditGrant
from metering.invoicing.lifecycle import void
from metering.invoicing.models import Invoice
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.collecting.collect import collect_invoice
from metering.payments.collecting.manual import mark_paid
from metering.payments.collecting.record import record_payment
from metering.payments.models import Payment, PaymentAccount, Refund
from metering.payments.provider.objects import Intent, ProviderRefund
from metering.payments.refunds import refunds
from metering.payments.refunds.external import record_external_refund
from metering.payments.refunds.outcomes import apply_refund
from metering.payments.refunds.reversals import issue_credit_note, void_invoice
from metering.payments.top_ups.purchase import SAVED, begin_top_up, pay_top_up
from metering.periods import parse_month
from omixa_billing.api.errors import Refusal
from tests.kit.billing import Meter, finalized, tokens
from tests.kit.factories import NOW
from tests.kit.stripe_server import StripeServer
from workspaces.models import APIKey

Row = TypeVar("Row", bound=Model)
OPS = "ops@omixa.example"
ZERO = Decimal("0.00")
MONTHS = [f"2026-{month:02}" for month in range(3, 10)]
KINDS = {"promotional": "promotions_given", "goodwill": "goodwill_given", "purchased": "money_other"}
HELD = {"promotional": "credit_promotional", "goodwill": "credit_goodwill", "purchased": "credit_bought"}


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


class Book:
    """Debits above zero, credits below; every line moves one amount from one account to another."""

    def __init__(self) -> None:
        self.accounts: Counter[str] = Counter()

    def move(self, amount: Decimal, debited: str, credited: str) -> None:
        self.accounts[debited] += amount  # type: ignore[assignment]
        self.accounts[credited] -= amount  # type: ignore[assignment]

    def balances(self) -> dict[str, str]:
        return {account: f"{amount:.2f}" for account, amount in sorted(self.accounts.items()) if amount}


class History:
    """One workspace with a card, taxed at 19 %, and what was asked for it."""

    def __init__(self, key: APIKey, use: Meter, stripe: StripeServer, account: PaymentAccount, random: Random) -> None:
        self.key, self.use, self.stripe, self.account, self.random = key, use, stripe, account, random
        self.workspace = key.workspace
        self.book = Book()
        self.months = list(MONTHS)
        self.credit: Counter[str] = Counter()  # what is left and usable, by kind
        self.now = NOW

    def acts(self) -> list[Callable[[], str]]:
        return [
            *[self.bill] * 3,
            *[self.pay_by_card] * 2,
            self.pay_by_hand,
            self.pay_too_much,
            self.grant,
            self.grant_that_expires,
            self.withdraw,
            self.top_up,
            self.void,
            self.write_off,
            *[self.credit_note] * 3,
            *[self.refund] * 2,
            self.refund_at_stripe,
            self.fail_a_refund,
        ]

    def step(self) -> str:
        """Does one act; what it was, with a note where the product refused it."""
        self.now += timedelta(minutes=1)
        act = self.random.choice(self.acts())
        try:
            return f"{act.__name__} {act()}"
        except Refusal as refusal:
            return f"{act.__name__} refused: {refusal.message}"

    def amount(self, most: Decimal = Decimal("60.00")) -> Decimal:
        return max(Decimal("0.01"), cents(most * self.random.randint(1, 100) / 100))

    def pick(self, *statuses: str) -> Invoice | None:
        return self.one_of(self.workspace.invoices.filter(status__in=statuses))

    def one_of(self, rows: QuerySet[Row]) -> Row | None:
        found = list(rows.order_by("pk"))
        return self.random.choice(found) if found else None

    # --- Invoices ------------------------------------------------------------------------------------------------

    def bill(self) -> str:
        if not self.months:
            return "no month left"
        month, millions = self.months.pop(0), self.random.randint(5, 120)
        self.use(self.key, f"{month[5:]}-14T10:00", usage=tokens(input=millions * 1_000_000))
        (invoice,) = finalized(parse_month(month), self.now, workspace=self.workspace)
        net = millions * Decimal("1.50")
        promotional = self.spend("promotional", net)
        tax = cents((net - promotional) * 19 / 100)
        self.book.move(net, "receivable", "revenue_usage")
        self.book.move(tax, "receivable", "tax")
        self.book.move(promotional, "credit_promotional", "receivable")
        rest = net - promotional + tax
        for kind in ("goodwill", "purchased"):
            used = self.spend(kind, rest)
            self.book.move(used, HELD[kind], "receivable")
            rest -= used
        assert invoice.amount_due == rest
        return f"{month}: {net}"

    def spend(self, kind: str, most: Decimal) -> Decimal:
        used = min(most, Decimal(self.credit[kind]))
        self.credit[kind] -= used  # type: ignore[assignment]
        return used

    def void(self) -> str:
        invoice = self.pick("open", "uncollectible")
        if invoice is None:
            return "nothing"
        written_off, tax = invoice.status == "uncollectible", invoice.tax
        used = list(invoice.credit_entries.filter(kind="consumption").values_list("grant__kind", "amount"))
        void_invoice(invoice.pk, "a mistake", OPS, self.now)
        if written_off:
            self.book.move(invoice.amount_due, "receivable", "bad_debt")
        for kind, amount in used:
            self.book.move(-amount, "receivable", HELD[kind])
            self.credit[kind] -= amount  # type: ignore[assignment]
        self.book.move(invoice.subtotal, "revenue_usage", "receivable")
        self.book.move(tax, "tax", "receivable")
        return str(invoice)

    def write_off(self) -> str:
        invoice = self.pick("open")
        if invoice is None:
            return "nothing"
        void.mark_uncollectible(invoice.pk, "bankrupt", OPS, self.now)
        self.book.move(invoice.amount_due, "bad_debt", "receivable")
        return str(invoice)

    def credit_note(self) -> str:
        invoice = self.pick("open", "paid", "paid", "uncollectible")
        if invoice is None:
            return "nothing"
        line = invoice.lines.get()
        chosen = None if self.random.random() < 0.3 else {line.public_id: self.amount(line.amount)}
        settlement = self.random.choice(["refund", "balance", "outside"])
        ahead = self.refunded_ahead(invoice)
        note = issue_credit_note(
            invoice.pk, chosen, "an outage", settlement, OPS, self.now, reference=f"transfer {invoice.credit_notes.count()}"
        )
        if invoice.status == "uncollectible":
            self.book.move(note.off_due, "receivable", "bad_debt")
        self.book.move(note.subtotal, "revenue_usage", "owed_to_customer")
        self.book.move(note.tax, "tax", "owed_to_customer")
        self.book.move(note.off_due, "owed_to_customer", "receivable")
        self.settle(note.pk, note.given_back, ahead, note.settlement)
        return f"{invoice} {note.total} {settlement}"

    def settle(self, note: int, given_back: Decimal, ahead: Decimal, settlement: str) -> None:
        """How it came to the customer, of the three ways: as credit, as refunds, otherwise."""
        as_credit = sum(
            CreditGrant.objects.filter(source__startswith="credit_note:", granted_at=self.now).values_list("amount", flat=True),
            ZERO,
        )
        self.book.move(as_credit, "owed_to_customer", "credit_bought")
        self.credit["purchased"] += as_credit  # type: ignore[assignment]
        rest = given_back - as_credit
        for refund in Refund.objects.filter(credit_note=note):
            self.book.move(
                refund.amount, "owed_to_customer", "money_bank" if refund.reference else self.channel(refund.payment)
            )
            rest -= refund.amount
        if settlement == "outside":
            settled = min(rest, ahead)
            self.book.move(settled, "owed_to_customer", "refunded_ahead")
            self.book.move(rest - settled, "owed_to_customer", "money_other")
        else:
            assert rest == 0

    def refunded_ahead(self, invoice: Invoice) -> Decimal:
        """What went back for it without a credit note, less what notes settled since."""
        went = Refund.objects.filter(payment__invoice=invoice, credit_note=None).exclude(status="failed")
        out = sum(went.values_list("amount", flat=True), ZERO)
        notes = invoice.credit_notes.filter(settlement="outside")
        for note in notes:
            granted = CreditGrant.objects.filter(source=f"credit_note:{note.public_id}").values_list("amount", flat=True)
            beside = note.given_back - sum(granted, ZERO) - sum(note.refunds.values_list("amount", flat=True), ZERO)
            out -= min(out, beside)
        return out

    # --- Money ---------------------------------------------------------------------------------------------------

    @staticmethod
    def channel(payment: Payment) -> str:
        return "money_stripe" if payment.method == "stripe" else "money_bank"

    def pay_by_card(self) -> str:
        invoice = self.pick("open")
        if invoice is None:
            return "nothing"
        if collect_invoice(invoice.pk, self.now) is not None and Payment.objects.filter(invoice=invoice).exists():
            self.book.move(invoice.amount_due, "money_stripe", "receivable")
        return str(invoice)

    def pay_by_hand(self) -> str:
        invoice = self.pick("open", "uncollectible")
        if invoice is None:
            return "nothing"
        mark_paid(invoice.pk, "transfer 17", OPS, self.now)
        if invoice.status == "uncollectible":
            self.book.move(invoice.amount_due, "receivable", "bad_debt")
        self.book.move(invoice.amount_due, "money_bank", "receivable")
        return str(invoice)

    def pay_too_much(self) -> str:
        """A second payment of what was paid by card."""
        paid = self.one_of(Payment.objects.filter(method="stripe", invoice__isnull=False))
        if paid is None or paid.invoice is None:
            return "nothing"
        amount = self.amount()
        intent = self.stripe.make(
            "payment_intent",
            "pi_",
            amount=int(amount * 100),
            amount_received=int(amount * 100),
            currency="usd",
            status="succeeded",
        )
        found = Intent(id=intent["id"], status="succeeded", amount=amount, currency="USD", received=amount)
        record_payment(paid.invoice.attempts.get(intent_id=paid.intent_id), found, self.now)
        self.book.move(amount, "money_stripe", "surplus")
        return str(amount)

    def top_up(self) -> str:
        amount = self.amount() + 5
        pay_top_up(begin_top_up(self.account, amount, SAVED, OPS, self.now), self.now)
        self.book.move(amount, "money_stripe", "credit_bought")
        self.credit["purchased"] += amount  # type: ignore[assignment]
        return str(amount)

    def refund(self) -> str:
        """Of an invoice's payment without a credit note, of a surplus, or of credit that was bought."""
        payment = self.one_of(Payment.objects.all())
        if payment is None or not (left := refunds.refundable_amount(payment)):
            return "nothing"
        amount = self.amount(left)
        refunds.refund(payment.pk, amount, "asked for", OPS, self.now, reference="transfer 8")
        self.note_refund(payment, amount, amount)
        return f"{payment.public_id} {amount}"

    def refund_at_stripe(self) -> str:
        payment = self.one_of(Payment.objects.filter(method="stripe"))
        if payment is None or not (left := refunds.refundable_amount(payment)):
            return "nothing"
        amount = self.amount(left)
        credited = amount if payment.grant is None else min(amount, ledger.remaining_of_grant(payment.grant))
        made = self.stripe.make(
            "refund", "re_", payment_intent=payment.intent_id, amount=int(amount * 100), status="succeeded", metadata={}
        )
        found = ProviderRefund(id=made["id"], status="succeeded", amount=amount, intent=str(payment.intent_id))
        record_external_refund(found, self.now)
        owed = self.owed_for(Refund.objects.get(stripe_id=made["id"]))
        self.note_refund(payment, amount - owed, credited)
        self.book.move(owed, "receivable", "money_stripe")
        return f"{payment.public_id} {amount}"

    @staticmethod
    def owed_for(refund: Refund) -> Decimal:
        """What is due on invoices again because credit that it withdrew was used."""
        return sum(refund.reopened.values_list("amount", flat=True), ZERO)

    def note_refund(self, payment: Payment, amount: Decimal, credited: Decimal) -> None:
        source = "credit_bought" if payment.grant else "refunded_ahead" if payment.invoice else "surplus"
        self.book.move(credited, source, self.channel(payment))
        self.book.move(amount - credited, "refunded_ahead", self.channel(payment))
        if payment.grant:
            self.credit["purchased"] -= credited  # type: ignore[assignment]

    def fail_a_refund(self) -> str:
        """The bank sends it back: what it was for is owed as before."""
        refund = self.one_of(Refund.objects.filter(status="succeeded", stripe_id__isnull=False))
        if refund is None:
            return "nothing"
        payment, taken = refund.payment, refund.credit_taken
        ahead = min(refund.amount, self.refunded_ahead(payment.invoice)) if payment.invoice else ZERO
        back = ProviderRefund(str(refund.stripe_id), "failed", refund.amount, "", "closed account")
        self.stripe.objects[str(refund.stripe_id)].update(status="failed", amount=0)
        apply_refund(refund, back, self.now)
        owed, lifted = self.owed_for(refund), sum(refund.reopened.values_list("lifted", flat=True), ZERO)
        if refund.credit_note:
            self.book.move(refund.amount, "money_stripe", "owed_to_customer")
        elif payment.grant:
            self.book.move(taken, "money_stripe", "credit_bought")
            self.book.move(refund.amount - taken - owed, "money_stripe", "refunded_ahead")
            self.book.move(lifted, "money_stripe", "receivable")
            self.book.move(owed - lifted, "money_stripe", "owed_to_customer")
            self.credit["purchased"] += taken  # type: ignore[assignment]
        elif payment.invoice:  # what credit notes settled of it since is owed to the customer again
            self.book.move(ahead, "money_stripe", "refunded_ahead")
            self.book.move(refund.amount - ahead, "money_stripe", "owed_to_customer")
        else:
            self.book.move(refund.amount, "money_stripe", "surplus")
        return refund.public_id

    # --- Credit --------------------------------------------------------------------------------------------------

    def grant(self) -> str:
        kind, amount = self.random.choice(list(KINDS)), self.amount()
        long_ago = NOW - timedelta(days=400)  # promotional credit pays for no month before its grant
        ledger.grant(self.workspace, kind, amount, OPS, long_ago if kind == "promotional" else self.now)
        self.book.move(amount, KINDS[kind], HELD[kind])
        self.credit[kind] += amount  # type: ignore[assignment]
        return f"{kind} {amount}"

    def grant_that_expires(self) -> str:
        """Long before anything is billed, and the expiry comes."""
        kind, amount = self.random.choice(list(KINDS)), self.amount()
        then = NOW - timedelta(days=400)
        ledger.grant(self.workspace, kind, amount, OPS, then, expires_at=then + timedelta(days=5))
        self.book.move(amount, KINDS[kind], HELD[kind])
        expired = expire_due_credits(self.now)["expired"]
        if expired:
            for given in self.workspace.credit_grants.filter(expires_at__isnull=False):
                entry = given.entries.filter(kind="expiry", at=self.now).first()
                if entry is not None:
                    gain = "breakage" if given.kind == "purchased" else KINDS[given.kind]
                    self.book.move(-entry.amount, HELD[given.kind], gain)
        return f"{kind} {amount}"

    def withdraw(self) -> str:
        lefts = [each for each in ledger.remaining_grants(self.workspace) if each.grant.expires_at is None]
        if not lefts:
            return "nothing"
        each = self.random.choice(lefts)
        ledger.reverse(each.grant, "by mistake", OPS, self.now)
        bought_here = (each.grant.source or "").startswith(("topup:", "credit_note:"))
        other = "owed_to_customer" if bought_here else KINDS[each.grant.kind]
        self.book.move(each.left, HELD[each.grant.kind], other)
        self.credit[each.grant.kind] -= each.left  # type: ignore[assignment]
        return f"{each.grant.public_id} {each.left}"
