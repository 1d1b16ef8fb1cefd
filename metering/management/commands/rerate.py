import time
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.catalogue.models import LanguageModel
from metering.errors import NotFound
from metering.invoicing.explaining.rerating import months_total, planned_months
from metering.money import exact_text
from metering.revisions.rerating.jobs import continue_rerating, order_rerating
from metering.revisions.rerating.plan import plan_rerating, scope_for
from metering.rollups.models import Rerating
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text, parse_instant
from workspaces.management.named import workspace_named
from workspaces.names import is_storable

ACTOR = command_actor("rerate")
SECONDS_BETWEEN_LOOKS = 0.2


class Command(JsonCommand):
    help = "Rates recorded usage again by the prices as they are set now. Without --apply it only says what would change."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", nargs="?", help="with its aliases; left out: every model")
        parser.add_argument("--from", required=True, dest="start", metavar="ISO")
        parser.add_argument("--to", dest="end", metavar="ISO", help="not included; default: everything so far")
        parser.add_argument("--workspace", metavar="ID", help="only this workspace")
        parser.add_argument("--reason", default="", metavar="TEXT", help="required with --apply; customers read it")
        parser.add_argument("--apply", action="store_true", help="do it, and wait until it is done")

    def act(self, **options: Any) -> dict[str, Any]:
        now = timezone.now()
        model, workspace = _model_named(options["model"]), workspace_named(options["workspace"])
        start, end = parse_instant(options["start"]), _instant(options["end"])
        scope = scope_for(model, workspace, start, end, now)
        if scope.start >= scope.end:
            raise InvalidParameter("--to is not after --from.", param="to")
        months = planned_months(plan_rerating(scope))
        answer = {
            "applied": False,
            "model": options["model"],
            "workspace_id": options["workspace"],
            "from": instant_text(scope.start),
            "to": instant_text(scope.end),
            "months": months,
            "total": months_total(months),
        }
        if not options["apply"]:
            return answer
        order = order_rerating(model, workspace, scope, reason=options["reason"], plan=months, actor=ACTOR, now=now)
        work_off(order)
        return answer | {
            "applied": True,
            "rerating_id": order.public_id,
            "status": order.status,
            "changed": order.changed,
            "cost_before": exact_text(order.cost_before),
            "cost_after": exact_text(order.cost_after),
        }


def work_off(order: Rerating) -> None:
    """Until it is done. A worker may process it as well, in turns; if the worker dies, this process continues alone."""
    while order.status == Rerating.Status.RUNNING:
        continue_rerating(order.pk, timezone.now())
        order.refresh_from_db()
        if order.status == Rerating.Status.RUNNING:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)


def _model_named(slug: str | None) -> LanguageModel | None:
    """The model, or None where none is named. Raises NotFound."""
    if slug is None:
        return None
    found = LanguageModel.objects.filter(slug=slug).first() if is_storable(slug) else None
    if found is None:
        raise NotFound(f"There is no model {slug!r}.")
    return found
