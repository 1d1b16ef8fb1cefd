"""Whether a request may run is asked for each of them: what waits for a thread is decided together (together.py).

What is not decided, because the question cannot be read or the database is away, is answered by the view.
"""

import time
from functools import cache
from typing import Any

from django.conf import settings
from django.urls import reverse

from metering.ingest.intake.api import renew_connection
from metering.limits.gateway.together import Question, decide_together
from omixa_billing.front.answers import Answer
from omixa_billing.front.head import RequestHead
from omixa_billing.front.together import Bounds, Together
from omixa_billing.http.request_metrics import count_answer
from workspaces.models import Gateway

NAME = "gateway_authorize"
DECIDED = 200
# The accounts of a group stay locked until its commit.
MOST = Bounds(requests=32, bytes=256 * 1024)


def asks_for_a_decision(head: RequestHead) -> bool:
    return head.raw_path == _path() and head.method == "POST" and not head.query


@cache
def _path() -> bytes:
    return reverse(NAME).encode()


def decide_group(questions: list[Question]) -> list[dict[str, Any] | None]:
    """In a thread."""
    renew_connection()
    return decide_together(questions)


class Decisions:
    """Of one process."""

    def __init__(self) -> None:
        self._decide = Together(
            decide_group,
            lambda question: len(question.body),
            name="decisions",
            threads=settings.DECISION_THREADS,
            most=MOST,
        )

    async def answer(self, head: RequestHead, body: bytes, gateway: Gateway) -> Answer | None:
        began = time.perf_counter()
        decision = await self._decide(Question(gateway, body, head.text(b"content-encoding")))
        if decision is None:
            return None
        count_answer(NAME, head.method, head.scheme, DECIDED, time.perf_counter() - began)
        return Answer.of_json(DECIDED, decision)

    def close(self) -> None:
        self._decide.close()
