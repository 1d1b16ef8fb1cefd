"""What a gateway, a customer, a person and a machine ask every day."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.front.callers import ask
from tests.front.conftest import Live


def event(live: Live, request_id: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "key_id": live.live_key_id,
        "model": "codex-mini",
        "occurred_at": datetime.now(UTC).isoformat(),
        "usage": {"prompt_tokens": 2006, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1920}},
        "provider": "openai",
        "endpoint": "/api/v1/chat/completions",
        "user": "a user with a name that is long enough to make a line of some length",
    }


def gateways_are_answered(live: Live) -> None:
    body = json.dumps({"events": [event(live, f"req-{uuid4().hex}")]}).encode()
    sent = ask(live.port, "POST", "/gateway/v1/events", body, Authorization=f"Bearer {live.token}")
    assert (sent.status, json.loads(sent.body)["accepted"]) == (202, 1)
    assert ask(live.port, "GET", "/healthz").status == 200
    assert ask(live.port, "GET", "/readyz").status == 200


def all_is_answered(live: Live) -> None:
    gateways_are_answered(live)
    assert ask(live.port, "GET", "/api/v1/key", Authorization=f"Bearer {live.live_key}").status == 200
    assert ask(live.port, "GET", "/accounts/login/").status == 200
