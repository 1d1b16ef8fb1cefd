"""A provider that is called again within one request, after an answer that is billed: asked about and held for like the first.

LiteLLM does so for tools that it runs itself, and to continue a stream that broke. Its own log has one answer of such a
request.
"""

import dataclasses
import json
from typing import Any

from .bodies import OUTPUT_FIELDS
from .calls import Call
from .holds import Holds
from .prompt import MESSAGES, SCHEMAS, Count, count_input
from .refusals import Refusal, refusal
from .settle import Settlement, UnknownUsage


class Parts:
    def __init__(self, holds: Holds, settlement: Settlement, count: Count) -> None:
        self._holds, self._settlement, self._count = holds, settlement, count

    async def before(self, call: Call, call_type: str | None, sent: dict[str, Any]) -> dict[str, Any] | None:
        """Before `sent` goes to a provider: what to send in its place, if anything else. Raises Refusal."""
        if call.refusal is not None:  # LiteLLM tries the whole request again, or another model
            raise call.refusal
        try:
            if not self._settlement.begins_part(call, call_type):
                return None
            call.asked = _asked_again(call, sent)
            call.input = count_input(call.asked, self._count)
            await self._holds.authorize(call)
        except UnknownUsage:
            message = "This request would call its model again after a streamed answer. Send it without stream."
            call.refusal = refusal(400, "stream_not_supported", message, "stream")
            raise call.refusal from None
        except Refusal as refused:
            call.refusal = refused
            raise
        bounds = {name: call.asked.body[name] for name in OUTPUT_FIELDS[call.asked.endpoint] if name in call.asked.body}
        return {**sent, **bounds}


def _asked_again(call: Call, sent: dict[str, Any]) -> Any:
    """The request with what LiteLLM added to it: the answer so far, and what its tools answered."""
    added = {name: _plain(sent[name]) for name in (*MESSAGES, *SCHEMAS) if sent.get(name)}
    return dataclasses.replace(call.asked, body={**call.asked.body, **added})


def _plain(value: Any) -> Any:
    """As JSON has it: LiteLLM's messages are objects of its own."""
    return json.loads(json.dumps(value, default=lambda each: each.model_dump() if hasattr(each, "model_dump") else str(each)))
