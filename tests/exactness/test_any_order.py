"""The order and the batches in which the same things arrive do not show in the end, and neither do two workers at once."""

import pytest
from django.db import transaction
from hypothesis import given

from metering.catalogue.models import PriceVersion
from metering.pricing import current
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.plan import scope_for
from metering.revisions.rerating.reprice import price_waiting
from tests.exactness.agreement import Both
from tests.exactness.arrangements import LAST, Traffic, traffic, two_arrangements
from tests.exactness.facts import Identity, Recorded
from tests.exactness.histories import FIRST
from tests.exactness.history import BEGINNING, Correct, Look, Operation, Send
from tests.kit.concurrent import all_succeed_at_once
from tests.kit.depth import in_rounds, rounds
from tests.kit.factories import forget_names, work

PER_BATCH = 3


@pytest.mark.django_db
@rounds
@given(arrangements=two_arrangements())
@in_rounds(5)
def test_any_order_and_batching_ends_in_the_same_state(
    shared: None, round: int, arrangements: tuple[list[Operation], list[Operation]]
) -> None:
    first, second = (played(arrangement) for arrangement in arrangements)
    assert first == second


def played(arrangement: list[Operation]) -> dict[Identity, tuple[object, ...]]:
    """What is known of each event in the end, on which product and oracle agree."""
    with transaction.atomic():
        forget_names()
        current.forget_rates()
        both = Both()
        both.play(arrangement)
        transaction.set_rollback(True)
    return {identity: known(each) for identity, each in both.oracle.recorded.items()}


def known(each: Recorded) -> tuple[object, ...]:
    return each.event, each.key, each.state


@pytest.mark.django_db(transaction=True)
@rounds
@given(traffic=traffic())
@in_rounds(5)
def test_two_workers_at_once_end_where_one_does(shared: None, round: int, traffic: Traffic) -> None:
    """Each example has keys and models of its own, and leaves them behind."""
    both = Both(f"-{Both.made}")
    product, early = both.product, len(traffic.prices) // 2
    for price in traffic.prices[:early]:
        both.do(price)
    sends = [Send(part, work=False) for part in parts([*traffic.events, *traffic.events[::-1]])]
    corrects = [Correct(part, work=False) for part in parts(traffic.corrections)]
    for operation in [*corrects[::2], *sends, *corrects[1::2]]:
        both.do(operation)
    late = traffic.prices[early:]
    expected = [both.oracle.do(price) for price in late]
    found: list[PriceVersion | None] = []

    def set_prices() -> None:
        found.extend(product.set_price(price) for price in late)
        price_waiting()

    def rate_again() -> None:
        scope = scope_for(None, None, FIRST, None, BEGINNING)
        order_rerating(None, None, scope, reason="a test", plan=[], actor="a test", now=BEGINNING)
        continue_orders(BEGINNING)

    all_succeed_at_once(lambda: work(BEGINNING), set_prices, lambda: work(BEGINNING), rate_again)
    for number, version in zip(expected, found, strict=True):
        assert (number is None) == (version is None)
        if version is not None:
            assert product.prices.setdefault(number, version) == version
    for operation in LAST:
        if isinstance(operation, Look):
            both.check_state()
        else:
            both.oracle.do(operation)
            product.do(operation)


def parts(contents: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    return [contents[at : at + PER_BATCH] for at in range(0, len(contents), PER_BATCH)]
