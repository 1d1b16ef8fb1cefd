"""What a request asks for, and what of it is passed on to LiteLLM.

Fields are let through by name: LiteLLM takes orders from the body (another address, invented answers, fallbacks, no
logging), so whatever is not in a provider's own reference stays here. What is passed on is written out again, so that LiteLLM
cannot read in the same bytes something other than what was checked.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .refusals import refusal


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHAT = _names(
    """
    model messages audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
    modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature thinking tool_choice tools
    top_logprobs top_p user verbosity web_search_options
    """
)
RESPONSES = _names(
    """
    model input include instructions max_output_tokens max_tool_calls parallel_tool_calls previous_response_id prompt
    prompt_cache_key prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature
    text tool_choice tools top_logprobs top_p truncation user
    """
)
EMBEDDINGS = _names("model input dimensions encoding_format user")
MESSAGES = _names(
    """
    model messages system max_tokens stop_sequences stream temperature top_p top_k tools tool_choice thinking service_tier
    output_config context_management
    """
)
FIELDS = {"chat/completions": CHAT, "responses": RESPONSES, "embeddings": EMBEDDINGS, "messages": MESSAGES}
OUTPUT_FIELDS = {
    "chat/completions": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
    "embeddings": (),
}

THOUGHTS = ("reasoning_effort", "reasoning", "thinking")
METADATA_BYTES = 2_048
WORD = re.compile(r"[A-Za-z0-9_.+-]{1,64}", re.ASCII)
NUL = "\x00"  # which PostgreSQL keeps in no text: an event with one would never be stored


@dataclass
class Asked:
    """A request's body, cleaned, and what it says that matters here."""

    endpoint: str
    body: dict[str, Any]
    model: str
    stream: bool
    service_tier: str | None
    user: str | None
    max_output_tokens: int | None  # for one choice
    choices: int
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def hides_output(self) -> bool:
        """It asks for thoughts, of which a client sees a summary at most, or for sound, whose tokens nobody sees."""
        modalities = self.body.get("modalities")
        return any(self.body.get(name) for name in THOUGHTS) or (isinstance(modalities, list) and "audio" in modalities)

    def lower_output(self, tokens: int) -> None:
        """Ask the provider for no more than this, over all choices."""
        each = max(1, tokens // self.choices)
        names = OUTPUT_FIELDS[self.endpoint]
        for name in [name for name in names if name in self.body] or list(names[:1]):
            self.body[name] = each
        self.max_output_tokens = each

    def content(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


def read_body(endpoint: str, content: bytes, also_pass: frozenset[str] = frozenset()) -> Asked:
    """Raises Refusal."""
    try:
        stated = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise refusal(400, "invalid_json", "The body is not JSON in UTF-8.") from None
    if not isinstance(stated, dict):
        raise refusal(400, "invalid_json", "The body must be a JSON object.")
    model = stated.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= 300 or NUL in model:
        raise refusal(400, "model_missing", "model must name the model as a text.", "model")
    if b"\\u" in content:
        _check_encodable(stated)
    body = {name: value for name, value in stated.items() if name in FIELDS[endpoint] or name in also_pass}
    _check_tools(endpoint, body)
    return Asked(
        endpoint=endpoint,
        body=body,
        model=model,
        stream=_flag(body, "stream"),
        service_tier=_tier(body),
        user=_user(stated),
        max_output_tokens=_most(endpoint, body),
        choices=_count(body, "n") or 1,
        metadata=_labels(stated.get("metadata")),
    )


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _check_encodable(stated: dict[str, Any]) -> None:
    """All that was sent, as what is kept back from LiteLLM may be part of the event: nobody could read that one."""
    try:
        json.dumps(stated, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise refusal(400, "invalid_json", "The body holds half of a surrogate pair, which is not valid text.") from None


def _check_tools(endpoint: str, body: dict[str, Any]) -> None:
    """LiteLLM may run tools of MCP servers itself and ask the model again; nobody states the usage of a stream before that."""
    tools = body.get("tools")
    if endpoint != "chat/completions" or not body.get("stream") or not isinstance(tools, list):
        return
    if any(isinstance(tool, dict) and "server_url" in tool for tool in tools):
        message = "Tools of MCP servers work in a chat without stream, or in a response."
        raise refusal(400, "stream_not_supported", message, "stream")


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None:
        body.pop(name, None)
        return False
    if not isinstance(value, bool):
        raise refusal(400, "invalid_value", f"{name} must be true or false.", name)
    return value


def _count(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise refusal(400, "invalid_value", f"{name} must be a positive whole number.", name)
    return value


def _tier(body: dict[str, Any]) -> str | None:
    """A word of the length that the product keeps: it stands in the question about the request, and may in its event."""
    value = body.get("service_tier")
    if value is not None and (not isinstance(value, str) or WORD.fullmatch(value) is None):
        message = "service_tier must be one word of at most 64 letters, digits and dashes."
        raise refusal(400, "invalid_value", message, "service_tier")
    return value


def _most(endpoint: str, body: dict[str, Any]) -> int | None:
    """The largest that is stated: which one LiteLLM follows is its own affair."""
    if endpoint == "embeddings":
        return 0
    return max((each for each in (_count(body, name) for name in OUTPUT_FIELDS[endpoint]) if each is not None), default=None)


def _user(stated: dict[str, Any]) -> str | None:
    metadata = stated.get("metadata")
    user = stated.get("user") or stated.get("safety_identifier") or (isinstance(metadata, dict) and metadata.get("user_id"))
    return user if isinstance(user, str) and 0 < len(user) <= 512 and NUL not in user else None


def _labels(metadata: Any) -> dict[str, str]:
    """The customer's own labels: kept with the usage, never given to LiteLLM, which reads orders in them."""
    if not isinstance(metadata, dict):
        return {}
    labels = {name: value for name, value in metadata.items() if isinstance(value, str) and _is_label(name, value)}
    return labels if len(json.dumps(labels)) <= METADATA_BYTES else {}


def _is_label(name: str, value: str) -> bool:
    return name != "user_id" and NUL not in name + value
