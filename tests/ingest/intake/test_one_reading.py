"""What providers' usage costs, whichever way it comes: one object never has two costs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from metering.catalogue.set_price import set_price
from metering.ingest.formats.payloads import of_cloudevents, of_corrections, of_litellm
from metering.ingest.intake.broker.store import store_events
from metering.ingest.intake.receive import receive
from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent
from metering.ingest.quarantine.estimate import fill_estimates
from tests.ingest.formats.payloads import CAPTURED, changed, payload_of
from tests.ingest.intake.endpoints import Post
from tests.kit.factories import LONG_AGO, NOW, an_event, make_key, make_workspace, send, work
from workspaces.models import APIKey, Gateway

pytestmark = pytest.mark.django_db

REALTIME = {
    "total_tokens": 9492,
    "input_tokens": 8223,
    "output_tokens": 1269,
    "input_token_details": {
        "text_tokens": 8223,
        "audio_tokens": 0,
        "cached_tokens": 8192,
        "cached_tokens_details": {"text_tokens": 8192, "audio_tokens": 0},
    },
    "output_token_details": {"text_tokens": 1269, "audio_tokens": 0},
}
COMPACTED = {
    "input_tokens": 23000,
    "output_tokens": 1000,
    "iterations": [
        {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23000, "output_tokens": 1000},
    ],
}
CLAUDE = {"input": "3", "cached_input": "0.3", "cache_write": "3.75", "output": "15", "cache_write_1h": "6"}
# Issue 15's table: what it is, the rates, the usage, what it costs.
COSTS: list[tuple[str, dict[str, str], dict[str, Any], str]] = [
    (
        "deepseek",
        {"input": "0.28", "cached_input": "0.028", "output": "0.42"},
        {
            "prompt_tokens": 100000,
            "prompt_cache_hit_tokens": 95000,
            "prompt_cache_miss_tokens": 5000,
            "completion_tokens": 1000,
            "total_tokens": 101000,
        },
        "0.004480000000",
    ),
    (
        "moonshot",
        {"input": "0.6", "cached_input": "0.15", "output": "2.5"},
        {"prompt_tokens": 19000, "completion_tokens": 21, "total_tokens": 19021, "cached_tokens": 18000},
        "0.003352500000",
    ),
    (
        "qwen",
        {"input": "0.4", "cached_input": "0.04", "cache_write": "0.5", "output": "1.2"},
        {
            "prompt_tokens": 2000,
            "completion_tokens": 100,
            "prompt_tokens_details": {"cache_creation_input_tokens": 1889, "cache_type": "ephemeral"},
        },
        "0.001108900000",
    ),
    (
        "anthropic, writes for an hour",
        CLAUDE,
        {"input_tokens": 3, "output_tokens": 12, "cache_creation": {"ephemeral_1h_input_tokens": 5424}},
        "0.032733000000",
    ),
    ("anthropic, compaction", CLAUDE, COMPACTED, "0.676500000000"),
    ("realtime, rates of text only", {"input": "4", "cached_input": "0.4", "output": "16"}, REALTIME, "0.023704800000"),
]
OF_THE_TABLE = pytest.mark.parametrize(
    ("rates", "usage", "cost"), [case[1:] for case in COSTS], ids=[case[0] for case in COSTS]
)


def price(model: str, rates: dict[str, str], **more: Any) -> None:
    exact = {name: Decimal(rate) for name, rate in rates.items()}
    set_price(model, actor="test", now=NOW, effective_from=LONG_AGO, **exact, **more)


def costs() -> list[Decimal | None]:
    return list(UsageEvent.objects.order_by("request_id").values_list("cost", flat=True))


@OF_THE_TABLE
def test_usage_costs_what_the_provider_bills(post: Post, rates: dict[str, str], usage: dict[str, Any], cost: str) -> None:
    price("m", rates)
    event = an_event(make_key(make_workspace()), model="m", usage=usage)
    assert post(json.dumps({"events": [event]}).encode()).status_code == 202
    work()
    assert costs() == [Decimal(cost)]


@OF_THE_TABLE
def test_every_way_in_has_one_cost(
    gateway: Gateway, rates: dict[str, str], usage: dict[str, Any], cost: str, key: APIKey
) -> None:
    price("m", rates)
    price("up-codex", rates)
    send(gateway, [an_event(key, request_id="a", model="m", usage=usage)])
    cloud = {"specversion": "1.0", "id": "b", "source": "s", "type": "t"}
    cloud_event = json.dumps(cloud | {"data": an_event(key, request_id="b", model="m", usage=usage)}).encode()
    receive(of_cloudevents(cloud_event, "application/cloudevents+json"), gateway, NOW)
    store_events([an_event(key, request_id="c", model="m", usage=usage)], gateway.public_id, NOW)
    payload = changed(
        payload_of(litellm_call_id="e", metadata__usage_object=usage),
        metadata__user_api_key_auth_metadata__omx_key_id=key.public_id,
    )
    receive(of_litellm(json.dumps(payload).encode()), gateway, CAPTURED)
    work()
    work(CAPTURED)
    assert not QuarantinedEvent.objects.exists()
    assert costs() == [Decimal(cost)] * 4


@OF_THE_TABLE
def test_a_correction_reads_usage_as_an_event_does(
    gateway: Gateway, rates: dict[str, str], usage: dict[str, Any], cost: str, key: APIKey
) -> None:
    price("m", rates)
    send(gateway, [an_event(key, model="m")])
    replaced = {"request_id": "req_1", "key_id": key.public_id, "action": "replace", "usage": usage}
    receive(of_corrections(json.dumps({"corrections": [replaced]}).encode()), gateway, NOW)
    work()
    assert costs() == [Decimal(cost)]


def test_what_nobody_knows_is_held_at_every_way_in(gateway: Gateway, key: APIKey) -> None:
    strange = {"prompt_tokens": 10, "completion_tokens": 5, "tool_tokens": 3}
    send(gateway, [an_event(key, request_id="a", usage=strange)])
    cloud = {"specversion": "1.0", "id": "b", "source": "s", "type": "t", "data": an_event(key, usage=strange)}
    receive(of_cloudevents(json.dumps(cloud).encode(), "application/cloudevents+json"), gateway, NOW)
    store_events([an_event(key, usage=strange)], gateway.public_id, NOW)
    correction = {"request_id": "d", "key_id": key.public_id, "action": "replace", "usage": strange}
    receive(of_corrections(json.dumps({"corrections": [correction]}).encode()), gateway, NOW)
    receive(of_litellm(json.dumps(payload_of(metadata__usage_object=strange)).encode()), gateway, CAPTURED)
    work()
    assert UsageEvent.objects.count() == 0
    assert list(QuarantinedEvent.objects.values_list("code", flat=True)) == ["usage_not_understood"] * 5


def test_what_usage_says_of_the_tier_finds_the_price_of_that_tier(gateway: Gateway, key: APIKey) -> None:
    price("m", CLAUDE)
    price("m", CLAUDE | {"output": "75"}, service_tier="Fast+US")
    plain = {"input_tokens": 0, "output_tokens": 1_000_000, "cache_read_input_tokens": 0, "service_tier": "standard"}
    usages = [
        plain | {"speed": "standard", "inference_geo": "not_available"},
        plain | {"speed": "fast", "inference_geo": "us"},
        plain | {"speed": "fast"},
        plain | {"service_tier": "priority"},
    ]
    send(gateway, [an_event(key, request_id=f"r{at}", model="m", usage=usage) for at, usage in enumerate(usages)])
    rows = UsageEvent.objects.order_by("request_id").values_list("service_tier__name", "cost")
    assert list(rows) == [("default", 15), ("fast+us", 75), ("fast", None), ("priority", None)]


def test_an_event_and_its_usage_that_name_different_tiers_are_held(gateway: Gateway, key: APIKey) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard"}
    send(gateway, [an_event(key, usage=usage, service_tier="priority"), an_event(key, request_id="b", usage=usage)])
    held = QuarantinedEvent.objects.get()
    assert (held.code, held.index) == ("service_tiers_differ", 0)
    assert held.message == "service_tier is priority, but the usage says default: correct the one that is wrong."
    assert UsageEvent.objects.get().service_tier.name == "default"


@pytest.mark.parametrize("usual", [{"speed": "standard"}, {"inference_geo": "global"}])
def test_a_speed_or_place_that_the_usage_says_is_as_usual_contradicts_the_event(
    gateway: Gateway, key: APIKey, usual: dict[str, str]
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0} | usual
    send(gateway, [an_event(key, usage=usage, service_tier="fast+us"), an_event(key, request_id="b", usage=usage)])
    assert QuarantinedEvent.objects.get().code == "service_tiers_differ"
    assert UsageEvent.objects.get().service_tier.name == "default"


def test_tiers_are_compared_without_case(gateway: Gateway, key: APIKey) -> None:
    price("m", CLAUDE, service_tier="Priority")
    usage = {"input_tokens": 0, "output_tokens": 1_000_000}
    tiers = ["priority", "PRIORITY", "on_demand", "Standard"]
    send(gateway, [an_event(key, request_id=tier, model="m", usage=usage, service_tier=tier) for tier in tiers])
    rows = dict(UsageEvent.objects.values_list("request_id", "service_tier__name"))
    assert rows == {"priority": "priority", "PRIORITY": "priority", "on_demand": "default", "Standard": "default"}
    assert UsageEvent.objects.filter(cost=15).count() == 2


def test_usage_is_kept_as_it_was_sent_where_it_says_more_than_the_counts(gateway: Gateway, key: APIKey) -> None:
    more = {"prompt_tokens": 10, "completion_tokens": 5, "cost": 0.1, "cost_details": {"upstream_inference_cost": 0.10}}
    batch = send(gateway, [an_event(key, usage=more), an_event(key, request_id="req_2")])
    assert batch.recorded == 2
    kept, plain = UsageEvent.objects.order_by("request_id")
    assert kept.usage == b"-" + json.dumps(more).encode()
    assert plain.usage is None


def test_a_call_that_makes_no_answer_is_accepted_and_counted_nowhere(gateway: Gateway, key: APIKey) -> None:
    price("up-codex", CLAUDE)
    made = changed(payload_of(), metadata__user_api_key_auth_metadata__omx_key_id=key.public_id)
    fetches = (
        *("aget_responses", "get_responses", "adelete_responses", "acancel_responses", "alist_input_items"),
        *("aretrieve_batch", "acancel_batch", "alist_batches", "afile_list", "afile_content", "avideo_status"),
    )
    payloads = [made, *(made | {"call_type": name, "litellm_call_id": name} for name in fetches)]
    for _ in range(2):
        batch = receive(of_litellm(json.dumps(payloads).encode()), gateway, CAPTURED)
        work(CAPTURED)
    batch.refresh_from_db()
    assert UsageEvent.objects.count() == 1
    assert not QuarantinedEvent.objects.exists()
    assert (batch.event_count, batch.recorded, batch.duplicate, batch.rejected) == (12, 0, 12, 0)
    assert {item["code"] for item in batch.items} == {"duplicate", "not_inference"}
    assert batch.items[1] == {
        "index": 1,
        "request_id": "aget_responses",
        "attempt": 0,
        "outcome": "duplicate",
        "code": "not_inference",
        "message": "A call that fetches, lists, cancels or deletes is not inference, and is not counted.",
    }


@pytest.mark.parametrize(
    "call_type", ["acompletion", "aresponses", "atext_completion", "aembedding", "aimage_generation", None, 7]
)
def test_a_call_that_makes_an_answer_is_an_event(gateway: Gateway, key: APIKey, call_type: Any) -> None:
    price("up-codex", CLAUDE)
    payload = changed(payload_of(call_type=call_type), metadata__user_api_key_auth_metadata__omx_key_id=key.public_id)
    receive(of_litellm(json.dumps(payload).encode()), gateway, CAPTURED)
    work(CAPTURED)
    assert UsageEvent.objects.count() == 1


def test_a_fetch_alone_is_a_batch_of_its_own(gateway: Gateway, key: APIKey) -> None:
    receive(of_litellm(json.dumps(payload_of(call_type="aget_responses")).encode()), gateway, CAPTURED)
    work(CAPTURED)
    batch = Batch.objects.get()
    assert (batch.status, batch.event_count, batch.duplicate, batch.rejected) == ("processed", 1, 1, 0)
    assert batch.body == b'{"events":[null]}'


@pytest.mark.parametrize("call_type", ["generate_content", "agenerate_content", "agenerate_content_stream"])
def test_asking_google_for_content_is_inference(gateway: Gateway, key: APIKey, call_type: str) -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
    payload = payload_of(call_type=call_type, metadata__usage_object=usage)
    payload = changed(payload, metadata__user_api_key_auth_metadata__omx_key_id=key.public_id)
    receive(of_litellm(json.dumps(payload).encode()), gateway, CAPTURED)
    work(CAPTURED)
    assert list(UsageEvent.objects.values_list("input_tokens", "output_tokens")) == [(10, 5)]


@pytest.mark.parametrize("call_type", ["video_retrieve_job", "avideo_get_character", "vector_store_file_content"])
def test_what_ends_in_what_it_fetches_is_no_inference(gateway: Gateway, call_type: str) -> None:
    batch = receive(of_litellm(json.dumps(payload_of(call_type=call_type)).encode()), gateway, CAPTURED)
    assert [item["code"] for item in batch.items] == ["not_inference"]


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        ('{"prompt_tokens": 1, "completion_tokens": 1, "x": [{"n": 1e999999}, {"n": 9e999999}]}', "invalid_event"),
        ('{"prompt_tokens": 1, "completion_tokens": 1, "a\\u0000b": 1}', "usage_not_understood"),
        ('{"prompt_tokens": 1, "completion_tokens": 1, "service_tier": "%s"}' % ("t" * 65), "invalid_event"),
        ('{"prompt_tokens": 1, "completion_tokens": 1, "service_tier": "a\\u0000"}', "invalid_event"),
        ('{"input_tokens": 1, "output_tokens": 1, "speed": "%s"}' % ("s" * 65), "invalid_event"),
        ('{"prompt_tokens": 1, "completion_tokens": 1, "%s": 1}' % ("n" * 300), "usage_not_understood"),
    ],
)
def test_odd_usage_is_held_and_its_neighbours_count(post: Post, key: APIKey, usage: str, code: str) -> None:
    odd = json.dumps(an_event(key, request_id="odd", usage="USAGE")).replace('"USAGE"', usage)
    neighbour = json.dumps(an_event(key, request_id="neighbour"))
    assert post(f'{{"events": [{odd}, {neighbour}]}}'.encode()).status_code == 202
    work()
    assert list(UsageEvent.objects.values_list("request_id", flat=True)) == ["neighbour"]
    held = QuarantinedEvent.objects.get()
    assert (held.request_id, held.code) == ("odd", code)
    assert fill_estimates() in (0, 1)


ZEROS = {"text_tokens": 0, "image_tokens": 0}
NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": ZEROS}
# As LiteLLM logs them: a chat's names, and how many images there are.
IN_CHAT_NAMES = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "prompt_tokens_details": ZEROS}
GPT_IMAGE = {
    "prompt_tokens": 50,
    "completion_tokens": 4160,
    "total_tokens": 4210,
    "prompt_tokens_details": {"text_tokens": 10, "image_tokens": 40, "cached_tokens": None},
    "completion_tokens_details": None,
    "output_image_count": 1,
}
TWO = {"data": [{"b64_json": "aGk="}, {"url": None}]}


def images(key: APIKey, usage: dict[str, Any] | None, response: Any, **asked: Any) -> bytes:
    payload = payload_of(call_type="aimage_generation", metadata__usage_object=usage)
    payload |= {"response": response, "model_parameters": asked}
    return json.dumps(changed(payload, metadata__user_api_key_auth_metadata__omx_key_id=key.public_id)).encode()


@pytest.mark.parametrize(
    ("usage", "response"),
    [
        (NO_TOKENS, TWO),
        (None, TWO),
        ({}, TWO),
        (IN_CHAT_NAMES | {"output_image_count": 2}, TWO),
        (IN_CHAT_NAMES | {"output_image_count": 2}, "redacted by LiteLLM"),
    ],
)
def test_images_without_tokens_are_counted_by_the_piece(
    gateway: Gateway, key: APIKey, usage: dict[str, Any] | None, response: Any
) -> None:
    price("up-codex", CLAUDE | {"image": "0.04"})
    receive(of_litellm(images(key, usage, response)), gateway, CAPTURED)
    work(CAPTURED)
    assert UsageEvent.objects.get().others == {"image": 2}
    assert costs() == [Decimal("0.08")]


@pytest.mark.parametrize(
    ("usage", "counts", "others"),
    [
        (NO_TOKENS | {"output_tokens": 100, "total_tokens": 100}, (0, 100), {"image_output": 100}),
        (GPT_IMAGE, (50, 4160), {"image_input": 40, "image_output": 4160}),
        (
            GPT_IMAGE | {"completion_tokens_details": {"text_tokens": 160, "image_tokens": 4000}},
            (50, 4160),
            {"image_input": 40, "image_output": 4000},
        ),
        (
            GPT_IMAGE | {"completion_tokens_details": {"reasoning_tokens": 60}},
            (50, 4160),
            {"image_input": 40, "image_output": 4100},
        ),
    ],
)
def test_images_with_tokens_are_counted_by_these(
    gateway: Gateway, key: APIKey, usage: dict[str, Any], counts: tuple[int, int], others: dict[str, int]
) -> None:
    receive(of_litellm(images(key, usage, {"data": [{}, {}], "quality": "low", "size": "1024x1024"})), gateway, CAPTURED)
    work(CAPTURED)
    event = UsageEvent.objects.get()
    assert (event.input_tokens, event.output_tokens, event.others) == (*counts, others)


@pytest.mark.parametrize("response", ["redacted by LiteLLM", {"data": []}, {"data": "x"}, {}, None])
@pytest.mark.parametrize("usage", [NO_TOKENS, IN_CHAT_NAMES])
def test_images_of_which_nobody_knows_how_many_wait(
    gateway: Gateway, key: APIKey, usage: dict[str, Any], response: Any
) -> None:
    receive(of_litellm(images(key, usage, response)), gateway, CAPTURED)
    assert QuarantinedEvent.objects.get().code == "usage_missing"


def test_a_number_beside_images_that_nobody_knows_holds_them(gateway: Gateway, key: APIKey) -> None:
    receive(of_litellm(images(key, IN_CHAT_NAMES | {"megapixels": 3}, TWO)), gateway, CAPTURED)
    assert QuarantinedEvent.objects.get().message == (
        "usage.megapixels is a number that is not understood in openai.images's usage."
    )


@pytest.mark.parametrize(
    ("rates", "said", "asked", "cost"),
    [
        ({"image": "0.02", "image/low/1024x1024": "0.01"}, {"quality": "low", "size": "1024x1024"}, {}, "0.02"),
        ({"image": "0.02", "image/low/1024x1024": "0.01"}, {"quality": "high", "size": "1024x1024"}, {}, "0.04"),
        ({"image": "0.02", "image/low": "0.01"}, {"quality": "Low", "size": "auto"}, {}, "0.02"),
        ({"image": "0.02"}, {"quality": "as good as it gets", "size": None}, {}, "0.04"),
        ({"image/hd/1024x1792": "0.0917504"}, {"quality": "hd", "size": "1024x1792"}, {"quality": "hd"}, "0.1835008"),
        ({"image/standard/1024x1024": "0.04"}, {"quality": "hd", "size": "1024x1024"}, {}, "0.08"),
        ({"image/hd/1024x1792": "0.0917504"}, {"quality": "hd", "size": "1024x1024"}, {"quality": "hd"}, None),
    ],
)
def test_an_image_costs_the_rate_of_its_quality_and_size(
    gateway: Gateway, key: APIKey, rates: dict[str, str], said: dict[str, Any], asked: dict[str, str], cost: str | None
) -> None:
    price("up-codex", {"input": "0", "output": "0"} | rates)
    receive(of_litellm(images(key, IN_CHAT_NAMES | {"output_image_count": 2}, TWO | said, **asked)), gateway, CAPTURED)
    work(CAPTURED)
    assert costs() == [cost and Decimal(cost)]
