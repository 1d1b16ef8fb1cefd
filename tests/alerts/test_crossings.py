"""Thresholds of budgets and levels of balances: each crossing is alerted to once, by mail and by notification."""

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from metering.alerts.crossings import MAILS_OF_EACH, send_crossings
from metering.alerts.preferences import change_alert_settings
from metering.credits import ledger
from metering.invoicing.terms.models import BillingTerms
from metering.limits.budgets.change import delete_budget
from metering.limits.models import BalanceCrossing, LimitAccount, ThresholdCrossing
from metering.payments.accounts.customers import account_of
from metering.payments.balance.suspension import update_suspension
from metering.payments.mails.sending import send_waiting
from metering.payments.top_ups.automatic import top_up_low
from metering.payments.top_ups.preferences import save_preferences
from tests.alerts.cast import announced, mailed
from tests.kit.billing import tokens
from tests.kit.corrections import correct, replace
from tests.kit.factories import NOW, an_event, send
from tests.kit.people import a_member
from tests.kit.tenants import TESTS
from tests.limits.cast import a_budget
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = pytest.mark.django_db
BUDGET, BALANCE = "budget.threshold_reached", "balance.threshold_reached"


class Spender:
    """Sends requests of so many dollars each."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.sent = gateway, 0

    def __call__(self, key: APIKey, dollars: str, **more: Any) -> str:
        self.sent += 1
        name = f"req_{self.sent}"
        usage = tokens(input=int(Decimal(dollars) * 1_000_000))
        send(self.gateway, [an_event(key, request_id=name, usage=usage, **more)])
        return name


@pytest.fixture
def spend(gateway: Gateway) -> Spender:
    return Spender(gateway)


def test_a_threshold_is_mailed_to_those_who_manage_keys_and_announced(key: APIKey, spend: Spender) -> None:
    a_member(key.workspace, "owner"), a_member(key.workspace, "viewer")
    budget = a_budget(key.workspace, "10", thresholds=[50, 80], mode="soft")
    spend(key, "5.25")
    assert send_crossings(NOW) == {"budgets": 1, "balances": 0}
    assert send_crossings(NOW) == {"budgets": 0, "balances": 0}
    (crossing,) = ThresholdCrossing.objects.all()
    assert crossing.notified_at == NOW
    assert announced(BUDGET) == [
        {
            "budget_id": budget.public_id,
            "scope": "workspace",
            "scope_id": None,
            "scope_value": None,
            "window": "month",
            "window_start": "2026-10-01T00:00:00Z",
            "threshold": 50,
            "spent": "5.250000000000",
            "limit": "10.00",
            "currency": "USD",
            "mode": "soft",
            "crossed_at": "2026-10-15T12:00:00Z",
        }
    ]
    send_waiting(NOW)
    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("50 % of a budget is spent", ["owner@acme.example"])
    for line in ("50 % of a budget of your workspace is spent.", "Limit: 10.00 USD per month", "Spent: 5.250000000000 USD"):
        assert line in sent.body
    assert f"/budgets/{budget.public_id}" in sent.body


def test_a_wobble_around_a_threshold_is_one_alert(key: APIKey, spend: Spender, gateway: Gateway) -> None:
    a_budget(key.workspace, "10", thresholds=[50])
    name = spend(key, "5")
    send_crossings(NOW)
    correct(gateway, replace(key, tokens(input=4_000_000), name))
    spend(key, "1.50")
    assert send_crossings(NOW) == {"budgets": 0, "balances": 0}
    assert len(announced(BUDGET)) == len(mailed("budget_threshold")) == 1


def test_several_thresholds_at_once_are_an_alert_each(key: APIKey, spend: Spender) -> None:
    a_budget(key.workspace, "10")
    spend(key, "12")
    send_crossings(NOW)
    assert [each["threshold"] for each in announced(BUDGET)] == [50, 80, 100]
    last = mailed("budget_threshold")[-1]
    assert (last["threshold"], last["mode"]) == ("100", "hard")


def test_the_next_window_is_alerted_to_as_well(key: APIKey, spend: Spender) -> None:
    a_budget(key.workspace, "1", window="hour", thresholds=[100])
    for hour in ("09", "10", "11"):
        spend(key, "2", occurred_at=f"2026-10-15T{hour}:00:00Z")
    send_crossings(NOW)
    assert [each["window_start"][11:13] for each in announced(BUDGET)] == ["09", "10", "11"]


def test_a_budget_of_each_user_announces_all_and_mails_some(key: APIKey, spend: Spender) -> None:
    a_budget(key.workspace, "1", "user", "*", thresholds=[100])
    for number in range(MAILS_OF_EACH + 5):
        spend(key, "2", user=f"user {number}")
    assert send_crossings(NOW) == {"budgets": MAILS_OF_EACH + 5, "balances": 0}
    assert [each["scope_value"] for each in announced(BUDGET)] == [f"user {number}" for number in range(MAILS_OF_EACH + 5)]
    contexts = mailed("budget_threshold")
    assert [each["scope_value"] for each in contexts] == [f"user {number}" for number in range(MAILS_OF_EACH)]
    assert [each["last"] for each in contexts] == [""] * (MAILS_OF_EACH - 1) + ["yes"]


def test_a_budget_that_is_deleted_before_its_alert_is_alerted_to_no_more(key: APIKey, spend: Spender) -> None:
    budget = a_budget(key.workspace, "1")
    spend(key, "2")
    delete_budget(budget, actor=TESTS, now=NOW)
    assert send_crossings(NOW) == {"budgets": 0, "balances": 0}


# --- Prepaid balances ---------------------------------------------------------------------------------------------


@pytest.fixture
def prepaid(key: APIKey) -> Workspace:
    """With 20.00 of credit, which usage takes without tax or discount."""
    BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    change_alert_settings(key.workspace, {"balance_levels": [Decimal("10.00"), Decimal("0.00")]}, TESTS, NOW)
    top_up(key.workspace, "20.00")
    return key.workspace


def top_up(workspace: Workspace, usd: str) -> None:
    ledger.grant(workspace, "purchased", Decimal(usd), "ops", NOW)
    update_suspension(workspace.pk, NOW)


def levels() -> list[tuple[str, str]]:
    send_crossings(NOW)
    return [(each["level"], each["balance"]) for each in announced(BALANCE)]


def test_a_balance_that_falls_to_a_level_is_alerted_to(prepaid: Workspace, key: APIKey, spend: Spender) -> None:
    a_member(prepaid, "owner")
    spend(key, "9.50")
    assert levels() == []
    spend(key, "1.00")
    assert levels() == [("10.00", "9.500000000000")]
    (about,) = announced(BALANCE)
    assert (about["currency"], set(about)) == ("USD", {"level", "balance", "currency", "crossed_at"})
    spend(key, "10")
    assert levels() == [("10.00", "9.500000000000"), ("0.00", "-0.500000000000")]
    send_waiting(NOW)
    assert [(each.subject, each.to) for each in mail.outbox] == [
        ("Your balance is low", ["bills@acme.example"]),
        ("Your balance is used up", ["bills@acme.example"]),
    ]
    assert "Your balance is 9.50 USD, below the 10.00 USD at which you asked for a notice." in mail.outbox[0].body
    assert "Your prepaid balance is -0.50 USD. Live keys are refused." in mail.outbox[1].body


def test_crossed_topped_up_and_crossed_again_is_two_alerts(prepaid: Workspace, key: APIKey, spend: Spender) -> None:
    spend(key, "11")
    top_up(prepaid, "5.00")
    spend(key, "4.50")
    assert levels() == [("10.00", "9.000000000000"), ("10.00", "9.500000000000")]


def test_credit_that_does_not_lift_it_over_the_level_is_no_second_alert(
    prepaid: Workspace, key: APIKey, spend: Spender
) -> None:
    spend(key, "15")
    top_up(prepaid, "2.00")
    spend(key, "1")
    assert levels() == [("10.00", "5.000000000000")]


def test_a_wobble_of_a_balance_by_corrections_is_one_alert(
    prepaid: Workspace, key: APIKey, spend: Spender, gateway: Gateway
) -> None:
    name = spend(key, "11")
    assert levels() == [("10.00", "9.000000000000")]
    correct(gateway, replace(key, tokens(input=8_000_000), name))
    assert LimitAccount.objects.get().balance == Decimal(12)
    spend(key, "3")
    assert LimitAccount.objects.get().balance == Decimal(9)
    assert levels() == [("10.00", "9.000000000000")]


def test_a_workspace_that_chose_nothing_hears_that_it_is_used_up(key: APIKey, spend: Spender) -> None:
    BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    top_up(key.workspace, "1.00")
    spend(key, "2")
    assert levels() == [("0.00", "-1.000000000000")]


def test_the_level_of_the_billing_page_is_one_of_them_and_mailed_once(key: APIKey, spend: Spender) -> None:
    BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    account_of(key.workspace)
    save_preferences(key.workspace, Decimal("8.00"), None, None, 3, TESTS, NOW)
    top_up(key.workspace, "10.00")
    spend(key, "3")
    assert levels() == [("8.00", "7.000000000000")]
    top_up_low(NOW)
    assert [each["level"] for each in mailed("balance_low")] == ["8.00"]


def test_what_is_not_prepaid_has_no_level(key: APIKey, spend: Spender) -> None:
    a_budget(key.workspace, "100")
    ledger.grant(key.workspace, "goodwill", Decimal("1.00"), "ops", NOW)
    spend(key, "5")
    assert not BalanceCrossing.objects.exists()
