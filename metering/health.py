"""Whether the process lives, whether it can work, and how much work waits."""

from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from omixa_billing.celery import app

WAITING = """
SELECT count(*), coalesce(sum(event_count), 0), min(received_at) FROM metering_batch WHERE status = 'pending'
"""


def healthz(request: HttpRequest) -> HttpResponse:
    """`/healthz`: this process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """`/readyz`: 200 when events can be stored. A broker that is away is reported, and does not stop ingest."""
    checks: dict[str, Any] = {"database": "ok", "broker": broker_state()}
    try:
        checks["waiting"] = waiting(timezone.now())
    except (DatabaseError, InterfaceError) as error:
        checks["database"] = f"away: {str(error).splitlines()[0]}"
    ready = checks["database"] == "ok"
    return JsonResponse({"status": "ready" if ready else "not ready", **checks}, status=200 if ready else 503)


def waiting(now: datetime) -> dict[str, Any]:
    """Batches and events that no worker has processed, and the age of the oldest in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        batches, events, oldest = cursor.fetchone()
    age = 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
    return {"batches": batches, "events": int(events), "oldest_age_seconds": round(age, 3)}


def broker_state() -> str:
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
    except (BrokerError, OSError) as error:
        return f"away: {str(error).splitlines()[0]}"
    return "ok"
