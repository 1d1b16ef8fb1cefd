"""Per model, the request fields that its public page documents, and an example payload made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metering.catalogue.models import LanguageModel

ANY_VALUE = "Any valid value"


@dataclass(frozen=True)
class RequestField:
    """One row of a model's request schema. Backquotes in the description mark code."""

    name: str
    type: str
    required: bool
    accepted: str
    description: str


# Documented for every model, in this order, before its own optional fields.
ALWAYS = ["model", "messages", "messages[].content", "stream", "max_tokens|max_completion_tokens"]
SAMPLING = ["temperature", "top_p", "stop", "response_format"]

# name: (type, required, description); `{slug}` is the model's.
FIELDS: dict[str, tuple[str, bool, str]] = {
    "model": ("string", True, "Use `{slug}`. Omixa resolves the active provider route and failover key automatically."),
    "messages": (
        "array",
        True,
        "Conversation turns. Each item contains `role` and `content`. Roles are `system`, `user`, `assistant`, and tool"
        " roles when supported.",
    ),
    "messages[].content": (
        "string|array",
        True,
        'Text prompt or multimodal parts. Multimodal-capable models accept `{type:"text"}`, `{type:"image_url"}`, and'
        " inline files supported by Omixa.",
    ),
    "stream": ("boolean", False, "When true, returns OpenAI-compatible Server-Sent Events until `data: [DONE]`."),
    "max_tokens|max_completion_tokens": (
        "integer",
        False,
        "Maximum answer tokens. Omixa maps the correct field for Google, Azure chat, and reasoning model families.",
    ),
    "temperature": (
        "number",
        False,
        "Sampling randomness for non-reasoning models. Reasoning-only models may ignore or reject it, so Omixa strips"
        " it where needed.",
    ),
    "top_p": (
        "number",
        False,
        "Nucleus sampling. Use either `temperature` or `top_p` for predictable tuning.",
    ),
    "stop": ("string|array", False, "Stop sequence or sequences. Not all provider routes support it."),
    "response_format": (
        "object",
        False,
        'Structured output hints such as `{ "type": "json_object" }` when the selected provider supports JSON mode.',
    ),
    "tools": (
        "array",
        False,
        "OpenAI-style tool/function declarations. Omixa forwards compatible declarations to tool-capable providers.",
    ),
    "tool_choice": (
        "string|object",
        False,
        "`auto`, `none`, `required`, or a specific tool choice when the provider supports it.",
    ),
    "reasoning_effort": ("string", False, "Reasoning budget/effort. Omixa normalizes options per provider family."),
    "show_thinking": (
        "boolean",
        False,
        "Requests reasoning summaries or native `reasoning_content` chunks when supported by the selected route.",
    ),
    "attachments": (
        "inline parts",
        False,
        "Send image or document parts inside `messages[].content`. Use data URLs/base64 with MIME type; remote URLs are"
        " not fetched by Omixa for Google Vertex.",
    ),
    "service_tier": (
        "string",
        False,
        "Use `priority` for eligible Azure OpenAI deployments. Omixa omits it for routes that do not support priority"
        " processing.",
    ),
}

# Fields whose accepted values are the model's own.
ACCEPTED: dict[str, Callable[[LanguageModel], list[str]]] = {
    "model": lambda model: [model.slug],
    "reasoning_effort": lambda model: model.reasoning_efforts,
    "service_tier": lambda model: model.service_tiers,
}

EXAMPLE_MESSAGES = [
    {"role": "system", "content": "You are a concise API assistant."},
    {"role": "user", "content": "Explain this model in three practical bullet points."},
]
EXAMPLE_TOOL = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Return order status by ID.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
}
RESPONSE_SHAPE = {
    "object": "chat.completion",
    "choices": [{"message": {"role": "assistant", "content": "..."}}],
    "usage": {"prompt_tokens": 123, "completion_tokens": 45, "total_tokens": 168},
}


def optional_fields(model: LanguageModel) -> list[str]:
    """The optional fields its page documents: those it lists, or else those that its abilities imply."""
    if model.request_fields:
        return [name for name in model.request_fields if name in FIELDS and name not in ALWAYS]
    implied = [*SAMPLING]
    if model.tools:
        implied += ["tools", "tool_choice"]
    if model.reasoning_efforts:
        implied += ["reasoning_effort", "show_thinking"]
    if model.attachments:
        implied.append("attachments")
    if model.service_tiers:
        implied.append("service_tier")
    return implied


def request_fields(model: LanguageModel) -> list[RequestField]:
    """Every field its page documents, in order."""
    return [_field(name, model) for name in [*ALWAYS, *optional_fields(model)]]


def _field(name: str, model: LanguageModel) -> RequestField:
    kind, required, description = FIELDS[name]
    values = ACCEPTED[name](model) if name in ACCEPTED else []
    return RequestField(
        name=name,
        type=kind,
        required=required,
        accepted=", ".join(values) or ANY_VALUE,
        description=description.replace("{slug}", model.slug),
    )


def example_payload(model: LanguageModel) -> dict[str, Any]:
    """A request this model accepts as it stands; JSON values only."""
    payload: dict[str, Any] = {
        "model": model.slug,
        "messages": EXAMPLE_MESSAGES,
        "stream": model.streaming,
        "max_tokens": 2048,
    }
    if model.reasoning_efforts:
        payload |= {"reasoning_effort": model.reasoning_efforts[0], "show_thinking": True}
    else:
        payload["temperature"] = 0.7
    if "priority" in model.service_tiers:
        payload["service_tier"] = "priority"
    if model.tools:
        payload |= {"tools": [EXAMPLE_TOOL], "tool_choice": "auto"}
    return payload
