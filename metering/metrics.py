"""`/metrics` for Prometheus: for operators only, so it asks for a token."""

import os

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from metering.health import is_monitoring, waiting
from metering.ingest.models import IS_BILLED, QuarantinedEvent
from metering.ingest.quarantine.not_understood import count_held
from metering.limits.gateway.unaccounted import unaccounted_since
from metering.notifications.delivery.queue import deliveries_due, failing_webhooks
from metering.periods import DAY
from omixa_billing.api.errors import error_response

UNPRICED = f"SELECT coalesce(sum(requests), 0) FROM metering_hourlyrollup WHERE price_id = 0 AND {IS_BILLED}"  # noqa: S608


class BacklogCollector(Collector):
    """What waits, read from the database at each scrape: the same whichever process answers."""

    def collect(self) -> list[GaugeMetricFamily]:
        now = timezone.now()
        backlog = waiting(now)
        unaccounted, unaccounted_usd = unaccounted_since(now - DAY)
        due, due_for = deliveries_due(now)
        unknown_paths, held_by_them = count_held()
        quarantined = QuarantinedEvent.objects.open().count()
        with connection.cursor() as cursor:
            cursor.execute(UNPRICED)
            (unpriced,) = cursor.fetchone()
        gauges = {
            "omixa_waiting_batches": ("Batches in the inbox that no worker has processed", backlog["batches"]),
            "omixa_waiting_events": ("Events in those batches", backlog["events"]),
            "omixa_waiting_oldest_seconds": ("Age of the oldest waiting batch", backlog["oldest_age_seconds"]),
            "omixa_quarantined_events": ("Quarantined events not settled", quarantined),
            "omixa_usage_paths_not_understood": ("Numbers in usage that events wait for", unknown_paths),
            "omixa_usage_not_understood_events": ("Quarantined events that wait for them", held_by_them),
            "omixa_unpriced_events": ("Recorded events waiting for a price", int(unpriced)),
            "omixa_unaccounted_requests": ("Requests allowed within a day whose hold ran out without an event", unaccounted),
            "omixa_unaccounted_usd": ("What those may have cost at most", float(unaccounted_usd)),
            "omixa_webhook_deliveries_due": ("Deliveries of webhooks that could be sent now", due),
            "omixa_webhook_deliveries_due_oldest_seconds": ("For how long the oldest of those could be sent", due_for),
            "omixa_webhooks_failing": ("Active webhooks whose last attempt failed", failing_webhooks().count()),
        }
        return [GaugeMetricFamily(name, text, value=value) for name, (text, value) in gauges.items()]


def metrics(request: HttpRequest) -> HttpResponse:
    """`/metrics`, with `Authorization: Bearer METRICS_TOKEN` only; while that is not set, to nobody."""
    if not is_monitoring(request):
        return error_response(403, "not_allowed", "Metrics are not public: set METRICS_TOKEN and send it as a bearer token.")
    backlog = CollectorRegistry()
    backlog.register(BacklogCollector())
    return HttpResponse(generate_latest(_counters()) + generate_latest(backlog), content_type=CONTENT_TYPE_LATEST)


def _counters() -> CollectorRegistry:
    """What every process of this run counted; under `make run` they share a folder, elsewhere there is only this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry
