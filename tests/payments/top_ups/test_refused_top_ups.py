"""A purchase that Stripe refused is over, and an old one is looked at again before anything is charged for it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.credits import ledger
from metering.payments.collecting.attempts import recover_attempts
from metering.payments.models import PaymentAccount, TopUp
from metering.payments.provider.errors import ProviderRefused
from metering.payments.top_ups import purchase
from metering.payments.top_ups.automatic import top_up_low
from metering.payments.top_ups.preferences import save_preferences
from tests.kit.factories import NOW
from tests.kit.paying import with_method
from tests.kit.stripe_server import StripeServer
from workspaces.keys import issue
from workspaces.models import APIKey, Workspace

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CHARGES = "/v1/payment_intents"


def is_charge(method: str, path: str, _: Any) -> bool:
    return (method, path) == ("POST", CHARGES)


def buy(workspace: Workspace, key: str, now: Any = NOW, actor: str = "ops", amount: str = "50.00") -> TopUp:
    return purchase.buy_credit(workspace, Decimal(amount), purchase.SAVED, key, actor, now)


def top_ups() -> list[tuple[str, str]]:
    return [(each.status, each.message) for each in TopUp.objects.order_by("pk")]


def charged(stripe: StripeServer) -> list[int]:
    return [each["amount"] for each in stripe.succeeded()]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": "Expired API Key provided"}),
        (400, {"code": "amount_too_large", "message": "Amount must be no more than $999,999.99"}),
        (400, {"message": "Received unknown parameter", "code": "parameter_unknown"}),
    ],
)
def test_what_stripe_refuses_has_failed_and_is_never_charged_later(
    stripe: StripeServer, acme: Workspace, status: int, error: dict[str, str]
) -> None:
    with_method(acme, stripe)
    stripe.refuse(is_charge, status, **error)
    with pytest.raises(ProviderRefused) as refused:
        buy(acme, "first")
    assert top_ups() == [("failed", refused.value.message)]
    stripe.refusals.clear()
    assert buy(acme, "second", NOW + MINUTE).status == "paid"
    for after in (5 * MINUTE, DAY, 10 * DAY):
        recover_attempts(NOW + after)
    assert (charged(stripe), [status for status, _ in top_ups()]) == ([5000], ["failed", "paid"])
    assert buy(acme, "first", NOW + DAY).status == "failed", "the key has its answer"


def unasked(stripe: StripeServer, acme: Workspace, **more: Any) -> TopUp:
    """A purchase whose call was lost on its way to Stripe."""
    with_method(acme, stripe)
    stripe.fail_at(1, "die_before")
    stripe.fail_at(2, "die_before")
    bought = buy(acme, "first", **more)
    assert (bought.status, charged(stripe)) == ("pending", [])
    return bought


def test_an_unknown_outcome_is_looked_up_and_charged_once(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    stripe.fail_at(1, "die_after")
    stripe.fail_at(2, "die_before")
    assert buy(acme, "first").status == "pending"
    recover_attempts(NOW + 10 * DAY)
    assert (charged(stripe), top_ups()) == ([5000], [("paid", "")])


def test_one_that_nothing_came_of_is_charged_within_the_hour(stripe: StripeServer, acme: Workspace) -> None:
    unasked(stripe, acme)
    recover_attempts(NOW + 5 * MINUTE)
    assert (charged(stripe), top_ups()) == ([5000], [("paid", "")])


def test_one_that_is_hours_old_is_not_charged_any_more(stripe: StripeServer, acme: Workspace) -> None:
    unasked(stripe, acme)
    recover_attempts(NOW + 61 * MINUTE)
    assert (charged(stripe), top_ups()) == ([], [("failed", "Nothing was charged. It was asked for too long ago.")])


def test_one_beside_which_another_was_bought_is_not_charged(stripe: StripeServer, acme: Workspace) -> None:
    unasked(stripe, acme)
    assert buy(acme, "second", NOW + MINUTE).status == "paid"
    recover_attempts(NOW + 5 * MINUTE)
    assert top_ups()[0][0] == "pending", "the lost call may still arrive"
    recover_attempts(NOW + 10 * MINUTE)
    assert (charged(stripe), top_ups()[0]) == ([5000], ("failed", "Nothing was charged. Credit was bought meanwhile."))


def test_one_whose_key_was_revoked_is_not_charged(stripe: StripeServer, acme: Workspace) -> None:
    key, _ = issue.create_key(acme, "admin", "server", "tests", NOW)
    unasked(stripe, acme, actor=key.public_id)
    APIKey.objects.filter(pk=key.pk).update(revoked_at=NOW)
    recover_attempts(NOW + 10 * MINUTE)
    assert charged(stripe) == []
    assert top_ups() == [("failed", "Nothing was charged. The key or person that asked for it may not buy credit any more.")]


def test_one_for_a_method_that_was_changed_is_not_charged(stripe: StripeServer, acme: Workspace) -> None:
    unasked(stripe, acme)
    PaymentAccount.objects.update(method_id="")
    recover_attempts(NOW + 10 * MINUTE)
    assert (charged(stripe), top_ups()[0][1]) == ([], "Nothing was charged. The payment method was changed meanwhile.")


def begun_automatically(stripe: StripeServer, acme: Workspace) -> None:
    with_method(acme, stripe)
    PaymentAccount.objects.update(top_up_below=Decimal("10.00"), top_up_amount=Decimal("20.00"))
    stripe.fail_at(1, "die_before")
    stripe.fail_at(2, "die_before")
    assert top_up_low(NOW)["topped_up"] == 0
    assert top_ups() == [("pending", "")]


def test_an_automatic_one_is_not_charged_after_it_was_switched_off(stripe: StripeServer, acme: Workspace) -> None:
    begun_automatically(stripe, acme)
    save_preferences(acme, None, None, None, 3, "ops", NOW + MINUTE)
    recover_attempts(NOW + 10 * MINUTE)
    assert charged(stripe) == []
    assert top_ups() == [("failed", "Nothing was charged. The automatic top-up is not wanted any more.")]


def test_an_automatic_one_is_not_charged_when_the_balance_is_high_by_then(stripe: StripeServer, acme: Workspace) -> None:
    begun_automatically(stripe, acme)
    ledger.grant(acme, "goodwill", Decimal("100.00"), "ops", NOW)
    recover_attempts(NOW + 10 * MINUTE)
    assert (charged(stripe), top_ups()[0][0]) == ([], "failed")


def test_an_automatic_one_that_is_refused_is_tried_again_after_an_hour_and_not_before(
    stripe: StripeServer, acme: Workspace
) -> None:
    with_method(acme, stripe)
    PaymentAccount.objects.update(top_up_below=Decimal("10.00"), top_up_amount=Decimal("20.00"))
    stripe.refuse(is_charge, 401, message="Expired API Key provided")
    assert [top_up_low(NOW + minutes * MINUTE)["failed"] for minutes in (0, 15, 30, 45)] == [1, 0, 0, 0]
    stripe.refusals.clear()
    assert top_up_low(NOW + 60 * MINUTE)["topped_up"] == 1
    assert (charged(stripe), [status for status, _ in top_ups()]) == ([2000], ["failed", "paid"])
