"""Whether a request may run is asked for each of them, so it is answered without Django's handler.

What is not decided, because the question cannot be read or the database is away, is answered by the view.
"""

import time
from functools import cache

from django.urls import reverse

from metering.ingest.formats.bodies import decoded
from metering.ingest.intake.api import REFUSALS, renew_connection
from metering.limits.gateway.api import AuthorizeView
from omixa_billing.front.answers import Answer
from omixa_billing.front.head import RequestHead
from omixa_billing.http.request_metrics import count_answer
from workspaces.models import Gateway

NAME = "gateway_authorize"
DECIDED = 200


def asks_for_a_decision(head: RequestHead) -> bool:
    return head.raw_path == _path() and head.method == "POST" and not head.query


@cache
def _path() -> bytes:
    return reverse(NAME).encode()


def decision(head: RequestHead, body: bytes, gateway: Gateway) -> Answer | None:
    """In a thread."""
    began = time.perf_counter()
    renew_connection()
    try:
        answer = AuthorizeView().answer(decoded(body, head.text(b"content-encoding")), gateway)
    except REFUSALS:
        return None
    count_answer(NAME, head.method, head.scheme, DECIDED, time.perf_counter() - began)
    return Answer.of_json(DECIDED, answer)
