"""The doctor warns where what a provider says it charged is not what its card comes to."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.providers.set_provider_price import set_provider_price
from metering.doctor import work
from metering.doctor.findings import WARNING
from metering.reports.stated_costs import stated_costs
from tests.kit.factories import LONG_AGO, NOW, an_event, make_price, send
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=1)
# 1,000,000 x 2 and 100,000 x 8 per million
BY_CARD = Decimal("2.8")
OPENROUTER = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "is_byok": False}
XAI = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "total_tokens": 1_100_000}
PERPLEXITY = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "search_context_size": "low"}


@pytest.fixture(autouse=True)
def cards(db: None) -> None:
    make_price("m")
    for provider in ("openrouter", "xai", "perplexity"):
        set_provider_price(
            provider, "m", input=Decimal(2), output=Decimal(8), actor="test", now=LONG_AGO, effective_from=LONG_AGO
        )


def sent(gateway: Gateway, key: APIKey, provider: str, *usages: dict[str, Any]) -> None:
    same = {"model": "m", "provider": provider}
    send(gateway, [an_event(key, request_id=f"{provider}{at}", usage=each, **same) for at, each in enumerate(usages)])


@pytest.mark.parametrize(
    ("provider", "usage"),
    [
        ("openrouter", OPENROUTER | {"cost": 2.8}),
        ("openrouter", OPENROUTER | {"cost": 2.8000009}),
        ("openrouter", OPENROUTER | {"cost": 2.774}),  # less than one per cent
        ("openrouter", OPENROUTER | {"cost": 0.14, "is_byok": True}),
        ("xai", XAI | {"cost_in_usd_ticks": 28_000_000_000}),
        ("perplexity", PERPLEXITY | {"cost": {"total_cost": 2.8, "request_cost": 0}}),
    ],
)
def test_what_agrees_is_no_finding(gateway: Gateway, key: APIKey, provider: str, usage: dict[str, Any]) -> None:
    sent(gateway, key, provider, usage)
    assert list(work.provider_costs_found(LATER)) == []


@pytest.mark.parametrize(
    ("provider", "usage"),
    [
        ("openrouter", OPENROUTER | {"cost": 1.4}),
        ("xai", XAI | {"cost_in_usd_ticks": 14_000_000_000}),
        ("perplexity", PERPLEXITY | {"cost": {"total_cost": 1.4}}),
    ],
)
def test_what_differs_is_a_warning_with_both_sums(gateway: Gateway, key: APIKey, provider: str, usage: dict[str, Any]) -> None:
    sent(gateway, key, provider, usage, usage)
    (found,) = stated_costs(LATER - timedelta(days=1), LATER)
    assert (found.requests, found.stated, found.by_card) == (2, Decimal("2.8"), BY_CARD * 2)
    (finding,) = work.provider_costs_found(LATER)
    assert (finding.check, finding.severity) == ("provider_cost", WARNING)
    assert finding.message == f"{provider} says it charged $2.80 for 2 requests of m, and its card comes to $5.60."


def test_what_is_stated_fills_no_gap(gateway: Gateway, key: APIKey) -> None:
    make_price("other")
    send(gateway, [an_event(key, model="other", provider="openrouter", usage=OPENROUTER | {"cost": 1.4})])
    assert stated_costs(LATER - timedelta(days=1), LATER) == []


def test_what_states_nothing_and_what_is_older_is_not_compared(gateway: Gateway, key: APIKey) -> None:
    sent(gateway, key, "openrouter", OPENROUTER | {"cost_details": {"upstream_inference_cost": 1.0}})
    assert stated_costs(LATER - timedelta(days=1), LATER) == []
    sent(gateway, key, "xai", XAI | {"cost_in_usd_ticks": 14_000_000_000})
    assert list(work.provider_costs_found(LATER + timedelta(days=2))) == []
