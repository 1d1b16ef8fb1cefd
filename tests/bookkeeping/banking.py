"""Money that goes back: refunds at both ends, disputes, returned debits and chargebacks, surpluses, payouts."""

from decimal import Decimal
from typing import Any

from metering.payments.disputes.chargebacks import charge_back, reverse_chargeback
from metering.payments.models import Dispute, Payment, Refund
from metering.payments.refunds import refunds
from metering.payments.refunds.payouts import owed_to, pay_out
from metering.payments.refunds.surplus import keep_surplus_as_credit
from metering.payments.webhooks.inbox import handle_waiting
from tests.bookkeeping.world import OPS, Act, World, cents


class Banking(World):
    def banking(self) -> list[Act]:
        return [
            *[self.refund] * 2,
            *[self.refund_at_stripe] * 2,
            *[self.end_a_refund] * 2,
            *[self.dispute] * 2,
            *[self.decide_a_dispute] * 3,
            self.refund_a_won_dispute,
            self.return_a_debit,
            *[self.charge_back_by_hand] * 2,
            self.reverse_a_chargeback,
            self.keep_a_surplus,
            self.pay_out,
        ]

    def refund(self) -> str:
        payment = self.one_of(Payment.objects.filter(workspace=self.workspace))
        if payment is None or not (left := refunds.refundable_amount(payment)):
            return "nothing"
        amount = self.amount(left)
        made = refunds.refund(payment.pk, amount, "asked for", OPS, self.now, reference=f"transfer {self.number()}")
        return f"{payment.public_id} {amount} {made.status}"

    def refund_at_stripe(self) -> str:
        """A person does it there; their page offers what is left there."""
        intent = self._paid_there()
        if intent is None or (left := self.left_there(intent)) <= 0:
            return "nothing"
        amount = self.random.randint(1, left)
        status = self.random.choice(["succeeded", "succeeded", "pending"])
        made = self.stripe.make("refund", "re_", payment_intent=intent["id"], amount=amount, status=status, currency="usd")
        self.happens("refund.created", made)
        return f"{intent['id']} {amount} {status}"

    def end_a_refund(self) -> str:
        """One that is on its way arrives or fails; one that arrived fails, as banks do."""
        made = [each for each in self.stripe.of("refund") if each["status"] in ("pending", "succeeded")]
        if not made:
            return "nothing"
        refund = self.random.choice(made)
        if refund["status"] == "pending" and self.chance(60):
            refund["status"] = "succeeded"
        else:
            refund.update(status="failed", failure_reason="closed account")
        self.happens("refund.updated", refund)
        return f"{refund['id']} {refund['status']}"

    def dispute(self) -> str:
        intent = self._paid_there()
        if intent is None or (left := self.left_there(intent)) <= 0:
            return "nothing"
        dispute = self.stripe.dispute(intent["id"], self.random.choice(["needs_response"] * 3 + ["warning_needs_response"]))
        fee = self.random.choice([0, 1500])
        moved = [{"fee": fee, "currency": "usd"}]
        dispute.update(amount=left if self.chance(60) else self.random.randint(1, left), balance_transactions=moved)
        self.happens("charge.dispute.created", dispute)
        return f"{intent['id']} {dispute['amount']} {dispute['status']}"

    def decide_a_dispute(self) -> str:
        open_ones = [each for each in self.stripe.of("dispute") if each["status"] not in ("won", "warning_closed")]
        if not open_ones:
            return "nothing"
        dispute = self.random.choice(open_ones)
        nexts = {
            "warning_needs_response": ["warning_closed", "needs_response"],
            "needs_response": ["under_review", "lost", "won"],
            "under_review": ["lost", "won"],
            "lost": ["won"] if self.chance(30) else ["lost"],
        }
        before, dispute["status"] = dispute["status"], self.random.choice(nexts[dispute["status"]])
        if before.startswith("warning") and dispute["status"] == "needs_response":  # of what was not refunded meanwhile
            dispute["status"] = before
            left = self.left_there(self.stripe.objects[dispute["payment_intent"]])
            dispute["status"] = "needs_response" if left > 0 else "warning_closed"
            dispute["amount"] = min(dispute["amount"], max(left, 1))
        self.happens("charge.dispute.closed", dispute)
        return f"{dispute['id']} {dispute['status']}"

    def refund_a_won_dispute(self) -> str:
        """The bank decides, a person gives the money back there at once, and of that the news comes first."""
        running = [each for each in self.stripe.of("dispute") if each["status"] in ("needs_response", "under_review")]
        if not running:
            return "nothing"
        dispute = self.random.choice(running)
        intent = self.stripe.objects[dispute["payment_intent"]]
        dispute["status"] = "won"
        self.happens("charge.dispute.closed", dispute)
        amount = self.random.choice([self.left_there(intent), dispute["amount"]])
        made = self.stripe.make("refund", "re_", payment_intent=intent["id"], amount=amount, status="succeeded", currency="usd")
        self.happens("refund.created", made)
        self.hear_of("refund.created", made["id"])
        handle_waiting(self.now)
        return f"{dispute['id']} {amount}"

    def return_a_debit(self) -> str:
        """Of a payment by bank debit that had succeeded, and of which nothing went back."""
        debits = [each for each in self.stripe.succeeded() if str(each.get("payment_method")).startswith("pm_bank")]
        debits = [each for each in debits if self.left_there(each) == each["amount_received"]]
        if not debits or not self.chance(50):
            return "nothing"
        intent = self.random.choice(debits)
        error = {"code": "debit_not_authorized", "message": "The bank refused the debit."}
        intent.update(status="requires_payment_method", last_payment_error=error, _returned=intent["amount_received"])
        self.happens("payment_intent.payment_failed", intent)
        return str(intent["id"])

    def charge_back_by_hand(self) -> str:
        """The bank takes back what came by transfer, as far as it is still there, and a fee."""
        there = {
            each: refunds.left_of(each) + each.kept
            for each in Payment.objects.filter(workspace=self.workspace, method="by_hand").order_by("-pk")
        }
        payment = self.random.choice([each for each in there if there[each] > 0] or [None])
        if payment is None:
            return "nothing"
        # All of others before it, of which nothing else went back.
        whole = [each for each in there if each != payment and there[each] == each.amount - each.charged_back > 0]
        payments = [*self.random.sample(whole, min(len(whole), self.random.choice([0, 0, 1]))), payment]
        amount = self.amount(there[payment]) + sum((there[each] for each in payments[:-1]), Decimal("0.00"))
        fee = Decimal(self.random.choice(["0.00", "12.50"]))
        charge_back(payments, amount, f"return {self.number()}", fee, OPS, self.now)
        self.at_hand.move(amount, "customer", "bank")
        self.at_hand.move(fee, "stripe", "bank")  # where all fees are
        return f"{payments} {amount}"

    def reverse_a_chargeback(self) -> str:
        lost = Dispute.objects.exclude(reference="").filter(payment__workspace=self.workspace, reinstated_at=None)
        dispute = self.one_of(lost)
        if dispute is None:
            return "nothing"
        amount = sum((each.charged_back for each in reverse_chargeback(dispute.pk, "paid again", OPS, self.now)), Decimal(0))
        self.at_hand.move(amount, "bank", "customer")
        if self.chance(40):  # and takes it once more
            charge_back([dispute.payment], dispute.charged_back, f"return {self.number()}", Decimal("0.00"), OPS, self.now)
            self.at_hand.move(dispute.charged_back, "customer", "bank")
        return f"{dispute.reference} {amount}"

    def keep_a_surplus(self) -> str:
        payment = self.one_of(Payment.objects.surplus().filter(workspace=self.workspace))
        return "nothing" if payment is None else str(keep_surplus_as_credit(payment.pk, "asked for", OPS, self.now))

    def pay_out(self) -> str:
        """By a person who has heard of what banks ask back."""
        owed = owed_to(self.workspace)
        if not self.has_heard_all() or owed.total <= 0:
            return "nothing"
        amount = owed.total if self.chance(60) else cents(self.amount(owed.total))
        return str(pay_out(self.workspace, amount, f"payout {self.number()}", OPS, self.now))

    def _paid_there(self) -> dict[str, Any] | None:
        paid = self.stripe.succeeded()
        return self.random.choice(paid) if paid else None

    def left_there(self, intent: dict[str, Any]) -> int:
        """In cents: what Stripe still has of it."""
        back = sum(each["amount"] for each in self.stripe.of("refund") if is_out(each, intent))
        gone = sum(each["amount"] for each in self.stripe.of("dispute") if is_taken(each, intent))
        return int(intent["amount_received"]) - back - gone - self._gone_by_hand(intent)

    @staticmethod
    def _gone_by_hand(intent: dict[str, Any]) -> int:
        """A person who sent it back by a transfer does not give it back there as well."""
        sent = Refund.objects.filter(payment__intent_id=intent["id"]).exclude(reference="")
        return sum(int(each.amount * 100) for each in sent)


def is_out(refund: dict[str, Any], intent: dict[str, Any]) -> bool:
    return refund["payment_intent"] == intent["id"] and refund["status"] != "failed"


def is_taken(dispute: dict[str, Any], intent: dict[str, Any]) -> bool:
    taken = dispute["status"] in ("needs_response", "under_review", "lost")
    return bool(dispute["payment_intent"] == intent["id"] and taken)
