"""Closing one ended month for every workspace, as a job: counted, with its progress, and past a workspace that fails."""

from collections.abc import Callable
from datetime import datetime

import structlog

from metering.invoicing.close import billable_workspaces, close_workspace, refuse_running_month
from metering.invoicing.schedule import outcome_of
from metering.periods import Period

log = structlog.get_logger(__name__)


def close_for_all(
    period: Period,
    now: datetime,
    finalize: bool,
    actor: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Create or refresh the month's drafts of all workspaces; `finalize` freezes them. Raises MonthNotEnded.

    Counts of drafts, finalized (also before), held and failed. A workspace that fails is logged and left for another run.
    """
    refuse_running_month(period, now)
    counts = {"drafts": 0, "finalized": 0, "held": 0, "failed": 0}
    workspaces = billable_workspaces(period)
    for done, workspace in enumerate(workspaces):
        progress(done, len(workspaces))
        try:
            invoice = close_workspace(workspace, period, now, finalize, actor)
        except Exception:
            log.exception("closing_failed", workspace_id=workspace.pk, month=f"{period.start:%Y-%m}")
            counts["failed"] += 1
        else:
            if invoice is not None:
                counts[outcome_of(invoice)] += 1
    progress(len(workspaces), len(workspaces))
    return counts
