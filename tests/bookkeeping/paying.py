"""Money that comes: by card, by bank debit, on a page, by hand; credit that is given and taken."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from metering.credits import ledger
from metering.payments.balance.expiry import expire_due_credits
from metering.payments.balance.suspension import update_suspensions
from metering.payments.balance.transfer import transfer_credit
from metering.payments.collecting import attempts
from metering.payments.collecting.collect import charge_now, collect_due, collect_invoice, payment_page
from metering.payments.collecting.dunning import dun
from metering.payments.collecting.manual import mark_paid, record_transfer
from metering.payments.models import PaymentAttempt
from metering.payments.refunds import refunds
from metering.payments.refunds.withdrawals import withdraw_credit
from metering.payments.top_ups.automatic import top_up_low
from metering.payments.top_ups.preferences import save_preferences
from metering.payments.top_ups.purchase import PAGE, SAVED, buy_credit
from metering.payments.webhooks.inbox import handle_waiting
from metering.periods import next_month
from tests.bookkeeping.world import OPS, Act, World
from tests.kit.stripe_server import BANK, DECLINED, GOOD, NEEDS_OWNER


class Paying(World):
    def paying(self) -> list[Act]:
        return [
            *[self.collect] * 2,
            self.pay_when_asked,
            self.open_a_page,
            *[self.pay_on_a_page] * 2,
            *[self.end_a_debit] * 2,
            self.change_the_method,
            self.pay_by_hand,
            *[self.pay_some_by_hand] * 2,
            *[self.buy_credit] * 3,
            self.prefer_top_ups,
            *[self.grant] * 3,
            self.withdraw,
            *[self.transfer_credit] * 3,
            *[self.jobs] * 5,
            self.hear_and_handle,
        ]

    # --- At Stripe -----------------------------------------------------------------------------------------------

    def collect(self) -> str:
        invoice = self.pick("open")
        return "nothing" if invoice is None else str(collect_invoice(invoice.pk, self.now))

    def pay_when_asked(self) -> str:
        invoice = self.pick("open", "uncollectible")
        return "nothing" if invoice is None else str(charge_now(invoice, OPS, self.now))

    def open_a_page(self) -> str:
        invoice = self.pick("open", "uncollectible")
        return "nothing" if invoice is None else payment_page(invoice, self.now)

    def pay_on_a_page(self) -> str:
        """The customer has its address, whatever became of the invoice meanwhile."""
        known = set(PaymentAttempt.objects.exclude(session_id="").values_list("session_id", flat=True))
        pages = [each for each in self.stripe.of("checkout.session") if each["status"] == "open" and each["id"] in known]
        if not pages:
            return "nothing"
        page = self.random.choice(pages)
        self.stripe.complete(page["id"], self.random.choice([GOOD, GOOD, BANK, DECLINED]))
        self.happens("checkout.session.completed", page)
        if page["payment_intent"]:
            self.happens("payment_intent.succeeded", self.stripe.objects[page["payment_intent"]])
        return str(page["id"])

    def end_a_debit(self) -> str:
        """It comes through or does not; one that came through may be returned."""
        intents = self.stripe.of("payment_intent")
        under_way = [each for each in intents if each["status"] == "processing"]
        if under_way:
            intent = self.random.choice(under_way)
            self.stripe.settle(intent["id"], succeeded=self.chance(70))
            self.happens("payment_intent.succeeded", intent)
            return f"{intent['id']} {intent['status']}"
        return "nothing"

    def change_the_method(self) -> str:
        kind = self.random.choice([GOOD, GOOD, GOOD, DECLINED, NEEDS_OWNER, BANK])
        self.account.refresh_from_db()
        self.account.method_id = self.stripe.save_method(str(self.account.customer_id), kind)
        self.account.save(update_fields=["method_id"])
        return kind

    def buy_credit(self) -> str:
        method = self.random.choice([SAVED, SAVED, PAGE])
        return str(buy_credit(self.workspace, self.amount() + 5, method, f"key-{self.number()}", OPS, self.now))

    def prefer_top_ups(self) -> str:
        below, amount = self.random.choice([(None, None), (Decimal("20.00"), Decimal("30.00"))])
        save_preferences(self.workspace, None, below, amount, 5, OPS, self.now)
        return f"{below}"

    # --- By hand -------------------------------------------------------------------------------------------------

    def pay_by_hand(self) -> str:
        invoice = self.pick("open", "uncollectible")
        if invoice is None:
            return "nothing"
        days = self.random.choice([0, 0, 5, 40])
        paid = mark_paid(invoice.pk, f"transfer {self.number()}", OPS, self.now, (self.now - timedelta(days=days)).date())
        by_hand = paid.payments.filter(method="by_hand").order_by("pk").last()
        if by_hand is not None:
            self.at_hand.move(by_hand.amount, "bank", "customer")
        return f"{paid} {by_hand}"

    def pay_some_by_hand(self) -> str:
        """A part, all, or too much, of one invoice or of several."""
        owed = list(self.workspace.invoices.filter(status__in=["open", "uncollectible"]).order_by("pk"))
        if not owed:
            return "nothing"
        chosen = self.random.sample(owed, self.random.randint(1, len(owed)))
        amount = self.amount(sum((each.amount_due for each in chosen), Decimal("30.00")))
        receipt = record_transfer([each.pk for each in chosen], amount, f"transfer {self.number()}", OPS, self.now)
        self.at_hand.move(amount, "bank", "customer")
        return f"{amount} for {receipt.invoices}"

    # --- Credit --------------------------------------------------------------------------------------------------

    def grant(self) -> str:
        kind = self.random.choice(["promotional", "goodwill", "purchased"])
        ends: Any = self.random.choice([None, self.now + timedelta(days=9), next_month(self.now)])
        amount = self.amount()
        ledger.grant(self.workspace, kind, amount, OPS, self.now, expires_at=ends)
        if kind == "purchased":
            self.at_hand.move(amount, "other", "customer")
        return f"{kind} {amount} until {ends}"

    def withdraw(self) -> str:
        lefts = ledger.remaining_grants(self.workspace)
        if not lefts:
            return "nothing"
        each = self.random.choice(lefts)
        taken = withdraw_credit(each.grant, "by mistake", OPS, self.now)
        bought_elsewhere = each.grant.kind == "purchased" and each.grant.source is None
        if bought_elsewhere:
            self.at_hand.move(taken, "customer", "other")
        return f"{each.grant.public_id} {taken}"

    def transfer_credit(self) -> str:
        """To another workspace of the customer, or from there."""
        ends = [self.workspace, self.elsewhere]
        self.random.shuffle(ends)
        amount, kind = self.amount(), self.random.choice([None, None, "purchased"])
        transfer_credit(*ends, amount, f"split {self.number()}", OPS, self.now, kind=kind)
        return f"{amount} from {ends[0]}"

    # --- What runs by itself -------------------------------------------------------------------------------------

    def hear_and_handle(self) -> str:
        self.hear()
        return str(handle_waiting(self.now))

    def jobs(self, top_ups: bool = True) -> str:
        done = [handle_waiting(self.now), attempts.recover_attempts(self.now), refunds.recover_refunds(self.now)]
        done += [top_up_low(self.now)] if top_ups else []
        done += [update_suspensions(self.now), collect_due(self.now), dun(self.now, collect_invoice)]
        done += [expire_due_credits(self.now)]
        return " ".join(str({name: count for name, count in each.items() if count}) for each in done)
