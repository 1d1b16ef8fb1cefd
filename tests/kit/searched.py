"""A response that used more than the common components: cache writes for an hour, and searches; at Anthropic's rates."""

from typing import Any

from metering.catalogue.models import PriceVersion
from tests.kit.factories import make_price

SEARCHED = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 5424,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 5424},
    "output_tokens": 12,
    "server_tool_use": {"web_search_requests": 2},
}
OTHERS = {"cache_write_1h": 5424, "web_search": 2}
# 3 x 3 + 5424 x 6 + 12 x 15 per million, and 2 x 0.01
COST = "0.052733000000"


def make_claude(web_search: str | None = "0.01", cache_write_1h: str | None = "6", **more: Any) -> PriceVersion:
    stated = {"web_search": web_search, "cache_write_1h": cache_write_1h}
    rates = {name: rate for name, rate in stated.items() if rate is not None}
    return make_price("claude", "3", "0.3", "15", "3.75", **more | rates)


def searched(**more: Any) -> dict[str, Any]:
    """What an event says of it."""
    return {"model": "claude", "dialect": "anthropic", "usage": SEARCHED, **more}


def searched_times(searches: int, one_hour: int = 5424) -> dict[str, Any]:
    """The same usage with so many searches, and so many of the tokens written for an hour."""
    parts = {"ephemeral_5m_input_tokens": 5424 - one_hour, "ephemeral_1h_input_tokens": one_hour}
    return SEARCHED | {"cache_creation": parts, "server_tool_use": {"web_search_requests": searches}}
