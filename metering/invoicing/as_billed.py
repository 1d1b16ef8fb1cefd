"""The events under a line whose month was corrected or rated again: what each was when the invoice was finalized.

An event's first correction after an instant tells what it was then. A line bills what its events were when its invoice was
finalized, less what they were when the thing was billed before: so a voided event is under the line that billed it and,
with its tokens below zero, under the one that takes them back.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from metering.catalogue.models import PriceVersion
from metering.ingest.models import EventCorrection
from metering.invoicing.models import InvoiceLine
from metering.usage.events import EventRow
from metering.usage.filters import Scope

OF_EVENT = {
    "input": "input_tokens - cached_input_tokens - cache_write_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
}
OF_ENTRY = {
    "input": "entry.before_tokens[1] - entry.before_tokens[2] - entry.before_tokens[3]",
    "cached_input": "entry.before_tokens[2]",
    "cache_write": "entry.before_tokens[3]",
    "output": "entry.before_tokens[4]",
}

# Tokens of the line's component that an event had under the line's price at an instant; null stands for never and for now.
THEN = """
CASE WHEN {never} OR recorded_at > {at} THEN 0 ELSE coalesce((
    SELECT CASE WHEN entry.before_price_id = %(line_price)s THEN {of_entry} ELSE 0 END FROM metering_eventcorrection entry
    WHERE entry.workspace_id = metering_usageevent.workspace_id AND entry.request_id = metering_usageevent.request_id
      AND entry.attempt = metering_usageevent.attempt AND entry.recorded_at > {at}
    ORDER BY entry.id LIMIT 1
), CASE WHEN price_id = %(line_price)s THEN {of_event} ELSE 0 END) END
"""

QUANTITIES = """
SELECT id, ({billed}) FROM metering_usageevent
WHERE workspace_id = %(workspace)s AND occurred_at = ANY(%(instants)s::timestamptz[]) AND id = ANY(%(ids)s::bigint[])
"""


def was_changed(line: InvoiceLine) -> bool:
    """Whether anything of the line's month and price was corrected or rated again."""
    price = PriceVersion.objects.values_list("pk", flat=True).get(public_id=line.price)
    entries = EventCorrection.objects.filter(
        Q(before_price_id=price) | Q(after_price_id=price),
        workspace=line.invoice.workspace_id,
        occurred_at__gte=line.period_start,
        occurred_at__lt=line.period_end,
    )
    return entries.order_by().exists()


def scope_as_billed(line: InvoiceLine, whole: dict[str, Any], before: datetime | None) -> Scope:
    """The events that the line bills; `whole` names its workspace, model, tier and price, `before` when it was billed last."""
    conditions = (
        "workspace_id = %(workspace)s",
        "model_id = %(line_model)s",
        "service_tier_id = %(line_tier)s",
        f"({_billed(line)}) <> 0",
    )
    return Scope(conditions, whole | {"billed_at": line.invoice.finalized_at, "billed_before": before}, narrow=False)


def quantities_as_billed(line: InvoiceLine, scope: Scope, events: Sequence[EventRow]) -> dict[int, int]:
    """The tokens that the line bills of each of these events, by their ids; below zero where it takes them back."""
    parameters = scope.parameters | {"instants": [event.occurred_at for event in events], "ids": [event.id for event in events]}
    with connection.cursor() as cursor:
        cursor.execute(QUANTITIES.format(billed=_billed(line)), parameters)
        return dict(cursor.fetchall())


def _billed(line: InvoiceLine) -> str:
    """The tokens that the line bills of an event, as SQL of constants of this module."""
    parts = {"of_entry": OF_ENTRY[line.component], "of_event": OF_EVENT[line.component]}
    now = THEN.format(never="false", at="coalesce(%(billed_at)s::timestamptz, 'infinity')", **parts)
    earlier = THEN.format(never="%(billed_before)s::timestamptz IS NULL", at="%(billed_before)s::timestamptz", **parts)
    return f"({now}) - ({earlier})"
