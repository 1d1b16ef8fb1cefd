"""What Celery runs. Each task makes one call; each may run twice, and twice at once, with the same result."""

import time
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import Reject
from django.db import connection
from django.utils import timezone

from metering.alerts.tasks import detect_spikes, forecast_budgets, report_unaccounted_days, send_waiting_crossings
from metering.errors import InboxFull
from metering.ingest.intake.backpressure import backlog
from metering.ingest.intake.broker.store import store_call
from metering.ingest.intake.retention import tend_inbox
from metering.ingest.quarantine.estimate import fill_estimates
from metering.invoicing.tasks import close_due_months, close_month, finalize_due_invoices
from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.jobs.tasks import sweep_orders
from metering.limits.tasks import expire_held, tidy_holds
from metering.notifications.tasks import deliver_webhooks, tidy_deliveries
from metering.payments.tasks import (
    collect_invoices,
    dun_invoices,
    expire_credits,
    handle_webhooks,
    recover_payments,
    send_notices,
    tell_expiring_cards,
    tell_expiring_keys,
    top_up_balances,
)
from metering.reconcile.tasks import reconcile_nightly
from metering.revisions.rerating.jobs import continue_orders as work_off_reratings
from metering.revisions.rerating.reprice import price_waiting
from metering.revisions.tasks import work_out_ordered_costs
from metering.worker.corrections import process_corrections, sweep_corrections
from metering.worker.events import process_failed, process_waiting
from omixa_billing.outage import STORAGE_ERRORS
from workspaces import shared_cache
from workspaces.audit.entries import forget_folds
from workspaces.console.kit import sent_forms

__all__ = [
    "close_due_months",
    "close_month",
    "collect_invoices",
    "continue_reratings",
    "deliver_webhooks",
    "detect_spikes",
    "dun_invoices",
    "expire_credits",
    "expire_held",
    "finalize_due_invoices",
    "forecast_budgets",
    "handle_webhooks",
    "ingest_events",
    "price_waiting_events",
    "process_waiting_batches",
    "reconcile_nightly",
    "recover_payments",
    "report_unaccounted_days",
    "send_notices",
    "send_waiting_crossings",
    "sweep_inbox",
    "sweep_orders",
    "tell_expiring_cards",
    "tell_expiring_keys",
    "tend_inbox_days",
    "tidy_deliveries",
    "tidy_holds",
    "top_up_balances",
    "work_out_ordered_costs",
]

log = structlog.get_logger(__name__)

SECONDS_BETWEEN_TRIES = 2
# Less than a broker leaves a message with one worker: RabbitMQ half an hour, Redis the visibility timeout of our settings.
SECONDS_OF_PATIENCE = 480


# Without the second, the message of a process that was killed counts as done, and it may be the only copy.
@shared_task(name="metering.ingest_events", acks_late=True, reject_on_worker_lost=True)
def ingest_events(*args: Any, **kwargs: Any) -> None:
    """Stores events sent to the product's own queue: a list of them, as in `POST /gateway/v1/events`, and a `gateway_id`.

    Gateways have queues of their own, which no worker reads: who may publish here may run every task. Any arguments will do:
    those that name no events, or no gateway, are kept in the quarantine. The broker keeps the message until they are
    committed. It is seldom given back, because a broker may drop what it has delivered many times: RabbitMQ 4 does so after
    twenty.
    """
    patience = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            store_call(list(args), kwargs, timezone.now())
            return
        except (*STORAGE_ERRORS, InboxFull) as error:
            log.warning("message_waits", error=str(error))
            if time.monotonic() >= patience:
                raise Reject(str(error), requeue=True) from None
            _make_the_best_of(error)
        except Exception as error:  # ours to fix; as a failed task it would be acknowledged, and with it the only copy gone
            log.exception("message_put_back")
            time.sleep(SECONDS_BETWEEN_TRIES)
            raise Reject(repr(error), requeue=True) from None


def _make_the_best_of(error: Exception) -> None:
    """While an inbox is full its work has to be done by a person, and all workers may be waiting here."""
    if isinstance(error, InboxFull):
        try:
            process_waiting(timezone.now)
        except Exception:  # the sweep will meet it too; here it must not cost the message
            log.exception("inbox_not_emptied")
        backlog.forget()
    else:
        connection.close()
    time.sleep(SECONDS_BETWEEN_TRIES)


@job("metering.tend_inbox")
def tend_inbox_days(run: Run) -> dict[str, Any]:
    """Makes the inbox's days ahead of their time, and drops what is old."""
    now = timezone.now()
    forget_folds(now)
    return {
        "days_dropped": len(tend_inbox(now)),
        "forms_forgotten": sent_forms.forget_old(now),
        "attempts_forgotten": shared_cache.forget_expired(now),
    }


@job("metering.process_waiting_batches", record_schedule=False)
def process_waiting_batches(run: Run) -> dict[str, Any]:
    """Empties the inbox. Runs at every reminder, many times a second: a record is kept of what a person ordered only."""
    batches = process_waiting(timezone.now)
    return {"batches": batches, "corrections": process_corrections(timezone.now)}


@job("metering.sweep_inbox")
def sweep_inbox(run: Run) -> dict[str, Any]:
    """Takes up what no reminder came through for, and gives failed batches another try; then says what is held up."""
    batches = process_waiting(timezone.now)
    recovered, failed = process_failed(timezone.now)
    corrections, not_corrected = sweep_corrections(timezone.now)
    counts = {"batches": batches, "recovered": recovered, "corrections": corrections, "estimated": fill_estimates()}
    return counts | {"failed": failed + not_corrected}


@job("metering.price_waiting_events")
def price_waiting_events(run: Run) -> dict[str, Any]:
    """Prices the events that waited for a price which now exists."""
    return {"priced": price_waiting()}


@job("metering.continue_reratings")
def continue_reratings(run: Run) -> dict[str, Any]:
    """Works off the re-ratings that operators ordered."""
    return {"rated_again": work_off_reratings(timezone.now(), run.progress)}
