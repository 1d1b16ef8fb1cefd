"""All acts of finance together, in random order, while Stripe fails and processes die: after each the books are right.

`DEEP=1` tells 2,000 histories of 60 acts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
import time_machine

from metering.payments.models import PaymentAttempt, Refund
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.webhooks.models import WebhookEvent
from metering.pricing import current
from metering.reconcile.everything import everything
from metering.reconcile.with_stripe import against_stripe
from omixa_billing.api.errors import Refusal
from tests.journal.walks.banking import Banking
from tests.journal.walks.checks import after_every_act, once_all_news_has_arrived
from tests.journal.walks.paying import Paying
from tests.journal.walks.selling import Selling
from tests.journal.walks.swallowed import Swallowed
from tests.journal.walks.world import Act
from tests.kit.billing import Meter, agree
from tests.kit.depth import DEEP, examples
from tests.kit.factories import forget_names
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
ACTS = 60 if DEEP else 30
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
        """All that was begun ends, and all news arrives."""
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
                self.jobs()
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


def tell(walk: Walk) -> None:
    done: list[str] = []
    with told(done):
        for number in range(1, ACTS + 1):
            with Swallowed() as swallowed:
                done.append(walk.step())
            assert swallowed.errors == []
            after_every_act(walk)
            if number % (20 if DEEP else ACTS) == 0:
                walk.come_to_rest()
                after_every_act(walk)
                once_all_news_has_arrived(walk)
                with time_machine.travel(walk.now, tick=False):
                    assert against_stripe(walk.now) == []
                assert everything()["differences"] == []


@contextmanager
def told(done: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note("\n".join(done))
        raise


@pytest.mark.parametrize("seed", range(examples(2, 2_000)))
def test_whatever_happens_the_books_are_right(seed: int, key: APIKey, use: Meter, stripe: StripeServer) -> None:
    forget_names()
    current.forget_rates()
    agree(key.workspace, {"VAT": "19"})
    tell(Walk(key, use, stripe, with_method(key.workspace, stripe), Random(seed)))  # noqa: S311
