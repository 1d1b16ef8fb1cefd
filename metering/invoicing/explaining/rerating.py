"""A re-rating's plan as it is printed and kept: with names, exact amounts, and which months are already invoiced."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from metering.invoicing.models import Invoice
from metering.money import WIDE, exact_text, from_pico
from metering.revisions.rerating.plan import Plan
from workspaces.models import Workspace

SUMS = ("requests", "first_priced")
COSTS = ("cost_before", "cost_after", "difference")


def planned_months(plan: Plan) -> list[dict[str, Any]]:
    """One row per workspace and month that changes; of an `invoiced` one a later invoice adjusts it."""
    workspaces = Workspace.objects.in_bulk({workspace_id for workspace_id, _ in plan})
    finalized = Invoice.objects.finalized().filter(workspace__in=workspaces).order_by()
    invoiced = set(finalized.values_list("workspace_id", "period_start"))
    return [
        {
            "workspace_id": workspaces[workspace_id].public_id,
            "month": f"{month:%Y-%m}",
            "requests": planned.requests,
            "first_priced": planned.priced,
            "cost_before": exact_text(from_pico(planned.before)),
            "cost_after": exact_text(from_pico(planned.after)),
            "difference": exact_text(from_pico(planned.after - planned.before)),
            "invoiced": (workspace_id, month) in invoiced,
        }
        for (workspace_id, month), planned in plan.items()
    ]


def months_total(months: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rows' sums."""
    total: dict[str, Any] = {name: sum(row[name] for row in months) for name in SUMS}
    for name in COSTS:
        cost = Decimal(0)
        for row in months:
            cost = WIDE.add(cost, Decimal(row[name]))
        total[name] = exact_text(cost)
    return total
