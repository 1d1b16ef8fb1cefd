"""Credit that buys itself: once, within its bounds, never after a decline, whichever process dies over it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from metering.errors import SandboxBuysNothing
from metering.payments.balance.balance import Balance, balance_of
from metering.payments.collecting import attempts
from metering.payments.models import PaymentAccount, TopUp
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.top_ups import automatic, purchase
from metering.payments.top_ups.as_json import top_up_url
from metering.payments.top_ups.automatic import top_up_low
from metering.payments.top_ups.preferences import save_preferences
from tests.kit.concurrent import at_once
from tests.kit.factories import NOW, make_workspace
from tests.kit.paying import with_method
from tests.kit.stripe_server import DECLINED, GOOD, StripeServer
from workspaces.keys import issue
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TOP_UPS = "/api/v1/credits/top-ups"


class Died(BaseException):
    """As if the process were killed: nothing catches it."""


def watch(workspace: Workspace, stripe: StripeServer, below: str = "10.00", per_day: int = 3, method: str = GOOD) -> None:
    """20.00 are bought from the saved method whenever less than `below` is left."""
    with_method(workspace, stripe, method)
    PaymentAccount.objects.filter(workspace=workspace).update(
        top_up_below=Decimal(below), top_up_amount=Decimal("20.00"), top_ups_per_day=per_day
    )


def charged(stripe: StripeServer) -> list[int]:
    return [each["amount"] for each in stripe.succeeded()]


def another_run_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """While this run looks at its first balance, another one runs from beginning to end."""
    ran: list[dict[str, int]] = []

    def slow(workspace: Workspace, now: Any) -> Balance:
        seen = balance_of(workspace, now)
        if not ran:
            ran.append({})
            ran.append(top_up_low(now))
        return seen

    monkeypatch.setattr(automatic, "balance_of", slow)


def test_two_runs_at_once_buy_once(stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(acme, stripe)
    another_run_first(monkeypatch)
    assert top_up_low(NOW)["topped_up"] == 0
    assert (charged(stripe), TopUp.objects.count()) == ([2000], 1)


def test_two_runs_at_once_keep_the_bound_of_a_day(
    stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(acme, stripe, below="100.00", per_day=1)
    another_run_first(monkeypatch)
    assert top_up_low(NOW)["topped_up"] == 0
    assert charged(stripe) == [2000]


def test_a_run_that_began_before_a_decline_charges_nothing(
    stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(acme, stripe, method=DECLINED)
    another_run_first(monkeypatch)
    top_up_low(NOW)
    assert [each["status"] for each in stripe.of("payment_intent")] == ["canceled"]
    assert TopUp.objects.get().status == "failed"


@pytest.mark.django_db(transaction=True)
def test_four_workers_buy_once(stripe: StripeServer, acme: Workspace) -> None:
    watch(acme, stripe)
    runs = at_once(*[lambda: top_up_low(NOW)] * 4)
    assert sum(run["topped_up"] for run in runs) == 1
    assert charged(stripe) == [2000]


def test_a_worker_killed_before_it_paid_leaves_a_purchase_that_is_taken_up(
    stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Died

    watch(acme, stripe)
    with monkeypatch.context() as patched:
        patched.setattr(purchase, "pay_top_up", die)
        with pytest.raises(Died):
            top_up_low(NOW)
    assert top_up_low(NOW + MINUTE)["topped_up"] == 0
    attempts.recover_attempts(NOW + 5 * MINUTE)
    assert (TopUp.objects.get().status, charged(stripe)) == ("paid", [2000])


def test_a_worker_killed_while_it_writes_leaves_nothing_in_the_way(
    stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise Died

    watch(acme, stripe)
    with monkeypatch.context() as patched:
        patched.setattr(purchase, "begin_for_top_up", die)
        with pytest.raises(Died):
            top_up_low(NOW)
    assert TopUp.objects.count() == 0
    assert top_up_low(NOW + MINUTE)["topped_up"] == 1


# --- Top-ups without an attempt, as older versions left them -----------------------------------------------------


# --- Asked for ----------------------------------------------------------------------------------------------------


def test_while_no_customer_can_be_made_nothing_is_bought_and_repeating_buys(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(1, "die_before")
    with pytest.raises(ProviderUnavailable):
        purchase.buy_credit(acme, Decimal("50.00"), purchase.PAGE, "a-key", "ops", NOW)
    assert TopUp.objects.count() == 0
    bought = purchase.buy_credit(acme, Decimal("50.00"), purchase.PAGE, "a-key", "ops", NOW + MINUTE)
    assert top_up_url(bought) == stripe.of("checkout.session")[0]["url"]


def ask(workspace: Workspace, body: dict[str, Any]) -> Any:
    _, secret = issue.create_key(workspace, "admin", "server", "tests", NOW)
    client = APIClient(headers={"authorization": f"Bearer {secret}"})
    return client.post(TOP_UPS, body, format="json", headers={"idempotency-key": "k"})


def test_over_http_one_is_asked_to_repeat(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(1, "die_before")
    answer = ask(acme, {"amount": "50.00"})
    assert (answer.status_code, answer.json()["error"]["code"], answer["Retry-After"]) == (503, "stripe_unavailable", "30")


def test_a_sandbox_buys_no_credit(stripe: StripeServer) -> None:
    sandbox = make_workspace("Play", sandbox=True)
    answer = ask(sandbox, {"amount": "20.00"})
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        {
            "message": "This workspace is a sandbox: nothing in it costs money, so it needs no credit.",
            "type": "conflict_error",
            "code": "sandbox_buys_nothing",
            "param": None,
        },
    )
    with pytest.raises(SandboxBuysNothing):
        save_preferences(sandbox, None, Decimal("10.00"), Decimal("20.00"), 3, "ops", NOW)
    watch(sandbox, stripe)
    assert top_up_low(NOW)["topped_up"] == 0
    assert (TopUp.objects.count(), charged(stripe)) == (0, [])
