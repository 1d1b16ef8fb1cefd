"""A workspace at Stripe: one customer whatever fails, and the latest method that was saved, whatever is reported late."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from metering.payments.accounts.customers import account_of, ensure_customer
from metering.payments.accounts.methods import refresh_method, setup_page
from metering.payments.models import PaymentAccount
from metering.payments.provider.errors import ProviderUnavailable
from metering.payments.provider.models import StripeKey
from metering.payments.webhooks.inbox import handle_waiting
from metering.payments.webhooks.models import WebhookEvent
from tests.kit.factories import NOW
from tests.kit.paying import send_event, with_method
from tests.kit.stripe_server import BANK, StripeServer
from workspaces.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def outcomes(act: Callable[[datetime], Any], *minutes: int) -> list[bool]:
    """Whether it succeeds, so many minutes later each time."""
    found = []
    for after in minutes:
        try:
            act(NOW + after * MINUTE)
        except ProviderUnavailable:
            found.append(False)
        else:
            found.append(True)
    return found


# --- The customer -------------------------------------------------------------------------------------------------


def test_a_customer_is_made_and_described(stripe: StripeServer, acme: Workspace) -> None:
    account = ensure_customer(acme, NOW)
    (customer,) = stripe.of("customer")
    assert (customer["id"], customer["name"], customer["email"]) == (account.customer_id, "Acme", "bills@acme.example")
    assert customer["metadata"] == {"omixa_workspace": acme.public_id}
    assert StripeKey.objects.count() == 0


def test_a_repeated_500_keeps_nobody_from_paying_for_a_day(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(2, "error_500_before")  # 1 searches, 2 makes the customer
    assert outcomes(lambda now: ensure_customer(acme, now), 0, 5, 9, 10) == [False, False, False, True]
    assert len(stripe.of("customer")) == 1
    keys = [each.key for each in stripe.requests if (each.method, each.path) == ("POST", "/v1/customers")]
    name = f"customer-of-{acme.public_id}"
    assert keys == [name, name, name, f"{name}-again-1"]


def test_it_moves_on_as_often_as_stripe_fails(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(2, "error_500_before")
    stripe.fail_at(5, "error_500_before")  # 3 searches, 4 lists, 5 makes
    assert outcomes(lambda now: ensure_customer(acme, now), 0, 10, 15, 20) == [False, False, False, True]
    assert (len(stripe.of("customer")), StripeKey.objects.get().number) == (1, 2)


@pytest.mark.parametrize("search_sees_new", [True, False])
def test_a_500_that_made_a_customer_all_the_same_makes_no_second(
    stripe: StripeServer, acme: Workspace, search_sees_new: bool
) -> None:
    stripe.search_sees_new = search_sees_new
    stripe.fail_at(2, "error_500_after")
    began = datetime.now(UTC)
    assert outcomes(lambda now: ensure_customer(acme, began + (now - NOW)), 0, 11) == [False, True]
    (customer,) = stripe.of("customer")
    assert account_of(acme).customer_id == customer["id"]


def test_a_lost_answer_is_asked_for_under_the_same_key(stripe: StripeServer, acme: Workspace) -> None:
    stripe.search_sees_new = False
    stripe.fail_at(2, "die_after")
    assert outcomes(lambda now: ensure_customer(acme, now), 0, 60) == [False, True]
    assert (len(stripe.of("customer")), StripeKey.objects.count()) == (1, 0)


def test_a_renamed_workspace_still_gets_its_customer(stripe: StripeServer, acme: Workspace) -> None:
    stripe.search_sees_new = False
    stripe.fail_at(2, "die_after")
    with pytest.raises(ProviderUnavailable):
        ensure_customer(acme, NOW)
    acme.name, acme.email = "Acme Ltd", "new@acme.example"
    acme.save()
    ensure_customer(acme, NOW + MINUTE)
    (customer,) = stripe.of("customer")
    assert (customer["name"], customer["email"]) == ("Acme Ltd", "new@acme.example")


def test_a_name_that_did_not_arrive_is_told_again(stripe: StripeServer, acme: Workspace) -> None:
    stripe.fail_at(3, "die_before")
    assert outcomes(lambda now: ensure_customer(acme, now), 0, 1) == [False, True]
    assert [each["name"] for each in stripe.of("customer")] == ["Acme"]


def test_a_repeated_500_keeps_no_card_from_being_saved(stripe: StripeServer, acme: Workspace) -> None:
    ensure_customer(acme, NOW)
    stripe.fail_at(1, "error_500_before")
    assert outcomes(lambda now: setup_page(acme, now), 0, 9, 10, 11) == [False, False, True, True]
    assert len(stripe.of("checkout.session")) == 1


# --- The method ---------------------------------------------------------------------------------------------------


def completed(stripe: StripeServer, acme: Workspace, day: int, method: str = "pm_good") -> dict[str, Any]:
    """The page that was filled in on that day; `created` as it would be then."""
    setup_page(acme, NOW + day * DAY)
    session = stripe.of("checkout.session")[-1]
    stripe.complete(session["id"], method)
    setup_of(stripe, session)["created"] += day * 86400
    return session


def setup_of(stripe: StripeServer, session: dict[str, Any]) -> dict[str, Any]:
    return stripe.objects[session["setup_intent"]]


def deliver(stripe: StripeServer, kind: str, about: dict[str, Any]) -> tuple[str, str]:
    """The event's outcome, and the method that is saved then."""
    event = send_event(stripe, kind, about)
    handle_waiting(NOW)
    return WebhookEvent.objects.get(pk=event.pk).status, PaymentAccount.objects.get().method_id


