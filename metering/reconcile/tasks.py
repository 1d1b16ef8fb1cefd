"""The nightly proof that everything agrees."""

from typing import Any

import structlog
from django.utils import timezone

from metering.jobs.alert import alert_operators
from metering.jobs.declare import job
from metering.jobs.models import JobRun
from metering.jobs.run import Run
from metering.reconcile.everything import everything
from metering.reconcile.with_stripe import against_stripe
from workspaces.audit import chain

log = structlog.get_logger(__name__)
NIGHTS_REMEMBERED = 100


@job("metering.reconcile_nightly")
def reconcile_nightly(run: Run) -> dict[str, Any]:
    """Proves that everything agrees, and alerts the operators where it does not."""
    run.result = found = everything(progress=run.progress)
    found["differences"] += against_stripe(timezone.now())
    found["differences"] += audit_trail_differences(found)
    found["ok"] = not found["differences"]
    if found["differences"]:
        run.needs_attention()
        alert_operators(f"Omixa billing: differences found, {len(found['differences'])} in all", found["differences"])
    return found


def audit_trail_differences(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Proves the trail against the heads of the nights before, and keeps its head in `found` and in the log."""
    earlier = JobRun.objects.filter(job="metering.reconcile_nightly", result__has_key="audit_head")
    heads = [chain.parse_head(run.result["audit_head"]) for run in earlier.order_by("-pk")[:NIGHTS_REMEMBERED]]
    proof = chain.verify(*heads)
    found["audit_head"] = proof["head"]
    log.info("audit_head", head=proof["head"], ok=proof["ok"])
    return [] if proof["ok"] else [{"check": "audit_trail_is_untouched", **proof["first_difference"]}]
