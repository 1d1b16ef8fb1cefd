"""Movements of credit."""

from collections.abc import Iterator

from metering.credits.models import CreditEntry
from metering.money import cents_text
from metering.payments.exports.rows import AT_ONCE, Row, of_workspace
from metering.periods import Period
from omixa_billing.instants import instant_text
from workspaces.models import Workspace


def credits(period: Period, workspace: Workspace | None) -> Iterator[Row]:
    """Every movement of the ledger in the period."""
    found = CreditEntry.objects.filter(at__gte=period.start, at__lt=period.end)
    ordered = of_workspace(found, workspace).select_related("workspace", "grant", "invoice").order_by("pk")
    for entry in ordered.iterator(AT_ONCE):
        yield [
            entry.public_id,
            instant_text(entry.at),
            entry.workspace.public_id,
            entry.grant.public_id,
            entry.grant.kind,
            entry.kind,
            entry.invoice.number if entry.invoice else "",
            entry.reason or entry.grant.note,
            cents_text(entry.amount),
            entry.grant.currency,
        ]
