"""What gateways remember of a key, and when they have to ask again."""

from datetime import timedelta
from decimal import Decimal

import pytest

from metering.credits import ledger
from metering.limits.budgets.change import change_budget
from metering.limits.gateway.check_key import check_key
from metering.limits.gateway.requests import CheckKey
from metering.limits.gateway.revocations import changes_since, newest_change
from metering.limits.models import ThresholdCrossing
from metering.payments.balance.suspension import update_suspension
from tests.kit.billing import agree
from tests.kit.factories import NOW, an_event, send
from tests.kit.people import a_key
from tests.kit.tenants import TESTS
from tests.limits.cast import a_budget
from workspaces.keys.issue import expire_key, rotate_key
from workspaces.models import APIKey, Gateway, Workspace


@pytest.mark.django_db(transaction=True)
def test_gateways_hear_that_a_workspace_is_prepaid_and_that_it_is_not_any_more(acme: Workspace, gateway: Gateway) -> None:
    key, secret = a_key(acme)
    expire_key(key, NOW + timedelta(days=1), TESTS, NOW)  # there is a change to begin after
    ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
    for mode in ("prepaid", "postpaid", "prepaid"):
        before = newest_change()
        agree(acme, mode=mode)
        update_suspension(acme.pk, NOW)
        heard = changes_since(before, gateway)["changes"]
        assert [(each["workspace_id"], each["key_id"]) for each in heard] == [(acme.public_id, None)]
        assert check_key(CheckKey(secret), gateway, NOW)["billing"] == mode
    before = newest_change()
    ledger.grant(acme, "goodwill", Decimal("5.00"), "ops", NOW)
    update_suspension(acme.pk, NOW)
    assert changes_since(before, gateway)["changes"] == [], "more balance is no other answer"


@pytest.mark.django_db
def test_a_check_says_when_a_rotated_secret_ends(acme: Workspace, gateway: Gateway) -> None:
    key, first = a_key(acme)
    expire_key(key, NOW + timedelta(days=30), TESTS, NOW)
    second = rotate_key(key, timedelta(hours=1), TESTS, NOW)
    ends = [check_key(CheckKey(secret), gateway, NOW)["expires_at"] for secret in (first, second)]
    assert ends == ["2026-10-15T13:00:00+00:00", "2026-11-14T12:00:00+00:00"]


@pytest.mark.django_db
def test_the_first_usage_crosses_a_limit_of_nothing_once(key: APIKey, gateway: Gateway) -> None:
    made = a_budget(key.workspace, "0", mode="soft")
    changed = a_budget(key.workspace, "5", window="day", mode="soft")
    assert not ThresholdCrossing.objects.exists()
    usage = {"prompt_tokens": 1000, "completion_tokens": 0}
    send(gateway, [an_event(key, request_id="req_1", usage=usage)])
    change_budget(changed, {"limit": Decimal(0)}, actor="test", now=NOW)
    send(gateway, [an_event(key, request_id="req_2", usage=usage), an_event(key, request_id="req_3", usage=usage)])
    for budget in (made, changed):
        crossed = ThresholdCrossing.objects.filter(budget=budget).order_by("threshold")
        assert list(crossed.values_list("threshold", "spent")) == [(at, Decimal("0.0015")) for at in (50, 80, 100)]
