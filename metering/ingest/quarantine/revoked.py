"""What comes for a revoked gateway is not counted: it goes to the quarantine whole, until an operator has looked at it.

The endpoints see to that themselves. A request that was in progress while its gateway was revoked may pass them a moment too
late; the worker knows both times. What was received before the revocation is counted whenever it is processed.
"""

from collections.abc import Sequence
from datetime import datetime

from metering.ingest.intake.inbox import Claimed
from metering.ingest.intake.receive import REVOKED, quarantine, refuse
from metering.ingest.models import Batch
from workspaces.models import Gateway


def quarantine_late(batches: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """The batches, with all refused in those that were received after their gateway's revocation.

    Must be called in the transaction that claimed them.
    """
    gateways = {batch.gateway_id for batch in batches}
    times = dict(Gateway.objects.filter(pk__in=gateways, revoked_at__isnull=False).values_list("pk", "revoked_at"))
    return [_refused(batch, now) if _is_late(batch, times.get(batch.gateway_id)) else batch for batch in batches]


def _is_late(batch: Claimed, revoked_at: datetime | None) -> bool:
    return revoked_at is not None and revoked_at <= batch.received_at and batch.source != Batch.Source.REPLAY


def _refused(batch: Claimed, now: datetime) -> Claimed:
    refused = [refuse(index, bytes(content), REVOKED) for index, content in batch.admitted()]
    quarantine(batch.row, refused, now)
    return batch._replace(items=batch.items + [each.item() for each in refused])
