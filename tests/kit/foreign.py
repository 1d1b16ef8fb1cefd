"""The real clients of other products, with a key of ours, against the product in this process or at an address.

Their libraries are imported where they are used: that takes seconds, which every run of any test would pay.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from omixa_billing.wsgi import application

if TYPE_CHECKING:
    import anthropic
    import openai
    import openrouter

HERE = "http://localhost"
NOBODY = "no key"
SIGNALS = (request_started, request_finished)


def in_this_process(environ: Any, start_response: Any) -> list[bytes]:
    """The product on the connection of the test, which a request must not close, as it does on a server."""
    for signal in SIGNALS:
        signal.disconnect(close_old_connections)
    try:
        response = application(environ, start_response)
        body = b"".join(response)
        response.close()
    finally:
        for signal in SIGNALS:
            signal.connect(close_old_connections)
    return [body]


def openai_client(secret: str, base: str = HERE) -> openai.OpenAI:
    import openai

    return openai.OpenAI(
        api_key=NOBODY, admin_api_key=secret, base_url=f"{base}/v1", max_retries=0, http_client=_http2_client(base)
    )


def anthropic_client(secret: str, base: str = HERE) -> anthropic.Anthropic:
    import anthropic

    return anthropic.Anthropic(
        api_key=secret, base_url=f"{base}/compat/anthropic", max_retries=0, http_client=_http2_client(base)
    )


def openrouter_client(secret: str, base: str = HERE) -> openrouter.OpenRouter:
    import openrouter

    own = {"client": httpx.Client(transport=httpx.WSGITransport(app=in_this_process))} if base == HERE else {}
    return openrouter.OpenRouter(api_key=secret, server_url=f"{base}/compat/openrouter/api/v1", **own)


def _http2_client(base: str) -> Any:
    return httpx2.Client(transport=httpx2.WSGITransport(app=in_this_process)) if base == HERE else None


def exact(body: str | bytes) -> Any:
    """JSON with its numbers as they are written."""
    return json.loads(body, parse_float=Decimal, parse_int=lambda digits: int(digits))
