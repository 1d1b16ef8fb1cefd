"""How often a day credit is bought by people and programs: so many times in a day of UTC, also by purchases that race."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from metering.errors import TooManyTopUps
from metering.payments.models import PaymentAccount, TopUp
from metering.payments.top_ups import purchase
from metering.payments.top_ups.automatic import top_up_low
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import DECLINED, GOOD, StripeServer
from workspaces.keys import issue
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
TOP_UPS = "/api/v1/credits/top-ups"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def two_a_day(settings: Any) -> None:
    settings.TOP_UPS_PER_DAY = 2


def buy(workspace: Workspace, key: str, now: datetime = NOW, method: str = purchase.PAGE) -> TopUp:
    return purchase.buy_credit(workspace, Decimal("50.00"), method, key, "ops", now)


def test_pending_purchases_count_and_the_next_day_begins_at_midnight(stripe: StripeServer, acme: Workspace) -> None:
    for key in ("a", "b"):
        buy(acme, key)
    with pytest.raises(TooManyTopUps, match="may buy credit 2 times a day, and pending purchases count") as refused:
        buy(acme, "c", NOW + 11 * HOUR)
    assert (refused.value.param, refused.value.retry_after) == ("amount", 3601)
    assert (TopUp.objects.count(), len(stripe.of("checkout.session"))) == (2, 2)
    assert buy(acme, "c", NOW + 12 * HOUR).status == "pending"


def test_a_paid_purchase_counts_and_a_declined_one_does_not(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe, DECLINED)
    declined = [buy(acme, key, method=purchase.SAVED).status for key in ("a", "b", "c")]
    with_method(acme, stripe, GOOD)
    assert declined == ["failed"] * 3
    assert [buy(acme, key, method=purchase.SAVED).status for key in ("d", "e")] == ["paid", "paid"]
    with pytest.raises(TooManyTopUps):
        buy(acme, "f", method=purchase.SAVED)
    assert [each["amount"] for each in stripe.succeeded()] == [5000, 5000]


def test_a_repeated_request_is_answered_beyond_the_bound(stripe: StripeServer, acme: Workspace) -> None:
    made = [buy(acme, key).public_id for key in ("a", "b")]
    assert [buy(acme, key).public_id for key in ("a", "b")] == made


def test_each_workspace_has_its_own_bound(stripe: StripeServer, acme: Workspace) -> None:
    for key in ("a", "b"):
        buy(acme, key)
    assert buy(make_workspace("Beta"), "a").status == "pending"


def test_automatic_purchases_do_not_use_up_those_of_people(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    PaymentAccount.objects.update(top_up_below=Decimal("100.00"), top_up_amount=Decimal("20.00"), top_ups_per_day=2)
    assert [top_up_low(NOW + HOUR * number)["topped_up"] for number in range(3)] == [1, 1, 0]
    assert [buy(acme, key).automatic for key in ("a", "b")] == [False, False]
    assert top_up_low(NOW + 11 * HOUR)["topped_up"] == 0
    assert TopUp.objects.filter(automatic=True).count() == 2


@pytest.mark.django_db(transaction=True)
def test_eight_purchases_at_once_do_not_pass_the_bound(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    outcomes = at_once(*[lambda key=key: buy(acme, key, method=purchase.SAVED) for key in "abcdefgh"])
    refused = [each for each in outcomes if isinstance(each, TooManyTopUps)]
    assert (len(refused), TopUp.objects.count()) == (6, 2)
    assert [each["amount"] for each in stripe.succeeded()] == [5000, 5000]


@time_machine.travel(NOW, tick=False)
def test_over_http_it_is_a_429_that_says_when(stripe: StripeServer, acme: Workspace, settings: Any) -> None:
    settings.TOP_UPS_PER_DAY = 0
    _, secret = issue.create_key(acme, "admin", "server", "tests", NOW)
    client = APIClient(headers={"authorization": f"Bearer {secret}"})
    answer = client.post(TOP_UPS, {"amount": "50.00"}, format="json", headers={"idempotency-key": "k"})
    assert (answer.status_code, answer["Retry-After"]) == (429, "43201")
    assert answer.json()["error"] | {"message": ""} == {
        "message": "",
        "type": "rate_limit_error",
        "code": "too_many_top_ups",
        "param": "amount",
    }
    assert TopUp.objects.count() == 0
