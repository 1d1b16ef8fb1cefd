"""What tests at the gateway's endpoint have in common."""

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from metering.ingest.models import Batch, QuarantinedEvent, UsageEvent

EVENTS = "/gateway/v1/events"


Post = Callable[..., HttpResponse]


def nothing_stored() -> bool:
    return not Batch.objects.exists() and not QuarantinedEvent.objects.exists() and not UsageEvent.objects.exists()


def error_of(response: HttpResponse) -> dict[str, Any]:
    error = json.loads(response.content)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["message"]
    return error
