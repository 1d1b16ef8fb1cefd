"""Sends what is due, many at once: one thread has the database, an event loop beside it has the connections.

So a slow endpoint holds nobody up, and a process needs one connection to the database however much it sends.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from queue import SimpleQueue

import structlog
from aiohttp.abc import AbstractResolver

from metering.notifications.delivery.claim import claim_deliveries
from metering.notifications.delivery.outcome import record_attempt
from metering.notifications.delivery.send import WebhookAnswer, WebhookRequest, send_webhook
from metering.notifications.delivery.signing import body_of, signed_headers
from metering.notifications.models import WebhookDelivery
from omixa_billing.asynchronous_commit import asynchronous_commit
from omixa_billing.instants import Clock
from workspaces.sealed import SealBroken, unseal

log = structlog.get_logger(__name__)

AT_ONCE = 100  # of one process
# Names are resolved in threads, and one whose server does not answer keeps its thread for a while after the deadline.
RESOLVING_AT_ONCE = 64


@dataclass(frozen=True)
class Sent:
    delivery: WebhookDelivery
    request: WebhookRequest
    at: datetime
    answer: WebhookAnswer


# What a run waits for: an answer, or None, by which others say that there is more to send.
Events = SimpleQueue[Sent | None]


def deliver_due(
    clock: Clock,
    events: Events | None = None,
    resolver: AbstractResolver | None = None,
    ends: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Until nothing is due any more, or `ends` says so, and each answer is recorded. Counts of delivered, failed."""
    happened: Events = SimpleQueue() if events is None else events
    counts, in_flight = {"delivered": 0, "failed": 0}, 0
    claimed = [] if ends() else claim_deliveries(clock(), AT_ONCE)
    if not claimed:
        return counts
    with _event_loop() as loop:
        while claimed or in_flight:
            for delivery in claimed:
                _begin(delivery, clock(), loop, happened, resolver)
            in_flight += len(claimed)
            answers = list(_next(happened))
            in_flight -= len(answers)
            for sent in answers:
                counts["delivered" if sent.answer.succeeded else "failed"] += 1
            if answers:
                _record(answers, clock())
            claimed = [] if ends() else claim_deliveries(clock(), AT_ONCE - in_flight)
    return counts


def _record(answers: list[Sent], now: datetime) -> None:
    """All in one transaction, endpoint by endpoint, so that two processes do not wait for each other in a circle.

    What cannot be recorded is sent again when its lease runs out, and does not stop the others.
    """
    with asynchronous_commit():
        for sent in sorted(answers, key=lambda each: (each.delivery.endpoint_id, each.delivery.pk)):
            try:
                record_attempt(sent.delivery, sent.request, sent.answer, sent.at, now)
            except Exception:
                log.exception("webhook_attempt_not_recorded", delivery=sent.delivery.public_id)


def _next(events: Events) -> Iterator[Sent]:
    """Waits for something to happen, and yields the answers among all that did."""
    first = events.get()
    if first is not None:
        yield first
    while not events.empty():
        if (sent := events.get()) is not None:
            yield sent


def _begin(
    delivery: WebhookDelivery,
    now: datetime,
    loop: asyncio.AbstractEventLoop,
    events: Events,
    resolver: AbstractResolver | None,
) -> None:
    try:
        request = request_of(delivery, now)
    except SealBroken:
        log.exception("webhook_not_signed", webhook=delivery.endpoint.public_id)
        unsigned = WebhookRequest(delivery.endpoint.url, {}, b"")
        events.put(Sent(delivery, unsigned, now, WebhookAnswer(None, error="Its secret cannot be read: rotate it.")))
        return

    def answered(future: Future[WebhookAnswer]) -> None:
        if not future.cancelled():  # the run ended early, and nobody waits for it
            events.put(Sent(delivery, request, now, future.result()))

    asyncio.run_coroutine_threadsafe(send_webhook(request, tls_context(), resolver), loop).add_done_callback(answered)


def request_of(delivery: WebhookDelivery, now: datetime) -> WebhookRequest:
    """Signed with every valid secret. Raises SealBroken."""
    notification, endpoint = delivery.notification, delivery.endpoint
    body = body_of(notification)
    valid = [secret for secret in endpoint.secrets.all() if secret.is_valid(now)]
    secrets = [unseal(secret.sealed) for secret in sorted(valid, key=lambda secret: -secret.pk)]
    return WebhookRequest(endpoint.url, signed_headers(notification.public_id, body, secrets, now), body)


@cache
def tls_context() -> ssl.SSLContext:
    """Reading the machine's certificates takes longer than a request."""
    return ssl.create_default_context()


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Runs in a thread of its own, for the time of the block."""
    loop = asyncio.new_event_loop()
    names = ThreadPoolExecutor(RESOLVING_AT_ONCE, "webhook-names")
    loop.set_default_executor(names)
    thread = threading.Thread(target=loop.run_forever, name="webhooks", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        names.shutdown(wait=False)
        loop.close()


async def _cancel_others() -> None:
    """There are some only when the run ends early, such as without its database."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
