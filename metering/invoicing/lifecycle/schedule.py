"""Closing whatever month still has to be closed: the last one, and every one that a scheduler that was down missed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from metering.invoicing.allowed import check_month_ended
from metering.invoicing.composing.lines import BILLED_STATUSES
from metering.invoicing.lifecycle.close import billable_workspaces, close_each
from metering.invoicing.models import Invoice
from metering.jobs.progress import Progress, unheard
from metering.periods import Period, month_of, previous_month
from workspaces.models import Workspace

log = structlog.get_logger(__name__)
ACTOR = "metering.close_due_months"

# Per workspace: every ended month that has a draft, every one with usage, priced or not yet, a minimum commitment, a fee or a
# manual line after its last finalized one, and the last ended month in any case, for what arrived late. What arrives for a
# month before the last finalized one is an adjustment of a later invoice, unless a draft holds it. A voided month waits for a
# person, who makes a draft of it. A closed workspace has no further invoices.
DUE_MONTHS = """
WITH last_finalized AS (
    SELECT workspace_id, max(period_start) AS month FROM metering_invoice
    WHERE status IN ('open', 'paid', 'uncollectible') {of_workspace} GROUP BY workspace_id
), used AS (
    SELECT DISTINCT workspace_id, date_trunc('month', day AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS month
    FROM metering_dailyrollup WHERE status = ANY(%(billed)s) AND day < %(running)s {of_workspace}
), agreed AS (
    SELECT workspace_id, effective_from, minimum_commitment,
           lead(effective_from) OVER (PARTITION BY workspace_id ORDER BY effective_from) AS succeeded_at
    FROM metering_agreedpricing WHERE true {of_workspace}
), charged AS (
    SELECT workspace_id, effective_from, monthly,
           least(ends_at, lead(effective_from) OVER (PARTITION BY fee_id ORDER BY effective_from)) AS ended_at
    FROM metering_agreedfee JOIN metering_recurringfee fee ON fee.id = fee_id
    WHERE effective_from < %(running)s {of_workspace}
), added AS (
    SELECT workspace_id, month FROM metering_manualline WHERE month < %(running)s {of_workspace}
), ended AS (
    SELECT workspace_id, month FROM used UNION SELECT DISTINCT workspace_id, %(last)s::timestamptz FROM used
    UNION
    SELECT workspace_id, generate_series(
        effective_from AT TIME ZONE 'UTC',
        least(%(last)s::timestamptz, succeeded_at - interval '1 day') AT TIME ZONE 'UTC', '1 month') AT TIME ZONE 'UTC'
    FROM agreed WHERE minimum_commitment IS NOT NULL
    UNION
    SELECT workspace_id, generate_series(
        date_trunc('month', effective_from AT TIME ZONE 'UTC'),
        least(%(last)s::timestamptz, ended_at - interval '1 day') AT TIME ZONE 'UTC', '1 month') AT TIME ZONE 'UTC'
    FROM charged WHERE monthly > 0
    UNION
    SELECT DISTINCT workspace_id, %(last)s::timestamptz FROM charged
    UNION
    SELECT workspace_id, month FROM added UNION SELECT DISTINCT workspace_id, %(last)s::timestamptz FROM added
), due AS (
    SELECT ended.workspace_id, ended.month FROM ended LEFT JOIN last_finalized f ON f.workspace_id = ended.workspace_id
    WHERE (f.month IS NULL OR ended.month > f.month) AND NOT EXISTS (
        SELECT FROM metering_invoice i
        WHERE i.workspace_id = ended.workspace_id AND i.period_start = ended.month AND i.status = 'void')
    UNION
    SELECT workspace_id, period_start FROM metering_invoice WHERE status = 'draft' AND period_start < %(running)s {of_workspace}
)
SELECT month, workspace_id
FROM due JOIN workspaces_workspace w ON w.id = workspace_id AND NOT w.sandbox AND w.closed_at IS NULL
ORDER BY month, workspace_id
"""


def due_months(now: datetime, workspace: Workspace | None = None) -> list[tuple[Period, int]]:
    """(month, workspace's primary key) of what has ended and is to be billed, oldest month first; of one workspace or all."""
    running = month_of(now)
    sql = DUE_MONTHS.format(of_workspace="" if workspace is None else "AND workspace_id = %(workspace)s")
    parameters: dict[str, Any] = {
        "running": running.start,
        "last": previous_month(running).start,
        "billed": list(BILLED_STATUSES),
        "workspace": None if workspace is None else workspace.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [(month_of(month.astimezone(UTC)), workspace_id) for month, workspace_id in cursor.fetchall()]


def close_months_due(now: datetime, finalize: bool = True, progress: Progress = unheard) -> dict[str, int]:
    """Refresh the drafts of months in their grace; with `finalize`, finalize those whose grace is over.

    Counts of `close_all`.
    """

    def is_final(period: Period) -> bool:
        return now >= period.end + timedelta(days=settings.INVOICE_GRACE_DAYS)

    due = [(period, workspace) for period, workspace in due_months(now) if finalize or not is_final(period)]
    counts = close_all(due, now, is_final, ACTOR, progress)
    log.info("months_closed", **counts)
    return counts


def close_for_all(period: Period, now: datetime, finalize: bool, actor: str, progress: Progress = unheard) -> dict[str, int]:
    """Create or refresh the ended month's drafts of all workspaces; `finalize` freezes them. Counts of `close_all`, those
    finalized before among them. Raises MonthNotEnded.
    """
    check_month_ended(period, now)
    due = [(period, workspace.pk) for workspace in billable_workspaces(period)]
    return close_all(due, now, lambda _: finalize, actor, progress)


def close_all(
    due: list[tuple[Period, int]], now: datetime, is_final: Callable[[Period], bool], actor: str, progress: Progress
) -> dict[str, int]:
    """Counts of drafts, finalized, held (parked for a person), failed, and `incomplete`: with unpriced or quarantined events
    of their month, whether they have an invoice or not. `progress` hears (done, total) after each.

    A workspace that fails is logged, left alone for the rest of this run, and tried again by the next one.
    """
    counts = {"drafts": 0, "finalized": 0, "held": 0, "incomplete": 0, "failed": 0}
    failed: set[int] = set()
    done = 0
    for period, of_month in groupby(due, key=lambda each: each[0]):
        every = [workspace_id for _, workspace_id in of_month]
        ids = [workspace_id for workspace_id in every if workspace_id not in failed]
        done += len(every) - len(ids)
        for workspace_id, closed in zip(ids, close_each(ids, period, now, is_final(period), actor), strict=True):
            progress(done, len(due))
            done += 1
            if isinstance(closed, Exception):
                log.error("closing_failed", workspace_id=workspace_id, month=f"{period.start:%Y-%m}", exc_info=closed)
                failed.add(workspace_id)
                counts["failed"] += 1
                continue
            counts["incomplete"] += bool(closed.warnings)
            if closed.invoice is not None:
                counts[closing_outcome(closed.invoice)] += 1
    progress(len(due), len(due))
    return counts


def closing_outcome(invoice: Invoice) -> str:
    if invoice.is_on_hold:
        return "held"
    return "drafts" if invoice.status == Invoice.Status.DRAFT else "finalized"