def test_news_of_an_older_page_does_not_bring_its_card_back(stripe: StripeServer, acme: Workspace) -> None:
    one = completed(stripe, acme, 0)
    old = setup_of(stripe, one)["payment_method"]
    assert deliver(stripe, "checkout.session.completed", one) == ("handled", old)
    two = completed(stripe, acme, 1)
    new = setup_of(stripe, two)["payment_method"]
    assert deliver(stripe, "checkout.session.completed", two) == ("handled", new)
    assert deliver(stripe, "checkout.session.completed", one) == ("handled", new)
    assert deliver(stripe, "setup_intent.succeeded", setup_of(stripe, one)) == ("handled", new)
    assert AuditEntry.objects.filter(action="payment_method.saved").count() == 2
    customer = stripe.objects[str(account_of(acme).customer_id)]
    assert customer["invoice_settings"] == {"default_payment_method": new}


def test_a_completed_page_counts_though_another_was_opened_since(stripe: StripeServer, acme: Workspace) -> None:
    deliver(stripe, "checkout.session.completed", completed(stripe, acme, 0))
    two = completed(stripe, acme, 1)
    PaymentAccount.objects.update(setup_session_id="")  # another page is being made
    setup_page(acme, NOW + DAY)
    assert deliver(stripe, "checkout.session.completed", two)[1] == setup_of(stripe, two)["payment_method"]


def test_a_card_that_was_removed_is_not_brought_back_by_its_page(stripe: StripeServer, acme: Workspace) -> None:
    one = completed(stripe, acme, 0)
    _, saved = deliver(stripe, "checkout.session.completed", one)
    stripe.objects[saved]["customer"] = None
    assert deliver(stripe, "payment_method.detached", stripe.objects[saved]) == ("handled", "")
    assert deliver(stripe, "checkout.session.completed", one) == ("handled", "")


def test_a_method_of_before_setups_were_dated_yields_to_the_latest_page_only(stripe: StripeServer, acme: Workspace) -> None:
    one = completed(stripe, acme, 0)
    two = completed(stripe, acme, 1)
    kept = with_method(acme, stripe).method_id
    PaymentAccount.objects.update(method_set_up_at=None)
    assert deliver(stripe, "checkout.session.completed", one) == ("handled", kept)
    assert deliver(stripe, "checkout.session.completed", two)[1] == setup_of(stripe, two)["payment_method"]


def test_a_bank_account_that_is_verified_days_later_is_saved(stripe: StripeServer, acme: Workspace) -> None:
    page = completed(stripe, acme, 0, BANK)
    setup = setup_of(stripe, page)
    setup["status"] = "requires_action"  # two small deposits are on their way
    assert deliver(stripe, "checkout.session.completed", page) == ("handled", "")
    setup["status"] = "succeeded"
    assert deliver(stripe, "setup_intent.succeeded", setup) == ("handled", setup["payment_method"])


def test_a_bank_account_verified_after_a_card_was_saved_does_not_replace_it(stripe: StripeServer, acme: Workspace) -> None:
    page = completed(stripe, acme, 0, BANK)
    setup = setup_of(stripe, page)
    setup["status"] = "requires_action"
    card = completed(stripe, acme, 1)
    _, saved = deliver(stripe, "checkout.session.completed", card)
    setup["status"] = "succeeded"
    assert deliver(stripe, "setup_intent.succeeded", setup) == ("handled", saved)


def test_a_strangers_setup_is_ignored(stripe: StripeServer, acme: Workspace) -> None:
    account_of(acme)
    theirs = stripe.save_method("cus_stranger")
    setup = stripe.make("setup_intent", "seti_", status="succeeded", payment_method=theirs)
    assert deliver(stripe, "setup_intent.succeeded", setup) == ("ignored", "")


def test_news_of_a_method_that_was_just_replaced_does_not_bring_it_back(
    stripe: StripeServer, acme: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metering.payments.stripe.client import StripeEdge

    old = with_method(acme, stripe).method_id
    real = StripeEdge.look_up_method

    def slow(self: StripeEdge, method: str) -> Any:
        found = real(self, method)
        PaymentAccount.objects.update(method_id="pm_new")  # meanwhile
        return found

    monkeypatch.setattr(StripeEdge, "look_up_method", slow)
    refresh_method(old, NOW)
    assert account_of(acme).method_id == "pm_new"
