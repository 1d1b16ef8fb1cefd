"""Reads one message of a gateway's queue: the call of one task, or what is wrong with it.

The message is data. Its headers could ask Celery for more than a call, such as callbacks, chords, replies, another time or
another serializer; here the task's name and the arguments are read, and nothing else is looked at, let alone done.
"""

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from kombu.utils import json as kombu_json

from metering.ingest.formats.bodies import redact_json
from metering.ingest.formats.repeated import loads_as_written
from metering.ingest.formats.translated import Untranslatable

TASK = "metering.ingest_events"
JSON = "application/json"
# In batches; a message of more is not opened.
MOST_BATCHES = 10


class Call(NamedTuple):
    """The arguments of the task."""

    args: list[Any]
    kwargs: dict[str, Any]


class Message(NamedTuple):
    """What a broker delivers, whichever it is."""

    headers: Mapping[str, Any]
    content_type: str | None
    body: bytes


def read_redis(item: bytes) -> Message | Untranslatable:
    """A message as Celery lays it into a list of Redis: the body in Base64 inside a JSON object."""
    if len(item) > 2 * _limit():
        return _refused("message_too_large", f"The message has more than {_limit()} bytes: send it in several.", item)
    try:
        envelope = json.loads(item)
        body = b64decode(envelope["body"]) if _encoding(envelope) == "base64" else envelope["body"].encode()
        return Message(dict(envelope.get("headers") or {}), envelope.get("content-type"), body)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, binascii.Error):
        return _refused("malformed_message", "This is not a Celery message: publish it with Celery.", item)


def read_call(message: Message) -> Call | Untranslatable:
    """What the message calls `metering.ingest_events` with; a refusal if it asks for anything else."""
    task = message.headers.get("task")
    if task != TASK:
        return _refused("other_task", f"Gateways may send {TASK} alone, and this asks for {str(task)[:200]!r}.", message.body)
    if len(message.body) > _limit():
        return _refused("message_too_large", f"The message has more than {_limit()} bytes: send it in several.", message.body)
    if message.content_type != JSON or message.headers.get("compression"):
        return _refused("malformed_message", "The message must be plain JSON, Celery's default.", message.body)
    try:
        args, kwargs, *_ = kombu_json.loads(message.body, _loads=loads_as_written)
        call = Call(list(args), {str(name): value for name, value in kwargs.items()})
        json.dumps(call, default=repr)  # so deep that it cannot be written again, it could not be stored either
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError):
        return _refused("malformed_message", "The message's arguments cannot be read as JSON.", message.body)
    return call


def _encoding(envelope: dict[str, Any]) -> str | None:
    return (envelope.get("properties") or {}).get("body_encoding")


def _limit() -> int:
    return MOST_BATCHES * int(settings.INGEST_MAX_BYTES)


def _refused(code: str, message: str, content: bytes) -> Untranslatable:
    """For the quarantine, which keeps no more of it than of a batch."""
    return Untranslatable(code, message, redact_json(content[: settings.INGEST_MAX_BYTES]))
