"""OpenRouter's `GET /generation?id=`: one request by the id that the gateway gave it, and what it cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from metering.compatible.queries import parse_foreign_query
from metering.compatible.views import AnyKeyView
from metering.errors import NotFound
from metering.ingest.models import EventStatus
from metering.money import WIDE
from metering.usage.api import own_key_of
from metering.usage.events.events import EventRow, request_parts
from metering.usage.rows import event_json
from omixa_billing.api.fields import json_number
from omixa_billing.instants import instant_text
from workspaces.access.permissions import caller_of
from workspaces.models import Workspace

# What gateways do not report: null, as OpenRouter has it where it does not know either.
UNKNOWN = (
    *("app_id", "cache_discount", "finish_reason", "http_referer", "moderation_latency", "native_finish_reason"),
    *("native_tokens_completion_images", "num_fetches", "num_input_audio_prompt", "num_media_completion", "num_media_prompt"),
    *("num_search_results", "preset_id", "response_cache_source_id", "router", "session_id", "upstream_id"),
    *("upstream_inference_cost", "user_agent", "web_search_engine"),
)


class GenerationQuery(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=512, trim_whitespace=False)


class OpenRouterGenerationView(AnyKeyView):
    def get(self, request: Request) -> Response:
        asked, caller = parse_foreign_query(request.query_params, GenerationQuery), caller_of(request)
        parts = request_parts(caller.workspace, asked["id"], own_key_of(caller))
        return Response({"data": _generation_json(caller.workspace, parts)})


def _generation_json(workspace: Workspace, parts: list[list[EventRow]]) -> dict[str, Any]:
    """What the attempt that ended the request says, the tokens and times of those that ended its parts, and the cost of all.

    Raises NotFound while that is not known.
    """
    attempts = [each for part in parts for each in part]
    ended = [_that_ended(part) for part in parts]
    last = ended[-1]
    latency = _latency(ended)
    input_tokens, output_tokens = sum(each.input_tokens for each in ended), sum(each.output_tokens for each in ended)
    cost = json_number(_cost(attempts))
    said = event_json(last)
    return {
        "id": ended[0].request_id,
        "request_id": ended[0].request_id,
        "workspace_id": workspace.public_id,
        "created_at": instant_text(last.occurred_at),
        "api_type": "completions",
        "model": last.model,
        "provider_name": last.provider or None,
        "service_tier": last.service_tier,
        "streamed": last.stream,
        "cancelled": last.status == EventStatus.ABORTED,
        "latency": latency,
        "generation_time": _generation_time(ended[0], latency),
        "tokens_prompt": input_tokens,
        "tokens_completion": output_tokens,
        "native_tokens_prompt": input_tokens,
        "native_tokens_completion": output_tokens,
        "native_tokens_cached": sum(each.cached_input_tokens for each in ended),
        "native_tokens_reasoning": sum(each.reasoning_tokens for each in ended),
        "usage": cost,
        "total_cost": cost,
        "is_byok": False,
        "origin": "",
        "data_region": "global",
        "external_user": said["user"],
        "provider_responses": [_attempt_json(each) for each in attempts],
        **dict.fromkeys(UNKNOWN),
    }


def _cost(attempts: list[EventRow]) -> Decimal:
    total = Decimal(0)
    for each in attempts:
        if each.cost is None:
            raise NotFound("What this generation cost is not known yet: its model has no price. Ask again later.", param="id")
        total = WIDE.add(total, each.cost)
    return total


def _that_ended(part: list[EventRow]) -> EventRow:
    return ([each for each in part if each.status < EventStatus.FAILED] or part)[-1]


def _latency(ended: list[EventRow]) -> int | None:
    """Milliseconds of all parts, where each states its own."""
    stated = [each.latency_ms for each in ended if each.latency_ms is not None]
    return sum(stated) if len(stated) == len(ended) else None


def _generation_time(first: EventRow, latency: int | None) -> int | None:
    """Milliseconds from the first token on."""
    if latency is None or first.time_to_first_token_ms is None:
        return latency
    return max(latency - first.time_to_first_token_ms, 0)


def _attempt_json(event: EventRow) -> dict[str, Any]:
    attempt: dict[str, Any] = {"status": None, "is_byok": False, "model_permaslug": event.model}
    if event.provider:
        attempt["provider_name"] = event.provider
    return attempt if event.latency_ms is None else attempt | {"latency": event.latency_ms}
