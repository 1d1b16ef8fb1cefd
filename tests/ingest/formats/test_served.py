"""The tier that an event is billed by: what the event says, what its usage says, and what both come to."""

from typing import Any

import pytest

from metering.catalogue.tiers import normal_tier
from metering.ingest.formats.dialects.served import Served, billed_tier, served_as_stated
from metering.ingest.formats.dialects.shape import UsageRefused
from tests.ingest.formats.usages import chat, refusal, understood

OPEN = (None, "", " ", "auto", "AUTO")


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        (None, "default"),
        ("", "default"),
        ("auto", "default"),
        ("Standard", "default"),
        ("STANDARD_ONLY", "default"),
        ("on_demand", "default"),
        ("ON_DEMAND", "default"),
        ("ON_DEMAND_PRIORITY", "priority"),
        ("ON_DEMAND_FLEX", "flex"),
        (" Priority ", "priority"),
        ("FLEX", "flex"),
        ("PROVISIONED_THROUGHPUT", "provisioned_throughput"),
    ],
)
def test_one_tier_has_one_name(name: str | None, tier: str) -> None:
    assert normal_tier(name) == tier


@pytest.mark.parametrize("stated", OPEN)
@pytest.mark.parametrize(
    ("texts", "tier"),
    [
        ({}, "default"),
        ({"service_tier": "standard", "speed": "standard", "inference_geo": "not_available"}, "default"),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "Priority", "speed": "Fast", "inference_geo": "US"}, "priority+fast+us"),
        ({"speed": "fast"}, "fast"),
        ({"inference_geo": "us"}, "us"),
        ({"service_tier": "standard", "inference_geo": "eu"}, "eu"),
        ({"speed": "fast", "inference_geo": "global"}, "fast"),
        ({"trafficType": "ON_DEMAND"}, "default"),
        ({"traffic_type": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"extra_properties.google.traffic_type": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"extra_properties.google.traffic_type": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"service_tier": "auto"}, "default"),
    ],
)
def test_what_the_event_leaves_open_its_usage_says(stated: str | None, texts: dict[str, str], tier: str) -> None:
    assert billed_tier(stated, served_as_stated(texts)) == tier


@pytest.mark.parametrize(
    ("stated", "texts", "tier"),
    [
        ("priority", {}, "priority"),
        ("priority", {"service_tier": "auto"}, "priority"),
        ("priority", {"service_tier": "Auto", "trafficType": "ON_DEMAND_PRIORITY", "speed": "fast"}, "priority+fast"),
        ("PRIORITY", {"service_tier": "priority"}, "priority"),
        ("priority", {"speed": "fast"}, "priority+fast"),
        ("priority+fast", {"speed": "fast"}, "priority+fast"),
        ("priority+fast+us", {"service_tier": "priority", "speed": "fast", "inference_geo": "us"}, "priority+fast+us"),
        ("default", {"service_tier": "standard", "speed": "fast"}, "fast"),
        ("standard", {"service_tier": "on_demand"}, "default"),
        ("fast", {"service_tier": "standard", "speed": "fast"}, "fast"),
        ("us", {"service_tier": "standard"}, "us"),
        ("fast+us", {"service_tier": "standard"}, "fast+us"),
        ("priority+us", {"service_tier": "priority"}, "priority+us"),
        ("us", {"speed": "fast"}, "fast+us"),
        ("priority+us", {"inference_geo": "not_available", "speed": "standard"}, "priority+us"),
        ("priority+turbo", {"service_tier": "priority"}, "priority+turbo"),
        ("turbo", {"speed": "turbo"}, "turbo"),
        ("priority", {"inference_geo": "global", "speed": "standard"}, "priority"),
    ],
)
def test_what_both_say_alike_counts(stated: str, texts: dict[str, str], tier: str) -> None:
    assert billed_tier(stated, served_as_stated(texts)) == tier


@pytest.mark.parametrize(
    ("stated", "texts"),
    [
        ("priority", {"service_tier": "standard"}),
        ("default", {"service_tier": "priority"}),
        ("flex", {"trafficType": "ON_DEMAND_PRIORITY"}),
        ("priority", {"service_tier": "batch", "speed": "fast"}),
        ("us", {"service_tier": "priority"}),
        ("fast", {"speed": "standard"}),
        ("us", {"inference_geo": "global"}),
        ("priority+us", {"service_tier": "priority", "inference_geo": "eu"}),
        ("priority+turbo", {"speed": "standard"}),
    ],
)
def test_what_they_say_differently_is_held(stated: str, texts: dict[str, str]) -> None:
    with pytest.raises(UsageRefused) as refused:
        billed_tier(stated, served_as_stated(texts))
    assert refused.value.code == "service_tiers_differ"


def test_usage_that_names_two_tiers_is_held() -> None:
    with pytest.raises(UsageRefused, match="several service tiers: flex, priority"):
        served_as_stated({"service_tier": "priority", "trafficType": "ON_DEMAND_FLEX"})


@pytest.mark.parametrize("name", ["service_tier", "serviceTier", "trafficType", "traffic_type", "speed", "inference_geo"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [(["priority"], "array"), ([], "array"), ({"name": "priority"}, "object"), ({"level": 0}, "object"), (True, "bool")],
)
def test_what_says_how_a_response_was_served_is_a_text_or_nothing(name: str, value: Any, kind: str) -> None:
    """Passed over, it would be billed as usual."""
    said = chat(10, 5) | {name: value}
    assert refusal(said) == ("invalid_event", f"Expected `str | null`, got `{kind}` - at `$.usage.{name}`")
    assert understood(chat(10, 5) | {name: None}).served == Served()
