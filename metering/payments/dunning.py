"""After a decline: retries some days later, a mail at each step, then past due. Payment ends it at any time.

An invoice that nothing can be charged for, without a saved method or without Stripe, is dunned by mail from its due day on.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from metering.invoicing.draft import hold
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.payments.models import Dunning, PaymentAttempt
from metering.payments.notices import tell
from metering.payments.suspension import lift_if_settled, suspend_for
from metering.periods import instant_text
from workspaces import audit

log = structlog.get_logger(__name__)
ACTOR = "metering.dun_invoices"


def after_decline(invoice: Invoice, attempt: PaymentAttempt, now: datetime) -> None:
    """Notes a declined attempt in the transaction that settles it: the next retry is set, or none is left."""
    dunning, _ = Dunning.objects.get_or_create(invoice=invoice, defaults={"began_at": now})
    if dunning.state == Dunning.State.SETTLED:
        dunning.state, dunning.began_at, dunning.retries = Dunning.State.RETRYING, now, 0
    _step(dunning, invoice, f"payment_failed:{invoice.public_id}:{attempt.number}", attempt.message, now)


def after_payment(invoice: Invoice, now: datetime) -> None:
    """Ends the dunning of an invoice that is paid, credited or void, and what followed from it."""
    Dunning.objects.filter(invoice=invoice).exclude(state=Dunning.State.SETTLED).update(
        state=Dunning.State.SETTLED, next_retry_at=None, settled_at=now
    )
    lift_if_settled(invoice.workspace_id, now)


def dun(
    now: datetime, retry: Callable[[int, datetime], Any], progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, int]:
    """Takes every step that is due. `retry(invoice's primary key, now)` collects from the saved method, if there is one.

    Counts of retried, reminded and failed. One invoice's failure does not stop the others.
    """
    counts = {"retried": 0, "reminded": 0, "failed": 0}
    due = _due(now)
    for done, invoice_id in enumerate(due):
        progress(done, len(due))
        try:
            if retry(invoice_id, now) is not None:
                counts["retried"] += 1
            elif _remind(invoice_id, now):
                counts["reminded"] += 1
        except Exception:
            log.exception("dunning_failed", invoice_id=invoice_id)
            counts["failed"] += 1
    progress(len(due), len(due))
    return counts


def _due(now: datetime) -> list[int]:
    """Primary keys of open invoices with a step due: a retry, or a due day that passed unnoticed."""
    steps = Dunning.objects.filter(next_retry_at__lte=now, invoice__status=Invoice.Status.OPEN)
    overdue = Invoice.objects.filter(status=Invoice.Status.OPEN, due_at__lte=now, amount_due__gt=0, dunning__isnull=True)
    return [*steps.order_by("pk").values_list("invoice", flat=True), *overdue.order_by("pk").values_list("pk", flat=True)]


def _remind(invoice_id: int, now: datetime) -> bool:
    """The step of an invoice that nothing can be charged for."""
    with transaction.atomic():
        hold(Invoice.objects.values_list("workspace", flat=True).get(pk=invoice_id))
        invoice = Invoice.objects.select_for_update().get(pk=invoice_id)
        if invoice.status != Invoice.Status.OPEN:
            return False
        dunning, made = Dunning.objects.get_or_create(invoice=invoice, defaults={"began_at": now})
        if not made and (dunning.next_retry_at is None or dunning.next_retry_at > now):
            return False
        steps = f"reminder-{dunning.retries + (not made)}"
        _step(dunning, invoice, f"payment_failed:{invoice.public_id}:{steps}", "No payment has arrived yet.", now)
        return True


def _step(dunning: Dunning, invoice: Invoice, key: str, message: str, now: datetime) -> None:
    """Counts the step that was due, and sets the next one or says that the invoice is past due."""
    if dunning.next_retry_at is not None:
        dunning.retries += 1
        dunning.next_retry_at = None
    if dunning.state == Dunning.State.PAST_DUE:
        dunning.save()
        return
    days = settings.DUNNING_RETRY_DAYS
    context = _context(invoice) | {"message": message}
    if dunning.retries < len(days):
        dunning.next_retry_at = dunning.began_at + timedelta(days=days[dunning.retries])
        dunning.save()
        tell(invoice.workspace, "payment_failed", key, context | {"next_try": instant_text(dunning.next_retry_at)}, now)
        return
    dunning.state, dunning.past_due_at = Dunning.State.PAST_DUE, now
    dunning.save()
    tell(invoice.workspace, "past_due", f"past_due:{invoice.public_id}", context, now)
    audit.record(ACTOR, "invoice.past_due", invoice.public_id, invoice.workspace, now=now, number=invoice.number)
    suspend_for(invoice, now)


def _context(invoice: Invoice) -> dict[str, str]:
    return {
        "invoice_id": invoice.public_id,
        "number": str(invoice.number),
        "total": cents_text(invoice.total),
        "amount_due": cents_text(invoice.amount_due),
        "due_at": instant_text(invoice.due_at) or "",
    }
