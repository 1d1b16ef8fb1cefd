"""What a gateway is answered before a request runs, and what is held for it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering.limits.authorize import extend, release
from metering.limits.budgets.change import change_budget
from metering.limits.budgets.compare import limit_differences
from metering.limits.errors import HoldEnded, HoldUnknown, RequestReused
from metering.limits.gateway.requests import Extend
from metering.limits.holds import expire_holds
from metering.limits.models import BudgetHeld, BudgetWindow, Hold, RefusedRequests, ThresholdCrossing
from tests.kit.factories import NOW, an_event, make_gateway, make_key, make_price, make_workspace, send
from tests.limits.cast import a_budget, ask, kept
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace()


@pytest.fixture
def key(acme: Workspace) -> APIKey:
    return make_key(acme)


@pytest.fixture(autouse=True)
def _price() -> None:
    make_price(input="1", output="10")  # a micro-dollar for a token of input, ten for one of output


def test_without_limits_a_request_is_held_and_told_what_it_may_cost(key: APIKey, gateway: Gateway) -> None:
    answer = ask(key, gateway)
    assert answer == {
        "allowed": True,
        "hold_id": answer["hold_id"],
        "request_id": "req_1",
        "expires_at": "2026-10-15T12:15:00Z",
        "key_id": key.public_id,
        "workspace_id": key.workspace.public_id,
        "held": "0.011000000000",
        "currency": "USD",
        "max_output_tokens": 1000,
        "lowered": False,
        "price_id": answer["price_id"],
        "remaining": None,
        "binding": None,
        "warnings": [],
        "cache_seconds": 5,
    }
    assert (answer["hold_id"][:5], answer["price_id"][:6]) == ("hold_", "price_")


def test_its_event_settles_the_hold_and_spends_what_it_cost(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "1")
    answer = ask(key, gateway)
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    assert answer["remaining"] == "0.989000000000"
    assert answer["binding"] == {
        "scope": "workspace",
        "id": budget.public_id,
        "limit": "1.00",
        "resets_at": "2026-11-01T00:00:00Z",
    }
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    send(gateway, [an_event(key, request_id="req_1", usage=usage)])
    assert kept(budget) == (Decimal("0.002"), Decimal(0))
    assert list(limit_differences(NOW)) == []


def test_the_same_request_again_is_answered_the_same_and_held_once(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "1")
    first = ask(key, gateway)
    assert ask(key, gateway, now=NOW + timedelta(minutes=1)) == first
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    with pytest.raises(RequestReused):
        ask(key, gateway, input_tokens=999)


def test_what_does_not_fit_is_refused_and_says_what_binds(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    a_budget(acme, "1")
    small = a_budget(acme, "0.03", scope="key", scope_id=key.public_id, window="day")
    assert [ask(key, gateway, f"req_{n}")["allowed"] for n in range(2)] == [True, True]
    refused = ask(key, gateway, "req_2")
    message = "The budget of 0.03 USD for this key is used up. It begins again at 2026-10-16T00:00:00Z."
    assert (refused["allowed"], refused["lowered"], refused["max_output_tokens"]) == (True, True, 700)  # 0.008 is left
    refused = ask(key, gateway, "req_3")
    assert refused == {
        "allowed": False,
        "request_id": "req_3",
        "key_id": key.public_id,
        "workspace_id": acme.public_id,
        "reason": "budget_reached",
        "message": message,
        "binding": {
            "scope": "key",
            "id": small.public_id,
            "limit": "0.03",
            "resets_at": "2026-10-16T00:00:00Z",
        },
        "retry_after": 43200,
        "error": {
            "status": 429,
            "body": {"error": {"message": message, "type": "insufficient_quota", "code": "budget_reached", "param": None}},
        },
        "cache_seconds": 5,
    }
    noted = RefusedRequests.objects.get()
    assert (noted.requests, noted.reason, noted.budget) == (1, "budget_reached", small.public_id)


def test_twenty_of_75_on_500_are_six(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    make_price(model="dear", input="75000000", output="0")
    budget = a_budget(acme, "500")
    answers = [ask(key, gateway, f"req_{n}", model="dear", input_tokens=1, max_output_tokens=0)["allowed"] for n in range(20)]
    assert answers.count(True) == 6
    assert kept(budget) == (Decimal(0), Decimal(450))


def test_output_is_lowered_to_what_is_left_and_never_below_the_floor(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    a_budget(acme, "0.00356")
    answer = ask(key, gateway, "req_1")
    assert (answer["max_output_tokens"], answer["held"], answer["remaining"]) == (256, "0.003560000000", "0.00")
    a_budget(acme, "0.00355999")
    Hold.objects.all().delete()
    BudgetHeld.objects.all().delete()
    assert ask(key, gateway, "req_2")["reason"] == "budget_reached"
    assert ask(key, gateway, "req_3", max_output_tokens=200)["allowed"]


def test_each_user_has_the_budget_for_itself(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "0.011", scope="user", scope_id="*")
    assert ask(key, gateway, "req_1", user="ann")["allowed"]
    assert not ask(key, gateway, "req_2", user="ann")["allowed"]
    assert ask(key, gateway, "req_3", user="bob")["allowed"]
    assert ask(key, gateway, "req_4")["allowed"], "nobody was named"
    assert kept(budget, "ann") == (Decimal(0), Decimal("0.011"))


def test_a_soft_budget_only_tells_and_one_in_shadow_only_counts(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    soft = a_budget(acme, "0.001", mode="soft")
    shadow = a_budget(acme, "0.001", mode="shadow")
    assert ask(key, gateway)["max_output_tokens"] == 1000
    assert kept(soft) == kept(shadow) == (Decimal(0), Decimal("0.011"))
    window = BudgetWindow.objects.get(budget=shadow)
    assert (window.would_have_refused, window.would_have_refused_usd) == (1, Decimal("0.011"))
    send(gateway, [an_event(key, request_id="req_1")])
    assert sorted(ThresholdCrossing.objects.filter(budget=soft).values_list("threshold", flat=True)) == [50, 80, 100]


def test_a_window_is_a_day_of_the_budgets_own_zone_also_when_clocks_change(
    acme: Workspace, key: APIKey, gateway: Gateway
) -> None:
    """On the 25th of October 2026 a day in Berlin has 25 hours: from 22:00 on the 24th to 23:00 UTC."""
    budget = a_budget(acme, "0.011", window="day", time_zone="Europe/Berlin")
    first = ask(key, gateway, "req_1", now=NOW.replace(day=24, hour=23), ttl_seconds=86_400)
    assert first["binding"]["resets_at"] == "2026-10-25T23:00:00Z"
    assert not ask(key, gateway, "req_2", now=NOW.replace(day=25, hour=22, minute=45))["allowed"]
    assert ask(key, gateway, "req_3", now=NOW.replace(day=25, hour=23))["allowed"]
    assert kept(budget) == (Decimal(0), Decimal("0.011"))


@pytest.mark.parametrize("window", ["hour", "day", "week", "month"])
def test_requests_on_both_sides_of_a_windows_end_share_the_limit(
    acme: Workspace, key: APIKey, gateway: Gateway, window: str
) -> None:
    """The first may be billed in either window: a second beside it could bring what the new one costs over the limit."""
    budget = a_budget(acme, "0.012", window=window)
    end = datetime(2026, 11, 1, tzinfo=UTC) if window == "month" else datetime(2026, 10, 19, tzinfo=UTC)
    assert ask(key, gateway, "req_1", now=end - timedelta(seconds=1))["allowed"]
    refused = ask(key, gateway, "req_2", now=end + timedelta(seconds=1))
    assert (refused["reason"], refused["binding"]["id"]) == ("budget_reached", budget.public_id)
    cheap = {"prompt_tokens": 1000, "completion_tokens": 0}
    billed = an_event(key, request_id="req_1", usage=cheap, occurred_at=(end + timedelta(seconds=1)).isoformat())
    send(gateway, [billed], now=end + timedelta(seconds=2))
    assert kept(budget) == (Decimal("0.001"), Decimal(0))
    assert ask(key, gateway, "req_3", now=end + timedelta(seconds=3))["held"] == "0.011000000000"
    assert not ask(key, gateway, "req_4", now=end + timedelta(seconds=4))["allowed"]


@pytest.mark.parametrize("is_swept", [True, False])
def test_a_request_is_held_again_when_its_hold_ran_out_before_it_is_asked_for_again(
    acme: Workspace, key: APIKey, gateway: Gateway, is_swept: bool
) -> None:
    budget = a_budget(acme, "0.011")
    first = ask(key, gateway, "req_1", ttl_seconds=60)
    later = NOW + timedelta(seconds=61)
    if is_swept:
        expire_holds(later)
        assert kept(budget) == (Decimal(0), Decimal(0))
    again = ask(key, gateway, "req_1", now=later, ttl_seconds=60)
    assert again == first | {"expires_at": "2026-10-15T12:02:01Z"}
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    assert ask(key, gateway, "req_1", now=later, ttl_seconds=60) == again, "and once"
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    expire_holds(later + timedelta(seconds=60))
    assert ask(key, gateway, "req_2", now=later + timedelta(seconds=60))["allowed"]
    assert ask(key, gateway, "req_1", now=later + timedelta(seconds=61))["reason"] == "budget_reached"
    with pytest.raises(RequestReused):
        ask(key, gateway, "req_1", now=later + timedelta(seconds=62), input_tokens=2)
    assert list(limit_differences(later)) == []


def test_a_hold_that_runs_out_is_freed_by_the_next_request_and_stays_unaccounted(
    acme: Workspace, key: APIKey, gateway: Gateway
) -> None:
    budget = a_budget(acme, "0.011")
    assert ask(key, gateway, "req_1", ttl_seconds=60)["allowed"]
    assert not ask(key, gateway, "req_2", now=NOW + timedelta(seconds=59))["allowed"]
    assert ask(key, gateway, "req_3", now=NOW + timedelta(seconds=60))["allowed"]
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    assert list(Hold.objects.order_by("id").values_list("request_id", "status")) == [("req_1", 3), ("req_3", 0)]
    assert expire_holds(NOW + timedelta(days=1)) == 1
    assert kept(budget) == (Decimal(0), Decimal(0))


def test_an_event_after_the_expiry_still_counts_and_leaves_the_unaccounted(
    acme: Workspace, key: APIKey, gateway: Gateway
) -> None:
    budget = a_budget(acme, "1")
    ask(key, gateway, "req_1", ttl_seconds=60)
    expire_holds(NOW + timedelta(minutes=2))
    send(gateway, [an_event(key, request_id="req_1", usage={"prompt_tokens": 1000, "completion_tokens": 0})])
    assert kept(budget) == (Decimal("0.001"), Decimal(0))
    assert Hold.objects.get().status == 1


def test_a_failed_attempt_leaves_the_hold_for_the_next_one(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "1")
    ask(key, gateway, "req_1")
    send(gateway, [an_event(key, request_id="req_1", attempt=0, status="failed", usage=None)])
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    usage = {"prompt_tokens": 1000, "completion_tokens": 0}
    send(gateway, [an_event(key, request_id="req_1", attempt=1, status="aborted", usage=usage)])
    assert kept(budget) == (Decimal("0.001"), Decimal(0))


def test_a_release_frees_and_cannot_follow_an_event(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "1")
    hold = ask(key, gateway, "req_1")["hold_id"]
    assert release(hold, gateway, NOW) == release(hold, gateway, NOW) == {"hold_id": hold, "released": True}
    assert kept(budget) == (Decimal(0), Decimal(0))
    with pytest.raises(HoldEnded):
        ask(key, gateway, "req_1")
    other = ask(key, gateway, "req_2")["hold_id"]
    send(gateway, [an_event(key, request_id="req_2")])
    with pytest.raises(HoldEnded):
        release(other, gateway, NOW)
    with pytest.raises(HoldUnknown):
        release(other, make_gateway("other"), NOW)


def test_a_long_stream_is_held_for_longer_and_for_more(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "0.05")
    hold = ask(key, gateway, "req_1")["hold_id"]
    same = extend(hold, Extend(output_tokens_so_far=500, ttl_seconds=1800), gateway, NOW)
    assert (same["max_output_tokens"], same["expires_at"]) == (1000, "2026-10-15T12:30:00Z")
    more = extend(hold, Extend(output_tokens_so_far=900), gateway, NOW)
    assert (more["max_output_tokens"], more["held"]) == (4900, "0.050000000000")
    assert kept(budget) == (Decimal(0), Decimal("0.05"))
    refused = extend(hold, Extend(output_tokens_so_far=4900), gateway, NOW)
    assert (refused["allowed"], refused["reason"]) == (False, "budget_reached")


def test_a_longer_stream_never_holds_less_than_its_provider_may_write(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(acme, "1")
    hold = ask(key, gateway, "req_1")["hold_id"]
    change_budget(budget, {"limit": Decimal("0.004")}, actor="test", now=NOW)
    longer = extend(hold, Extend(output_tokens_so_far=500, ttl_seconds=1800), gateway, NOW)
    assert (longer["allowed"], longer["max_output_tokens"], longer["held"]) == (True, 1000, "0.011000000000")
    assert (longer["remaining"], longer["expires_at"]) == ("0.00", "2026-10-15T12:30:00Z")
    nearly = extend(hold, Extend(output_tokens_so_far=999), gateway, NOW)
    assert (nearly["allowed"], nearly["max_output_tokens"]) == (True, 1000)
    assert kept(budget) == (Decimal(0), Decimal("0.011"))
    assert extend(hold, Extend(output_tokens_so_far=1000), gateway, NOW)["reason"] == "budget_reached"
    assert kept(budget) == (Decimal(0), Decimal("0.011"))


def test_a_stream_of_as_many_tokens_as_there_can_be_is_answered(key: APIKey, gateway: Gateway) -> None:
    most = 2**31 - 1
    hold = ask(key, gateway, "req_1", max_output_tokens=most)["hold_id"]
    answer = extend(hold, Extend(output_tokens_so_far=most), gateway, NOW)
    assert (answer["allowed"], answer["max_output_tokens"]) == (True, most)


def test_a_budget_counts_what_was_spent_and_held_before_it_was_made(acme: Workspace, key: APIKey, gateway: Gateway) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0}
    send(
        gateway,
        [an_event(key, request_id="req_0", usage=usage), an_event(key, request_id="old", occurred_at="2026-09-30T23:59:59Z")],
    )
    ask(key, gateway, "req_1")
    for scope, scope_id in (("workspace", None), ("key", key.public_id), ("model", "codex-mini")):
        budget = a_budget(acme, "1", scope=scope, scope_id=scope_id)
        assert kept(budget, scope_id or "") == (Decimal("0.001"), Decimal("0.011")), scope
    changed = change_budget(budget, {"limit": Decimal("0.002")}, actor="test", now=NOW)
    assert sorted(changed.crossings.values_list("threshold", flat=True)) == [50]
    send(gateway, [an_event(key, request_id="req_1", usage=usage)])
    assert kept(budget, "codex-mini") == (Decimal("0.002"), Decimal(0))
    assert list(limit_differences(NOW)) == []
