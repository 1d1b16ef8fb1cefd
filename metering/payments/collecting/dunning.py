"""After a decline: retries some days later, a mail at each step, then past due. Payment ends it at any time.

A step is a decline, or a reminder, after its day has come: what the customer tries in between gets its own mail and counts for
nothing. Steps that were missed while nothing ran are made up for a day apart. A method saved meanwhile is tried at once,
also when it is past due. An invoice that nothing can be charged for, without a saved method, without Stripe, or because Stripe
refuses it, is dunned by mail from its due day on, and one on which less is due than a card can pay is not dunned at all.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from metering.invoicing.lifecycle.announced import announce_invoice
from metering.invoicing.locks import lock_invoice
from metering.invoicing.models import Invoice
from metering.jobs.progress import Progress, unheard
from metering.limits.changed import note_change
from metering.money import cents_text
from metering.payments.clock import ticking
from metering.payments.collecting.minimum import collectable_invoices, enough_due, is_below_minimum
from metering.payments.mails.outbox import add_notice
from metering.payments.models import Dunning, PaymentAccount, PaymentAttempt
from metering.payments.provider.errors import ProviderRefused
from omixa_billing.instants import Clock, instant_text
from workspaces import audit
from workspaces.locks import lock_workspace

log = structlog.get_logger(__name__)
ACTOR = "metering.dun_invoices"
UNSETTLED = (Dunning.State.RETRYING, Dunning.State.PAST_DUE)
LEAST_BETWEEN = timedelta(days=1)


def after_decline(invoice: Invoice, attempt: PaymentAttempt, now: datetime) -> None:
    """Notes a declined attempt in the transaction that settles it: the next retry is set, or none is left.

    Only the first decline, and those after a step's time has come, are steps.
    """
    dunning, begins = Dunning.objects.get_or_create(invoice=invoice, defaults={"began_at": now})
    if dunning.state == Dunning.State.SETTLED:
        dunning.state, dunning.began_at, dunning.retries, begins = Dunning.State.RETRYING, now, 0, True
    if begins or _is_due(dunning, now):
        _step(dunning, invoice, "payment_failed", str(attempt.number), attempt.message, now)
    else:
        _notify_failure(dunning, invoice, attempt, now)


def after_payment(invoice: Invoice, now: datetime) -> None:
    """Ends the dunning of an invoice that is paid, credited or void, and what followed from it."""
    Dunning.objects.filter(invoice=invoice).exclude(state=Dunning.State.SETTLED).update(
        state=Dunning.State.SETTLED, next_retry_at=None, settled_at=now
    )
    note_change(invoice.workspace_id, now)


def restart_dunning(invoice: Invoice) -> None:
    """An invoice that was paid is owed again: it is dunned from its due day on, as if it had never been."""
    Dunning.objects.filter(invoice=invoice).delete()


def dun(now: datetime | Clock, retry: Callable[[int, datetime], Any], progress: Progress = unheard) -> dict[str, int]:
    """Takes every step that is due. `retry(invoice's primary key, now)` collects from the saved method, if there is one.

    Counts of retried, reminded and failed. One invoice's failure does not stop the others.
    """
    clock = ticking(now)
    counts = Counter(retried=0, reminded=0, failed=_end_dunning_of_small_amounts(clock()))
    due = _due(clock())
    for done, invoice_id in enumerate(due):
        progress(done, len(due))
        try:
            counts.update(_step_of(invoice_id, retry, clock))
        except Exception:
            log.exception("dunning_failed", invoice_id=invoice_id)
            counts["failed"] += 1
    progress(len(due), len(due))
    return dict(counts)


def _step_of(invoice_id: int, retry: Callable[[int, datetime], Any], clock: Clock) -> dict[str, int]:
    """A charge, or a reminder where nothing is charged. What Stripe refuses to us, such as an amount above its limit, may be
    refused for ever: it is counted as failed, and the customer is reminded and dunned by mail.
    """
    try:
        if retry(invoice_id, clock()) is not None:
            return {"retried": 1}
        refused = 0
    except ProviderRefused as error:
        log.warning("dunning_by_mail", invoice_id=invoice_id, error=str(error))
        refused = 1
    return {"reminded": int(_remind(invoice_id, clock())), "failed": refused}


def _due(now: datetime) -> list[int]:
    """Primary keys of open invoices with a step due, a method not tried yet, or a due day that passed unnoticed.

    While a payment is on its way, which may take days, its outcome is awaited.
    """
    invoices = collectable_invoices()
    step = Q(dunning__next_retry_at__lte=now)
    unnoticed = Q(dunning__isnull=True, due_at__lte=now)
    on_its_way = PaymentAttempt.objects.filter(invoice=OuterRef("pk"), status=PaymentAttempt.Status.PROCESSING)
    due = invoices.filter(step | unnoticed | _has_new_method()).exclude(Exists(on_its_way))
    return list(due.order_by("pk").values_list("pk", flat=True))


def _has_new_method() -> Q:
    """Invoices under dunning on which the method saved by now was never tried. What Stripe refused was tried."""
    method = "workspace__payment_account__method_id"
    tried = PaymentAttempt.objects.filter(invoice=OuterRef("pk"), method_id=OuterRef(method))
    untried = ~Exists(tried.exclude(status=PaymentAttempt.Status.CANCELED, code=""))
    return Q(untried, dunning__state__in=UNSETTLED, **{f"{method}__gt": ""})


def _end_dunning_of_small_amounts(now: datetime) -> int:
    """Ends the dunning of what a credit or a payment has lowered to less than a card can pay; how many that failed for."""
    failed = 0
    dunnings = Dunning.objects.filter(state__in=UNSETTLED, invoice__status__in=Invoice.OWED)
    small = dunnings.exclude(enough_due("invoice__")).select_related("invoice")
    for dunning in small.order_by("pk"):
        try:
            with transaction.atomic():
                lock_workspace(dunning.invoice.workspace_id)
                after_payment(dunning.invoice, now)
        except Exception:
            log.exception("dunning_failed", invoice_id=dunning.invoice_id)
            failed += 1
    return failed


def _remind(invoice_id: int, now: datetime) -> bool:
    """The step of an invoice that nothing can be charged for."""
    with transaction.atomic():
        invoice = lock_invoice(invoice_id)
        if invoice.status != Invoice.Status.OPEN or is_below_minimum(invoice.amount_due):
            return False
        dunning, made = Dunning.objects.get_or_create(invoice=invoice, defaults={"began_at": now})
        if not made and not _is_due(dunning, now):
            return False
        _step(dunning, invoice, "payment_reminder", f"reminder-{dunning.retries + (not made)}{dunning_round(invoice)}", "", now)
        return True


def _is_due(dunning: Dunning, now: datetime) -> bool:
    return dunning.next_retry_at is not None and dunning.next_retry_at <= now


def _step(dunning: Dunning, invoice: Invoice, kind: str, number: str, message: str, now: datetime) -> None:
    """Counts the step that was due, and sets the next one or says that the invoice is past due.

    `kind` is the mail of a step: a payment that failed with `message`, or a reminder where nothing was tried.
    """
    if dunning.next_retry_at is not None:
        dunning.retries += 1
        dunning.next_retry_at = None
    days = settings.DUNNING_RETRY_DAYS
    context = _context(invoice) | {"message": message}
    if dunning.retries < len(days):
        planned = dunning.began_at + timedelta(days=days[dunning.retries])
        dunning.next_retry_at = max(planned, now + LEAST_BETWEEN)
        dunning.save()
        context["next_try"] = _next_try(dunning, invoice)
        add_notice(invoice.workspace, kind, f"{kind}:{invoice.public_id}:{number}", context, now)
        return
    dunning.state, dunning.past_due_at = Dunning.State.PAST_DUE, now
    dunning.save()
    add_notice(invoice.workspace, "past_due", f"past_due:{invoice.public_id}{dunning_round(invoice)}", context, now)
    audit.record(ACTOR, "invoice.past_due", invoice.public_id, invoice.workspace, now=now, number=invoice.number)
    announce_invoice(invoice, "invoice.past_due", now, dunning_round(invoice))
    note_change(invoice.workspace_id, now)


def _notify_failure(dunning: Dunning, invoice: Invoice, attempt: PaymentAttempt, now: datetime) -> None:
    """Mails that a payment in between failed; when the next try is, or that there is none, stays as it was."""
    kind = "past_due" if dunning.state == Dunning.State.PAST_DUE else "payment_failed"
    context = _context(invoice) | {"message": attempt.message, "next_try": _next_try(dunning, invoice)}
    add_notice(invoice.workspace, kind, f"{kind}:{invoice.public_id}:{attempt.number}", context, now)


def dunning_round(invoice: Invoice) -> str:
    """A suffix for keys of notices: an invoice that is owed again is dunned another time, as often as that happens."""
    times = invoice.reopened.count()
    return f":{times}" if times else ""


def _next_try(dunning: Dunning, invoice: Invoice) -> str:
    """When the saved method is charged next; empty where there is none, and the customer is only reminded."""
    saved = PaymentAccount.objects.filter(workspace=invoice.workspace_id).exclude(method_id="")
    return (instant_text(dunning.next_retry_at) or "") if saved.exists() else ""


def _context(invoice: Invoice) -> dict[str, str]:
    return {
        "invoice_id": invoice.public_id,
        "number": str(invoice.number),
        "total": cents_text(invoice.total),
        "amount_due": cents_text(invoice.amount_due),
        "due_at": instant_text(invoice.due_at) or "",
    }
