"""Usage, prices, terms, invoices."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from metering.catalogue.set_price import set_price
from metering.invoicing.credit_notes.creditable import creditable
from metering.invoicing.explaining.rerating import planned_months
from metering.invoicing.fees.change import add_line, set_fee
from metering.invoicing.lifecycle.accept import accept_withdrawal
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.lifecycle.schedule import close_months_due
from metering.invoicing.lifecycle.void import mark_uncollectible, reissue
from metering.invoicing.lifecycle.write_off import reverse_write_off
from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.models import TaxRate
from metering.journal.lock import lock_period
from metering.offboarding.close import close_for_good
from metering.payments.refunds.reversals import issue_credit_note, retry_refund, void_invoice
from metering.periods import Period, month_of, previous_month
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from tests.bookkeeping.world import OPS, Act, World
from tests.kit.billing import tokens
from tests.kit.corrections import correct, replace, void


class Selling(World):
    def selling(self) -> list[Act]:
        return [
            *[self.use] * 5,
            *[self.correct_usage] * 2,
            self.take_usage_away,
            self.change_price,
            self.rate_again,
            self.change_terms,
            self.change_taxes,
            self.agree_on_a_fee,
            self.add_a_line,
            *[self.close_a_month] * 3,
            self.close_what_is_due,
            self.decide_about_a_draft,
            *[self.void_an_invoice] * 2,
            *[self.reissue_a_month] * 2,
            self.write_off,
            self.reverse_a_write_off,
            *[self.credit_an_invoice] * 3,
            self.send_a_refund_again,
            self.lock_a_month,
            self.close_for_good,
        ]

    def month(self, back: int = 3) -> Period:
        """The running one or one of those before."""
        found = month_of(self.now)
        for _ in range(self.random.randint(0, back)):
            found = previous_month(found)
        return found

    # --- Usage ---------------------------------------------------------------------------------------------------

    def use(self) -> str:
        month = self.month()
        moment = month.start + timedelta(days=self.random.randint(0, 27), hours=self.random.randint(0, 23))
        moment = min(moment, self.now - timedelta(minutes=5)).replace(microsecond=0)
        size = self.random.randint(1, 60) * 1_000_000
        self.meter(self.key, f"{moment:%m-%dT%H:%M:%S}", usage=tokens(input=size), now=self.now)
        self.usage.use(f"req-{self.meter.sent}", moment, size)
        return f"{moment:%m-%d} {size}"

    def correct_usage(self) -> str:
        name = self._request()
        if not name:
            return "nothing"
        size = self.random.randint(1, 60) * 1_000_000
        again = replace(self.key, tokens(input=size), name, reason=f"count {self.number()}")  # without, the same one is a retry
        correct(self.meter.gateway, again, now=self.now)
        self.usage.replace(name, size)
        return f"{name} {size}"

    def take_usage_away(self) -> str:
        name = self._request()
        if not name:
            return "nothing"
        correct(self.meter.gateway, void(self.key, name), now=self.now)
        del self.usage.requests[name]
        return name

    def _request(self) -> str:
        return self.random.choice(sorted(self.usage.requests)) if self.usage.requests else ""

    # --- Prices and terms ----------------------------------------------------------------------------------------

    def change_price(self) -> str:
        since = self.month().start + timedelta(days=self.random.randint(0, 20), seconds=self.number())
        rate = Decimal(self.random.choice(["0.75", "1.25", "2", "3"]))
        version = set_price(
            "codex-mini", input=rate, output=Decimal(6), cached_input=None, effective_from=since, actor=OPS, now=self.now
        )
        self.usage.prices.append((since, rate))
        return f"{version.public_id} {rate} from {since}"

    def rate_again(self) -> str:
        since = self.month().start
        scope = scope_for(None, self.workspace, since, None, self.now)
        plan = planned_months(plan_rerating(scope))
        order_rerating(None, self.workspace, scope, reason="a wrong price", plan=plan, actor=OPS, now=self.now)
        continue_orders(self.now)
        self.usage.rate_again(since)
        return f"from {since}"

    def change_terms(self) -> str:
        terms: dict[str, Any] = self.random.choice(
            [
                {"discount_percent": Decimal(self.random.choice([0, 5, 12])), "pricing_from": self.month(1).start},
                {"minimum_commitment": self.random.choice([None, Decimal("25.00"), Decimal("90.00")])},
                {"mode": self.random.choice(["prepaid", "postpaid"])},
                {"payment_days": self.random.choice([0, 14, 30])},
            ]
        )
        save_terms(self.workspace, terms, None, OPS, self.now)
        return str(terms)

    def change_taxes(self) -> str:
        chosen = self.random.choice(["", "VAT 19", "VAT 7", "VAT 19, levy 1.5"])
        rates = []
        for each in filter(None, chosen.split(", ")):
            name, percent = each.split()
            rates.append(TaxRate.objects.get_or_create(name=name, percent=Decimal(percent))[0])
        save_terms(self.workspace, {}, rates, OPS, self.now)
        return chosen

    def agree_on_a_fee(self) -> str:
        name, monthly = self.random.choice(["Platform", "Seats"]), Decimal(self.random.choice(["0.00", "10.00", "29.99"]))
        since = self.month(2).start + timedelta(days=self.random.choice([0, 0, 9, 17]))
        seats = None if name == "Platform" else self.random.randint(0, 7)
        set_fee(self.workspace, name, monthly, seats, since, None, OPS, self.now)
        return f"{name} {monthly} x {seats} from {since:%m-%d}"

    def add_a_line(self) -> str:
        amount = self.amount() * self.random.choice([1, 1, -1])
        month = self.month(2)
        add_line(self.workspace, month, amount, f"Line {self.number()}", OPS, self.now)
        return f"{month.start:%Y-%m} {amount}"

    # --- Invoices ------------------------------------------------------------------------------------------------

    def close_a_month(self) -> str:
        month = previous_month(month_of(self.now)) if self.chance(70) else self.month()
        made = close_workspaces(month, self.now, workspace=self.workspace, finalize=self.chance(85))
        return f"{month.start:%Y-%m} {made}"

    def close_what_is_due(self) -> str:
        return str(close_months_due(self.now))

    def decide_about_a_draft(self) -> str:
        draft = self.pick("draft")
        if draft is None:
            return "nothing"
        if self.chance(40):
            return f"accepted {accept_withdrawal(draft.pk, 'agreed', OPS, self.now)}"
        return f"finalized {finalize(draft.pk, OPS, self.now)}"

    def void_an_invoice(self) -> str:
        invoice = self.pick("open", "uncollectible")
        return "nothing" if invoice is None else str(void_invoice(invoice.pk, "a mistake", OPS, self.now))

    def reissue_a_month(self) -> str:
        invoice = self.pick("void")
        if invoice is None:
            return "nothing"
        draft = reissue(invoice.pk, OPS, self.now)
        if draft is not None and self.chance(80):
            finalize(draft.pk, OPS, self.now)
        return str(draft)

    def write_off(self) -> str:
        invoice = self.pick("open")
        return "nothing" if invoice is None else str(mark_uncollectible(invoice.pk, "bankrupt", OPS, self.now))

    def reverse_a_write_off(self) -> str:
        invoice = self.pick("uncollectible")
        return "nothing" if invoice is None else str(reverse_write_off(invoice.pk, "found money", OPS, self.now))

    def credit_an_invoice(self) -> str:
        invoice = self.pick("open", "paid", "paid", "uncollectible")
        if invoice is None:
            return "nothing"
        lines = [(line, left) for line, left in creditable(invoice).lines if left > 0]
        chosen = None
        if lines and self.chance(70):
            line, left = self.random.choice(lines)
            chosen = {line.public_id: self.amount(left)}
        settlement = self.random.choice(["refund", "balance", "outside"])
        if settlement == "outside" and not self.has_heard_all():  # a person has, of what banks ask back
            return "nothing"
        reference = f"transfer {self.number()}"
        note = issue_credit_note(invoice.pk, chosen, "an outage", settlement, OPS, self.now, reference=reference)
        return f"{invoice} {note.total} {note.settlement}, {note.off_due} off what is due"

    def send_a_refund_again(self) -> str:
        notes = [note for invoice in self.workspace.invoices.all() for note in invoice.credit_notes.filter(settlement="refund")]
        return f"{retry_refund(self.random.choice(notes).pk, OPS, self.now)}" if notes else "nothing"

    def lock_a_month(self) -> str:
        month = previous_month(previous_month(month_of(self.now)))
        return str(lock_period(month, OPS, self.now)) if self.chance(30) else "nothing"

    def close_for_good(self) -> str:
        """Seldom: whatever comes afterwards comes late."""
        if not self.chance(15):
            return "nothing"
        closed = close_for_good(self.workspace, "moves away", self.random.choice(["refund", "refund", "expire"]), OPS, self.now)
        return f"{closed.invoices} {closed.refunded} refunded, {closed.owed} owed"
