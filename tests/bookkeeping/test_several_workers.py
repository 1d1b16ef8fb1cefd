"""The same acts by several workers at the same moment, about one customer: after each the books are right."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from metering.payments.provider.errors import ProviderUnavailable
from metering.pricing import current
from metering.reconcile.everything import everything
from omixa_billing.api.errors import Refusal
from tests.bookkeeping.checks import after_every_act, once_all_news_has_arrived
from tests.bookkeeping.swallowed import Swallowed
from tests.bookkeeping.walk import Walk, reporting
from tests.kit.billing import Meter, agree
from tests.kit.concurrent import at_once
from tests.kit.depth import DEEP, dice, examples
from tests.kit.factories import forget_names
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from tests.kit.tally import Tally
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 20 if DEEP else 6
WORKERS = 3
# These note what was used, in the order in which it was recorded: one after another.
ALONE = ("use", "correct_usage", "take_usage_away", "change_price", "rate_again")


class Crowd(Walk):
    def round(self) -> list[str]:
        """An act alone, and then some at once; what became of each."""
        self.later()
        done = []
        with time_machine.travel(self.now, tick=False):
            alone = [each for each in self.acts() if each.__name__ in ALONE]
            together = [each for each in self.acts() if each.__name__ not in ALONE]
            done += self.said([self.random.choice(alone)])
            self.hear()
            done += self.said(self.random.choices(together, k=WORKERS))
        return done

    def said(self, acts: list[Callable[[], Any]]) -> list[str]:
        results = at_once(*acts)
        for each in results:
            if isinstance(each, Exception) and not isinstance(each, Refusal | ProviderUnavailable):
                raise each
        return [f"{self.now:%m-%d %H:%M} {act.__name__}: {each!r}" for act, each in zip(acts, results, strict=True)]


@pytest.mark.parametrize("seed", range(examples(1, 50)))
def test_several_workers_at_once_leave_the_books_right(
    seed: int, key: APIKey, use: Meter, stripe: StripeServer, tally: Tally, pytestconfig: pytest.Config
) -> None:
    forget_names()
    current.forget_rates()
    agree(key.workspace, {"VAT": "19"})
    crowd = Crowd(key, use, stripe, with_method(key.workspace, stripe), dice(seed, pytestconfig))
    done: list[str] = []
    tally["histories"] = 1
    with reporting(done):
        for number in range(1, ROUNDS + 1):
            with Swallowed() as swallowed:
                done += crowd.round()
            assert swallowed.errors == []
            after_every_act(crowd)
            tally["acts"] = len(done)
            if number == ROUNDS or number == 10:
                crowd.come_to_rest()
                after_every_act(crowd)
                once_all_news_has_arrived(crowd)
                assert everything()["differences"] == []
