"""Batches on their way in: those that wait for a thread are stored together by the next that is free (together.py).

One that cannot be stored this way is answered by its view.
"""

import time
from functools import cache

from django.conf import settings
from django.urls import reverse

from metering.ingest.intake.api import CorrectionsView, EventsView, LiteLLMView, receipt, renew_connection
from metering.ingest.intake.together import Posted, receive_together
from metering.ingest.models import Batch
from omixa_billing.front.answers import Answer
from omixa_billing.front.head import RequestHead
from omixa_billing.front.together import Bounds, Together
from omixa_billing.http.request_metrics import count_answer
from workspaces.models import Gateway

# By their names among all addresses, as metrics have them.
VIEWS = {"gateway_events": EventsView, "gateway_litellm": LiteLLMView, "gateway_corrections": CorrectionsView}
MOST = Bounds(requests=64, bytes=1024 * 1024)
GATHER_SECONDS = 0.0015  # less than a commit takes

ACCEPTED = 202


def posted_of(head: RequestHead, body: bytes, gateway: Gateway) -> Posted | None:
    """A request for one of these endpoints as they need it; None for any other, and for one that they would refuse."""
    name = names_by_path().get(head.raw_path)
    if head.method != "POST" or head.query or name is None:
        return None
    return Posted(gateway, head.text(b"content-type"), head.text(b"content-encoding"), body, VIEWS[name].payload)


@cache
def names_by_path() -> dict[bytes, str]:
    return {reverse(name).encode(): name for name in VIEWS}


def receive_group(posted: list[Posted]) -> list[Batch | None]:
    """In a thread."""
    renew_connection()
    return receive_together(posted)


class Intake:
    """Of one process."""

    def __init__(self) -> None:
        self._receive = Together(
            receive_group,
            lambda posted: len(posted.body),
            name="intake",
            threads=settings.INTAKE_THREADS,
            most=MOST,
            gather_seconds=GATHER_SECONDS,
        )

    async def receipt(self, head: RequestHead, body: bytes, gateway: Gateway) -> Answer | None:
        """Of a batch that is committed; None when a view has to answer."""
        began = time.perf_counter()
        posted = posted_of(head, body, gateway)
        batch = None if posted is None else await self._receive(posted)
        if batch is None:
            return None
        count_answer(names_by_path()[head.raw_path], head.method, head.scheme, ACCEPTED, time.perf_counter() - began)
        return Answer.of_json(ACCEPTED, receipt(batch))

    def close(self) -> None:
        self._receive.close()
