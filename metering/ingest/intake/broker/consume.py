"""Takes what gateways publish from their queues, and stores it as if it had come over HTTP.

A process of its own does this, beside the workers: what is in these queues is never run, whatever it asks for.
"""

import threading
import time
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection

from metering.errors import InboxFull
from metering.ingest.formats.translated import Untranslatable
from metering.ingest.intake.backpressure import backlog
from metering.ingest.intake.broker.messages import Message, read_call
from metering.ingest.intake.broker.queues import AWAY, Delivery, Queues, connected, queue_of
from metering.ingest.intake.broker.store import store_call, store_refused
from omixa_billing.instants import Clock
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.models import Gateway

log = structlog.get_logger(__name__)

SECONDS_BETWEEN_TRIES = 2.0
SECONDS_WHEN_IDLE = 0.1
SECONDS_BETWEEN_LOOKS = 3.0  # at which gateways there are
# Less than RabbitMQ leaves a message with one reader. It is seldom put back: RabbitMQ 4 drops one after twenty deliveries.
SECONDS_OF_PATIENCE = 480


def consume_queues(now: Clock, stop: threading.Event) -> None:
    """Until it is asked to stop. It waits for a broker or a database that is away."""
    while not stop.is_set():
        try:
            with connected(settings.GATEWAY_BROKER_URL, settings.GATEWAY_BROKER_OPTIONS) as queues:
                Consumer(queues, now, stop).run()
        except AWAY as error:
            log.warning("gateway_broker_away", error=str(error))
            stop.wait(SECONDS_BETWEEN_TRIES)
        except STORAGE_ERRORS as error:
            log.warning("storage_unavailable", error=str(error))
            connection.close()
            stop.wait(SECONDS_BETWEEN_TRIES)


class Consumer:
    """Goes round the queues of all gateways, one message of each at a time, so that none holds up the others."""

    def __init__(self, queues: Queues, now: Clock, stop: threading.Event) -> None:
        self.queues, self.now, self.stop = queues, now, stop
        self.gateways: list[str] = []
        self.looked = -SECONDS_BETWEEN_LOOKS
        self.resting: dict[str, datetime] = {}  # by public id, until when: its message met a fault of ours

    def run(self) -> None:
        while not self.stop.is_set():
            if not self.go_round():
                self.stop.wait(SECONDS_WHEN_IDLE)

    def go_round(self) -> int:
        """Stores at most one message of each gateway, and returns how many it stored."""
        if time.monotonic() - self.looked >= SECONDS_BETWEEN_LOOKS:
            self.gateways = list(Gateway.objects.order_by("id").values_list("public_id", flat=True))
            self.looked = time.monotonic()
        stored = 0
        for gateway in self.gateways:
            if self.stop.is_set() or not self.queues.prepare(map(queue_of, self.gateways)):
                break
            if gateway not in self.resting or self.resting[gateway] <= self.now():
                stored += self._next_of(gateway)
        return stored

    def _next_of(self, gateway: str) -> bool:
        delivery = self.queues.next(queue_of(gateway))
        return delivery is not None and self._store(delivery, gateway)

    def _store(self, delivery: Delivery, gateway: str) -> bool:
        """The broker keeps the message until this is committed."""
        patience = time.monotonic() + SECONDS_OF_PATIENCE
        while True:
            try:
                # Asked for each message: it may have been revoked since the last one.
                store(delivery.message, Gateway.objects.get(public_id=gateway), self.now())
            except (*STORAGE_ERRORS, InboxFull) as error:
                log.warning("message_waits", gateway=gateway, error=str(error))
                if time.monotonic() >= patience or self.stop.wait(SECONDS_BETWEEN_TRIES):
                    delivery.put_back()
                    return False
                connection.close()
                backlog.forget()
            except Exception:  # a fault of ours; done with, the only copy of the message would be gone
                log.exception("message_put_back", gateway=gateway)
                delivery.put_back()
                self.resting[gateway] = self.now() + timedelta(seconds=SECONDS_BETWEEN_TRIES)
                return False
            else:
                delivery.done()
                return True


def store(message: Message | Untranslatable, sender: Gateway, now: datetime) -> None:
    """What a message of a gateway's queue comes to. Raises InboxFull."""
    call = message if isinstance(message, Untranslatable) else read_call(message)
    if isinstance(call, Untranslatable):
        store_refused(call, sender, now)
    else:
        store_call(call.args, call.kwargs, now, sender)
