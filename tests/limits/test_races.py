"""Many requests at once, each in a transaction of its own: exactly those that fit are allowed."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from metering.credits import ledger
from metering.invoicing.terms.models import BillingTerms
from metering.limits.accounts import ensure_account, lock_account
from metering.limits.budgets.compare import limit_differences
from metering.limits.models import Hold, LimitAccount, ThresholdCrossing
from metering.payments.balance.suspension import update_suspension
from tests.kit.factories import NOW, an_event, make_key, make_price, make_workspace, send
from tests.limits.cast import a_budget, a_key_to_a_dear_model, ask, kept
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 12  # transactions; so many threads stand for any number of requests


@pytest.fixture
def key() -> APIKey:
    return a_key_to_a_dear_model()


def at_once(act: Callable[[int], Any], times: int) -> list[Any]:
    def one(number: int) -> Any:
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(times)))


def ask_for_75(key: APIKey, gateway: Gateway, times: int) -> Counter[str]:
    answers = at_once(
        lambda number: ask(key, gateway, f"req_{number}", model="dear", input_tokens=1, max_output_tokens=0), times
    )
    return Counter(answer.get("reason", "allowed") for answer in answers)


@pytest.mark.parametrize("times", [20, 200, 1000])
def test_requests_of_75_on_500_are_allowed_six_times(key: APIKey, gateway: Gateway, times: int) -> None:
    budgets = [a_budget(key.workspace, "500"), a_budget(key.workspace, "500", "key", key.public_id)]
    assert ask_for_75(key, gateway, times) == {"allowed": 6, "budget_reached": times - 6}
    assert kept(budgets[0]) == kept(budgets[1], key.public_id) == (Decimal(0), Decimal(450))


def test_so_are_those_on_a_prepaid_balance_of_500(key: APIKey, gateway: Gateway) -> None:
    workspace = key.workspace
    BillingTerms.objects.create(workspace=workspace, mode="prepaid")
    ledger.grant(workspace, "purchased", Decimal("500.00"), "ops", NOW)
    update_suspension(workspace.pk, NOW)
    assert ask_for_75(key, gateway, 200) == {"allowed": 6, "balance_used_up": 194}
    account = LimitAccount.objects.get()
    assert (account.balance, account.held) == (Decimal(500), Decimal(450))


def test_the_same_request_at_once_is_held_once(key: APIKey, gateway: Gateway) -> None:
    answers = at_once(lambda _: ask(key, gateway, "req_1", model="dear", input_tokens=1, max_output_tokens=0), 40)
    assert len({answer["hold_id"] for answer in answers}) == Hold.objects.count() == 1


def test_a_budget_made_amidst_requests_misses_none(key: APIKey, gateway: Gateway) -> None:
    def act(number: int) -> Any:
        if number == 20:
            return a_budget(key.workspace, "100000")
        return ask(key, gateway, f"req_{number}", model="dear", input_tokens=1, max_output_tokens=0)

    at_once(act, 60)
    assert Hold.objects.count() == 59
    assert list(limit_differences(NOW)) == []


def test_while_holds_of_a_workspace_without_limits_are_ended_it_gets_no_first_limit(key: APIKey) -> None:
    """Else the budget would count a hold as live that has just ended, for ever."""

    def first_limit(_: int) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        try:
            ensure_account(key.workspace_id)
        except OperationalError as error:
            return str(error).splitlines()[0]
        return "made"

    with transaction.atomic():
        assert lock_account(key.workspace_id) is None
        assert at_once(first_limit, 1) == ["canceling statement due to lock timeout"]
    assert at_once(first_limit, 1) == ["made"]


def test_a_hundred_thresholds_are_crossed_once_each(gateway: Gateway) -> None:
    make_price()
    keys = [make_key(make_workspace(f"W{number}")) for number in range(20)]
    for key in keys:
        a_budget(key.workspace, "0.01", thresholds=[20, 40, 60, 80, 100])
    # 0.002649 each: after four of them 0.010596 is spent
    batches = [[an_event(key, request_id=f"req_{number}") for key in keys] for number in range(4)]
    at_once(lambda number: send(gateway, batches[number]), 4)
    assert ThresholdCrossing.objects.count() == 100
    assert list(limit_differences(NOW)) == []
