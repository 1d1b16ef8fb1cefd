"""What revisions do as jobs."""

from typing import Any

from django.utils import timezone

from metering.catalogue.models import LanguageModel
from metering.errors import NotOrdered
from metering.jobs.declare import job
from metering.jobs.run import Run
from metering.revisions.work_out_costs import work_out_costs
from omixa_billing.instants import parse_instant

WORK_OUT_COSTS = "metering.work_out_costs"


@job(WORK_OUT_COSTS)
def work_out_ordered_costs(run: Run) -> dict[str, Any]:
    """Works out again what requests of a model cost us, as an operator ordered in the console; without an order nothing."""
    if run.order is None:
        raise NotOrdered("Costs are worked out again by an operator's order, and this message names none.")
    asked = run.order.arguments
    model, start, end = (
        LanguageModel.objects.get(slug=asked["model"]),
        parse_instant(asked["start"]),
        parse_instant(asked["end"]),
    )
    return work_out_costs(model, start, end, run.order.ordered_by, timezone.now(), run.progress)
