"""Which deliveries are sent now, and by whom: each by one process at a time, and a few at once to one endpoint."""

from datetime import datetime
from typing import Any

from metering.notifications.models import WebhookDelivery
from omixa_billing.asynchronous_commit import asynchronous_commit

AT_ONCE_TO_ONE = 5
BEING_SENT = """(
  SELECT count(*) FROM metering_webhookdelivery
  WHERE endpoint_id = endpoint.id AND sending_since IS NOT NULL AND status = 'waiting' AND next_try_at > %(now)s
)"""
IS_DUE = """
  endpoint_id = endpoint.id AND status = 'waiting' AND (next_try_at IS NULL OR next_try_at <= %(now)s)
"""
# Who has an endpoint's row decides alone how many more it gets; another process does not wait for that.
ENDPOINTS = f"""
SELECT endpoint.id FROM metering_webhookendpoint endpoint
WHERE status = 'active' AND {BEING_SENT} < %(at_once)s AND EXISTS (SELECT FROM metering_webhookdelivery WHERE {IS_DUE})
ORDER BY random() LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED
"""  # noqa: S608 - the texts above
CLAIM = f"""
UPDATE metering_webhookdelivery SET sending_since = %(now)s, next_try_at = %(until)s
WHERE id IN (
  SELECT due.id FROM unnest(%(endpoints)s::int[]) endpoint (id) CROSS JOIN LATERAL (
    SELECT id FROM metering_webhookdelivery WHERE {IS_DUE}
    ORDER BY next_try_at NULLS FIRST, id LIMIT greatest(%(at_once)s - {BEING_SENT}, 0)
  ) due
  LIMIT %(most)s
) RETURNING id
"""  # noqa: S608 - the texts above


def claim_deliveries(now: datetime, most: int) -> list[WebhookDelivery]:
    """At most so many, leased: nobody else has them until then. What its process did not live to record is due again after."""
    if most <= 0:
        return []
    values: dict[str, Any] = {"now": now, "until": now + WebhookDelivery.LEASE, "at_once": AT_ONCE_TO_ONE, "most": most}
    with asynchronous_commit() as cursor:  # what a power cut takes of it is sent again, with the same id
        cursor.execute(ENDPOINTS, values)
        endpoints = [pk for (pk,) in cursor.fetchall()]
        if not endpoints:
            return []
        cursor.execute(CLAIM, values | {"endpoints": endpoints})
        claimed = [pk for (pk,) in cursor.fetchall()]
    found = WebhookDelivery.objects.filter(pk__in=claimed).order_by("pk")
    return list(found.select_related("endpoint", "notification__workspace").prefetch_related("endpoint__secrets"))
