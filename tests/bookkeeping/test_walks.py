"""All acts of finance together, in random order, while Stripe fails and processes die: after each the books are right.

`DEEP=1` tells 2,000 histories of 60 acts, others each time.
"""

import pytest
import time_machine

from metering.pricing import current
from metering.reconcile.everything import everything
from metering.reconcile.with_stripe import against_stripe
from tests.bookkeeping.checks import after_every_act, exports_are_the_books, once_all_news_has_arrived
from tests.bookkeeping.swallowed import Swallowed
from tests.bookkeeping.walk import Walk, reporting
from tests.kit.billing import Meter, agree
from tests.kit.depth import DEEP, dice, examples
from tests.kit.factories import forget_names
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from tests.kit.tally import Tally
from workspaces.models import APIKey

pytestmark = pytest.mark.django_db
ACTS = 60 if DEEP else 30


def tell(walk: Walk, tally: Tally) -> None:
    done: list[str] = []
    with reporting(done):
        for number in range(1, ACTS + 1):
            with Swallowed() as swallowed:
                done.append(walk.step())
            assert swallowed.errors == []
            after_every_act(walk)
            tally["acts"] += 1
            if number % (20 if DEEP else ACTS) == 0:
                walk.come_to_rest()
                after_every_act(walk)
                once_all_news_has_arrived(walk)
                exports_are_the_books(walk)
                with time_machine.travel(walk.now, tick=False):
                    assert against_stripe(walk.now) == []
                assert everything()["differences"] == []


@pytest.mark.parametrize("seed", range(examples(2, 2_000)))
def test_whatever_happens_the_books_are_right(
    seed: int, key: APIKey, use: Meter, stripe: StripeServer, tally: Tally, pytestconfig: pytest.Config
) -> None:
    forget_names()
    current.forget_rates()
    agree(key.workspace, {"VAT": "19"})
    tally["histories"] = 1
    tell(Walk(key, use, stripe, with_method(key.workspace, stripe), dice(seed, pytestconfig)), tally)
