"""Whether the process lives, whether it can work, and how much work waits."""

import hmac
from datetime import datetime
from typing import Any

from django.conf import settings
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
    """`/readyz`: 200 when events can be stored. Details, for which the broker is asked too, only to METRICS_TOKEN.

    A broker that is away is reported, and does not stop ingest.
    """
    may_see = is_monitoring(request)
    checks: dict[str, Any] = {"database": "ok", "broker": broker_state()} if may_see else {}
    try:
        if may_see:
            checks["waiting"] = waiting(timezone.now())
        else:
            ask_database()
    except (DatabaseError, InterfaceError) as error:
        details = checks | {"database": f"away: {str(error).splitlines()[0]}"} if may_see else {}
        return JsonResponse({"status": "not ready"} | details, status=503)
    return JsonResponse({"status": "ok"} | checks)


def is_monitoring(request: HttpRequest) -> bool:
    """Whether the caller sent METRICS_TOKEN. Without one nobody is: behind a proxy every caller comes from loopback."""
    if not settings.METRICS_TOKEN:
        return False
    sent = request.headers.get("Authorization", "").encode("latin-1", "replace")  # the bytes that WSGI made text of
    return hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())


def ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


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
