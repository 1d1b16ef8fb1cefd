from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from metering.catalogue.models import LanguageModel
from metering.catalogue.seeds import load_catalogue
from metering.catalogue.set_price import set_factor
from tests.kit.factories import LONG_AGO, NOW, make_model, make_price, make_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fixed_day")]
SECOND = timedelta(seconds=1)


@pytest.fixture
def fixed_day() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def models(**headers: str) -> dict[str, Any]:
    answer = APIClient(headers=headers).get("/api/v1/models")
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["object"], body["next_cursor"]) == ("list", None)
    return {model["id"]: model for model in body["data"]}


def test_a_model_is_listed_with_its_page_and_price() -> None:
    load_catalogue()
    price = LanguageModel.objects.get(slug="codex-mini").prices.get()
    listed = models()
    assert list(listed) == ["codex-mini", "computer-use-preview", "grok-3", "o1-preview"]
    assert listed["codex-mini"] == {
        "id": "codex-mini",
        "object": "model",
        "created": int(NOW.timestamp()),
        "owned_by": "azure-openai",
        "name": "Codex Mini",
        "description": "Codex Mini for text generation, reasoning, tool calling, and live streaming responses.",
        "provider": "azure-openai",
        "endpoint_type": "azure_openai_v1_chat",
        "context_window": 200_000,
        "max_output_tokens": 100_000,
        "capabilities": {"streaming": True, "tools": True, "attachments": True, "reasoning": True},
        "reasoning_efforts": ["low", "medium", "high"],
        "service_tiers": ["auto", "default", "priority"],
        "pricing": {
            "default": {
                "price_id": price.public_id,
                "effective_from": "2025-01-01T00:00:00Z",
                "currency": "USD",
                "factor": None,
                "components": [],
                "input": "1.500000",
                "cached_input": "0.375000",
                "cache_write": None,
                "output": "6.000000",
                "above_input_tokens": [],
            }
        },
    }


def test_the_price_in_force_now_is_shown_and_no_other() -> None:
    make_price(input="1", effective_from=LONG_AGO)
    make_price(input="2", effective_from=NOW)
    make_price(input="3", effective_from=NOW + SECOND)
    make_price(input="4", effective_from=LONG_AGO, workspace=make_workspace())
    assert models()["codex-mini"]["pricing"]["default"]["input"] == "2.000000"
    with time_machine.travel(NOW + SECOND, tick=False):
        assert models()["codex-mini"]["pricing"]["default"]["input"] == "3.000000"


def test_tiers_and_long_context_are_apart() -> None:
    make_price(input="1")
    make_price(input="2", tier="priority")
    make_price(input="3", above_input_tokens=400_000)
    make_price(input="4", above_input_tokens=200_000)
    pricing = models()["codex-mini"]["pricing"]
    assert list(pricing) == ["default", "priority"]
    assert (pricing["default"]["input"], pricing["priority"]["input"]) == ("1.000000", "2.000000")
    above = [(each["above_input_tokens"], each["input"]) for each in pricing["default"]["above_input_tokens"]]
    assert above == [(200_000, "4.000000"), (400_000, "3.000000")]
    assert pricing["priority"]["above_input_tokens"] == []


def test_a_tier_that_follows_the_default_one_says_by_which_factor() -> None:
    make_price(input="1", output="6")
    make_price(input="2", output="12", above_input_tokens=200_000)
    make_price(input="3", output="18", above_input_tokens=400_000, tier="priority")
    set_factor("codex-mini", "batch", Decimal("0.50"), effective_from=LONG_AGO, actor="a test", now=NOW)
    pricing = models()["codex-mini"]["pricing"]
    assert {tier: (rates["factor"], rates["input"]) for tier, rates in pricing.items()} == {
        "default": (None, "1.000000"),
        "batch": ("0.5", "0.500000"),
        "priority": (None, None),
    }
    assert [(each["factor"], each["input"]) for each in pricing["batch"]["above_input_tokens"]] == [("0.5", "1.000000")]
    assert [each["factor"] for each in pricing["priority"]["above_input_tokens"]] == [None]


def test_only_listed_models_are_there() -> None:
    make_model("listed")
    make_model("hidden", status=LanguageModel.Status.UNLISTED)
    make_model("seen", status=LanguageModel.Status.DISCOVERED)
    assert list(models()) == ["listed"]
    for slug in ("hidden", "seen", "never", "nul\x00"):
        answer = APIClient().get(f"/api/v1/models/{slug}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_alias_has_the_prices_of_what_it_stands_for() -> None:
    make_price(input="1.5")
    make_model("codex", alias_of=make_model("codex-mini"))
    assert models()["codex"]["pricing"] == models()["codex-mini"]["pricing"]


def test_one_model_is_what_the_list_says_of_it_even_with_a_slash_in_its_name() -> None:
    make_price("azure/codex-mini")
    one = APIClient().get("/api/v1/models/azure/codex-mini")
    assert one.status_code == 200
    assert one.json() == models()["azure/codex-mini"]


def test_the_list_comes_in_pages_for_whoever_asks() -> None:
    for slug in ("a", "b/1", "c"):
        make_model(slug)
    client = APIClient()
    pages, cursor = [], None
    while True:
        answer = client.get("/api/v1/models", {"limit": 2} | ({} if cursor is None else {"cursor": cursor})).json()
        pages.append([model["id"] for model in answer["data"]])
        if (cursor := answer["next_cursor"]) is None:
            break
    assert pages == [["a", "b/1"], ["c"]]
    assert client.get("/api/v1/models", {"limit": 3}).json()["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=never", "cursor"),
        ("cursor=%00", "cursor"),
        ("nope=1", "nope"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(query: str, param: str) -> None:
    make_model("listed")
    answer = APIClient().get(f"/api/v1/models?{query}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_parameter", param)


def test_anybody_may_read_it_whatever_they_send_along() -> None:
    make_model("listed")
    for credential in ("Bearer nonsense", "Bearer omx_live_" + "0" * 36, "Basic eDp5"):
        assert list(models(authorization=credential)) == ["listed"]


def test_more_models_take_no_more_queries() -> None:
    counts = set()
    for number in range(6):
        make_price(f"model-{number}")
        with CaptureQueriesContext(connection) as captured:
            models()
        counts.add(len(captured))
    assert counts == {2}


def test_rates_of_further_components_are_listed_in_their_order() -> None:
    make_price(**{"web_search": "0.010000000000", "audio_input": "40.000000", "image/high/1024x1024": "0.167000000000"})
    assert models()["codex-mini"]["pricing"]["default"]["components"] == [
        {"component": "audio_input", "unit": "token", "rate": "40.000000", "rate_for": "1M tokens"},
        {"component": "web_search", "unit": "search", "rate": "0.010000000000", "rate_for": "search"},
        {"component": "image/high/1024x1024", "unit": "image", "rate": "0.167000000000", "rate_for": "image"},
    ]
