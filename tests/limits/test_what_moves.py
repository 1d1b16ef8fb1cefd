"""Whatever changes what usage costs moves what is spent: corrections, first and new prices. Credit and tax move a balance."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from metering.catalogue.models import LanguageModel
from metering.credits import ledger
from metering.invoicing.terms.models import BillingTerms, TaxRate
from metering.limits.budgets.compare import limit_differences, rebuild_budgets
from metering.limits.gateway.unaccounted import unaccounted
from metering.limits.holds import expire_holds, tidy_limits
from metering.limits.models import Budget, BudgetHeld, BudgetWindow, Hold, LimitAccount
from metering.payments.balance.suspension import update_suspension
from metering.revisions.rerating.intervals import RatingScope
from metering.revisions.rerating.jobs import continue_orders, order_rerating
from metering.revisions.rerating.reprice import price_waiting
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import NOW, an_event, make_key, make_price, make_workspace, send
from tests.limits.cast import a_budget, ask, kept
from workspaces.models import APIKey, Gateway, Workspace

pytestmark = pytest.mark.django_db

USAGE = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}


@pytest.fixture
def key() -> APIKey:
    return make_key(make_workspace())


def test_corrections_move_what_is_spent_of_each_scope(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    budget = a_budget(key.workspace, "1")
    of_ann = a_budget(key.workspace, "1", "user", "ann")
    send(gateway, [an_event(key, request_id=name, usage=USAGE, user="ann") for name in ("req_1", "req_2")])
    assert kept(budget) == kept(of_ann, "ann") == (Decimal("0.002"), Decimal(0))
    correct(gateway, void(key, "req_1"), replace(key, USAGE | {"prompt_tokens": 3000, "total_tokens": 3000}, "req_2"))
    assert kept(budget) == kept(of_ann, "ann") == (Decimal("0.003"), Decimal(0))
    assert list(limit_differences(NOW)) == []


def test_a_first_price_and_a_re_rating_move_it(key: APIKey, gateway: Gateway) -> None:
    budget = a_budget(key.workspace, "1")
    send(gateway, [an_event(key, usage=USAGE)])
    assert kept(budget) == (Decimal(0), Decimal(0)), "unpriced"
    make_price(input="1", output="10")
    assert price_waiting() == 1
    assert kept(budget) == (Decimal("0.001"), Decimal(0))
    make_price(input="4", output="10", effective_from=NOW - timedelta(days=1))
    scope = RatingScope(NOW - timedelta(days=2), NOW)
    order_rerating(LanguageModel.objects.get(), None, scope, reason="wrong", plan=[], actor="ops", now=NOW)
    assert continue_orders(NOW) == 1
    assert kept(budget) == (Decimal("0.004"), Decimal(0))
    assert list(limit_differences(NOW)) == []


def test_what_is_kept_can_be_made_again_and_a_difference_is_found(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    budget = a_budget(key.workspace, "1", time_zone="Asia/Kathmandu")  # 5:45 ahead: no whole hours at its edges
    send(gateway, [an_event(key, usage=USAGE, occurred_at=f"2026-09-30T18:{minute}:00Z") for minute in ("14",)])
    first = an_event(key, request_id="req_2", usage=USAGE, occurred_at="2026-09-30T18:15:00Z")
    send(gateway, [first, an_event(key, request_id="req_3", usage=USAGE)])
    assert kept(budget) == (Decimal("0.002"), Decimal(0))
    assert list(limit_differences(NOW)) == []
    BudgetWindow.objects.filter(start__gte="2026-09-30T18:00Z").update(spent=5)
    BudgetHeld.objects.create(budget=budget, held=1)
    found = [(each["check"], each["expected"], each["found"]) for each in limit_differences(NOW)]
    assert found == [
        ("budget_spent_is_its_events", "0.002000000000", "5.000000000000"),
        ("budget_held_is_its_live_holds", "0.000000000000", "1.000000000000"),
    ]
    assert len(rebuild_budgets(key.workspace_id, NOW)) == 2
    assert kept(budget) == (Decimal("0.002"), Decimal(0))


def test_what_is_held_counts_in_each_window_until_it_is_settled(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    hourly = a_budget(key.workspace, "1", window="hour", time_zone="Asia/Kathmandu")  # hours that begin at a quarter past
    of_models = a_budget(key.workspace, "2", "model", "*", window="day")
    edge = NOW.replace(minute=15)
    moments = [edge - timedelta(microseconds=1), edge, edge + timedelta(minutes=14), edge + timedelta(minutes=59, seconds=59)]
    for number, moment in enumerate(moments):
        ask(key, gateway, f"req_{number}", moment, ttl_seconds=86_400)
    assert spent_by_start(hourly) == {}
    assert kept(hourly) == (Decimal(0), Decimal("0.044"))
    send(gateway, [an_event(key, request_id=f"req_{number}", usage=USAGE) for number in (0, 2, 3)])
    assert spent_by_start(hourly) == {edge - timedelta(hours=1): Decimal("0.003")}
    assert kept(hourly) == (Decimal("0.003"), Decimal("0.011"))
    assert kept(of_models, "codex-mini") == (Decimal("0.003"), Decimal("0.011"))
    assert list(limit_differences(NOW)) == []


def spent_by_start(budget: Budget) -> dict[datetime, Decimal]:
    return dict(BudgetWindow.objects.filter(budget=budget).values_list("start", "spent"))


def test_a_prepaid_balance_is_held_and_spent_with_tax(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    terms = BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    terms.tax_rates.add(TaxRate.objects.create(name="VAT", percent=Decimal(20)))
    ledger.grant(key.workspace, "purchased", Decimal("12.00"), "ops", NOW)
    update_suspension(key.workspace_id, NOW)
    answer = ask(key, gateway, "req_1", input_tokens=0, max_output_tokens=1_000_000)  # 10 USD, 12 with tax
    assert (answer["held"], answer["remaining"], answer["binding"]["scope"]) == ("10.000000000000", "0.00", "balance")
    refused = ask(key, gateway, "req_2", input_tokens=1000, max_output_tokens=0)
    assert (refused["reason"], refused["error"]["status"]) == ("balance_used_up", 402)
    send(gateway, [an_event(key, usage={"prompt_tokens": 0, "completion_tokens": 500_000})])
    account = LimitAccount.objects.get()
    assert (account.balance, account.held) == (Decimal(6), Decimal(0))
    assert ask(key, gateway, "req_3", input_tokens=5_000_000, max_output_tokens=0)["remaining"] == "0.00"


def test_credit_that_expires_counts_no_longer(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    BillingTerms.objects.create(workspace=key.workspace, mode="prepaid")
    ledger.grant(key.workspace, "goodwill", Decimal("1.00"), "ops", NOW, expires_at=NOW + timedelta(hours=1))
    update_suspension(key.workspace_id, NOW)
    assert ask(key, gateway, "req_1")["allowed"]
    assert ask(key, gateway, "req_2", now=NOW + timedelta(hours=1))["reason"] == "balance_used_up"


def test_what_never_ended_is_unaccounted_until_its_event_comes(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    for name in ("req_1", "req_2", "req_3"):
        ask(key, gateway, name)
    send(gateway, [an_event(key, request_id="req_1", usage=USAGE)])
    expire_holds(NOW + timedelta(hours=1))
    tidy_limits(NOW + timedelta(days=3))
    assert Hold.objects.count() == 2
    start, end = NOW - timedelta(days=15), NOW + timedelta(days=1)
    total = unaccounted(start, end, gateway)["total"]
    assert (total["authorised"], total["settled"]["requests"], total["unaccounted"]) == (
        {"requests": 3, "usd": "0.033000000000"},
        1,
        {"requests": 2, "usd": "0.022000000000"},
    )
    send(gateway, [an_event(key, request_id="req_2", usage=USAGE)])
    assert unaccounted(start, end, None)["total"]["unaccounted"] == {"requests": 1, "usd": "0.011000000000"}


def test_only_allowed_models_are_run(key: APIKey, gateway: Gateway) -> None:
    make_price()
    key.workspace.allowed_models = ["codex-mini", "other"]
    key.workspace.save()
    key.allowed_models = ["codex-mini"]
    key.save()
    assert ask(key, gateway, "req_1")["allowed"]
    assert ask(key, gateway, "req_2", model="other")["reason"] == "model_not_allowed"


def test_a_model_without_a_price_is_warned_of_or_refused(key: APIKey, gateway: Gateway) -> None:
    answer = ask(key, gateway, "req_1", model="unheard-of")
    assert (answer["allowed"], answer["held"], answer["warnings"]) == (True, "0.000000000000", ["unpriced"])
    key.workspace.refuses_unpriced = True
    key.workspace.save()
    assert ask(key, gateway, "req_2", model="unheard-of")["reason"] == "unpriced"


def test_a_tier_without_a_price_is_unpriced_and_held_for_as_the_default_one(key: APIKey, gateway: Gateway) -> None:
    make_price(input="1", output="10")
    answer = ask(key, gateway, service_tier="priority")
    assert (answer["held"], answer["warnings"], answer["price_id"] is None) == ("0.011000000000", ["unpriced"], False)
    assert ask(key, gateway, "req_2", service_tier="auto")["warnings"] == []
    Workspace.objects.filter(pk=key.workspace_id).update(refuses_unpriced=True)
    assert ask(key, gateway, "req_3", service_tier="priority")["reason"] == "unpriced"


def test_a_tier_with_a_price_is_held_for_at_the_higher_one(key: APIKey, gateway: Gateway) -> None:
    Workspace.objects.filter(pk=key.workspace_id).update(refuses_unpriced=True)
    for tier, factor in (("default", 1), ("priority", 2)):
        make_price(input=str(factor), output=str(10 * factor), tier=tier)
    answers = [ask(key, gateway, f"req_{tier}", service_tier=tier) for tier in ("priority", "auto")]
    assert [(each["held"], each["warnings"]) for each in answers] == [("0.022000000000", []), ("0.011000000000", [])]
