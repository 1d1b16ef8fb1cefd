"""A walk: one act of finance after the other, at random, while Stripe fails."""

from collections.abc import Iterator
from contextlib import contextmanager

import time_machine

from metering.payments.models import PaymentAttempt, Refund
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.webhooks.models import WebhookEvent
from omixa_billing.api.errors import Refusal
from tests.bookkeeping.banking import Banking
from tests.bookkeeping.paying import Paying
from tests.bookkeeping.selling import Selling
from tests.bookkeeping.world import Act

TRIES = 5  # an act may have nothing to act on
WAYS = ("die_before", "die_after", "error_500_before", "error_500_after")


class Walk(Selling, Paying, Banking):
    def acts(self) -> list[Act]:
        return [*self.selling(), *self.paying(), *self.banking()]

    def step(self) -> str:
        """Does one act; what it was, with a note where the product refused it or Stripe failed."""
        self.later()
        with time_machine.travel(self.now, tick=False):
            if self.chance(25):
                self.hear()
            fault = self._fault()
            for _ in range(TRIES):
                act = self.random.choice(self.acts())
                try:
                    done = f"{act()}"
                except (Refusal, ProviderUnavailable) as refusal:
                    done = f"refused: {type(refusal).__name__} {refusal}"
                if done != "nothing":
                    break
            self.stripe.faults.clear()
            return f"{self.now:%m-%d %H:%M} {act.__name__} {fault}: {done}"

    def _fault(self) -> str:
        if not self.chance(30):
            return ""
        number, how = self.random.randint(1, 3), self.random.choice(WAYS)
        self.stripe.fail_at(number, how)
        return f"[{number} {how}] "

    def come_to_rest(self) -> None:
        """All that was begun ends, and all news arrives. No top-up begins: of a low balance each leads to the next."""
        for _ in range(12):
            self.later()
            with time_machine.travel(self.now, tick=False):
                for intent in [each for each in self.stripe.of("payment_intent") if each["status"] == "processing"]:
                    self.stripe.settle(intent["id"])
                    self.happens("payment_intent.succeeded", intent)
                for refund in [each for each in self.stripe.of("refund") if each["status"] == "pending"]:
                    refund["status"] = "succeeded"
                    self.happens("refund.updated", refund)
                self.hear(all_of_it=True)
                self.jobs(top_ups=False)
            if not self._unsettled():
                return
        raise AssertionError(f"it does not come to rest: {self._unsettled()}")

    def _unsettled(self) -> list[str]:
        pages = PaymentAttempt.objects.unsettled().filter(channel="payment_page").exclude(session_url="")
        attempts = PaymentAttempt.objects.unsettled().exclude(pk__in=pages)
        waiting = WebhookEvent.objects.filter(status__in=["waiting", "failed"])
        found = [f"{each.type} of {each.object_id}: {each.error}" for each in waiting]
        found += [f"{each}: {each.status} {each.trouble}" for each in attempts]
        found += [f"{each}: {each.status} {each.trouble}" for each in Refund.objects.filter(status__in=["started", "pending"])]
        return found + [str(each) for each in self.untold]


@contextmanager
def reporting(done: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note("\n".join(done))
        raise
