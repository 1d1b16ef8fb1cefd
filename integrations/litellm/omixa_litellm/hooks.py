"""What LiteLLM calls: its hooks, each of which only looks up the call and notes what happened.

Two of LiteLLM's habits bind the names here: a hook counts only when it is defined on this very class, and the log hooks are
called with exactly these parameters.
"""

import logging
from typing import Any

from fastapi import Request
from litellm.exceptions import BadRequestError
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import ProxyException, UserAPIKeyAuth

from .calls import Logged
from .events import counts
from .front import SCOPE_KEY
from .plugin import plugin
from .refusals import Refusal

log = logging.getLogger("omixa_litellm")

WHOLE_RESPONSES = ("response.completed", "response.incomplete")


async def auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    """`custom_auth`: the front has checked the key already. A request that did not come through it is refused."""
    key = request.scope.get(SCOPE_KEY)
    if key is None:
        raise ProxyException("The gateway is not set up: the plug-in's front is missing.", "server_error", None, 503)
    return UserAPIKeyAuth(
        api_key=key.key_id,
        key_alias=key.key_id,
        user_id=key.workspace_id or None,
        models=sorted(key.models) if key.models is not None else [],
        metadata={"omx_key_id": key.key_id},
    )


class OmixaLogger(CustomLogger):
    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        call = plugin.calls.get(kwargs.get("litellm_call_id"))
        if call is None:
            return None
        model = kwargs.get("model")
        route = model if isinstance(model, str) else None
        provider = kwargs.get("custom_llm_provider") or (route.split("/")[0] if route and "/" in route else None)
        try:
            changed = await plugin.parts.before(call, _name(call_type), kwargs)
        except Refusal as refused:  # a status that neither LiteLLM nor a client's package tries again
            raise BadRequestError(refused.message, route, provider) from None
        plugin.settlement.dispatched(call, _name(call_type), provider, route)
        return changed

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: dict[str, Any]) -> None:
        call = plugin.calls.get(kwargs.get("litellm_call_id"))
        if call is not None:
            call.sent = True

    def log_post_api_call(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        call, answer = plugin.calls.get(kwargs.get("litellm_call_id")), kwargs.get("original_response")
        if call is not None and isinstance(answer, str):
            call.raw_answer = answer

    async def async_post_call_success_deployment_hook(self, request_data: Any, response: Any, call_type: Any) -> None:
        call = plugin.calls.get(request_data.get("litellm_call_id"))
        if call is not None:
            usage = _of(response, "usage")
            plugin.settlement.answered(call, Logged(counts(usage), _served_tier(response, usage), whole=True))

    async def async_post_call_failure_deployment_hook(
        self, request_data: Any, exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        call = plugin.calls.get(request_data.get("litellm_call_id"))
        if call is not None:
            plugin.settlement.attempt_failed(call, _name(call_type))

    async def async_post_call_streaming_deployment_hook(self, request_data: Any, response_chunk: Any, call_type: Any) -> None:
        """Of a chat LiteLLM shows the last chunk here, without its usage; of a response each event, and its end has it."""
        call = plugin.calls.worked_for()
        if call is None:
            return
        if any(_of(choice, "finish_reason") for choice in _of(response_chunk, "choices") or ()):
            call.streamed = True
        if _of(response_chunk, "type") in WHOLE_RESPONSES and (response := _of(response_chunk, "response")) is not None:
            usage = _of(response, "usage")
            plugin.settlement.answered(call, Logged(counts(usage), _served_tier(response, usage), whole=True))

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        call = plugin.calls.get(kwargs.get("litellm_call_id"))
        if call is None:
            return
        payload = kwargs.get("standard_logging_object") or {}
        usage = (payload.get("metadata") or {}).get("usage_object") or _of(response_obj, "usage")
        tier, cache_hit = _served_tier(response_obj, usage), payload.get("cache_hit") is True
        plugin.settlement.logged_success(call, Logged(counts(usage), tier, cache_hit))

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        call = plugin.calls.get(kwargs.get("litellm_call_id"))
        if call is not None:
            plugin.settlement.logged_failure(call)


def _name(call_type: Any) -> str | None:
    return getattr(call_type, "value", call_type)


def _served_tier(response: Any, usage: Any) -> str | None:
    tier = _of(response, "service_tier") or _of(usage, "service_tier")
    return tier if isinstance(tier, str) else None


def _of(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


callback = OmixaLogger()
plugin.install()
