from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.as_json import void_month_json
from metering.invoicing.lifecycle.close import close_workspaces
from metering.invoicing.models import Invoice
from metering.money import cents_text
from metering.periods import parse_month
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import parse_instant
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = (
        "Create or refresh the drafts of a month that has ended, and print its invoices; run again it changes nothing. "
        "Months up to it whose invoice is void and not reissued are named as waiting_for_reissue, where there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--workspace", metavar="ID", help="Only this one; default: all.")
        parser.add_argument("--now", metavar="ISO", help="Close as of this instant; default: the clock's.")
        parser.add_argument("--finalize", action="store_true", help="Number the drafts and freeze them.")

    def act(self, *, month: str, workspace: str | None, now: str | None, finalize: bool, **options: Any) -> dict[str, Any]:
        instant = timezone.now() if now is None else parse_instant(now)
        period, one = parse_month(month), workspace_named(workspace)
        invoices = close_workspaces(period, instant, one, finalize, command_actor("close_month"))
        answer = {"invoices": [closed_invoice(invoice) for invoice in invoices]}
        waiting = Invoice.objects.waiting_for_reissue().filter(period_start__lte=period.start)
        if one is not None:
            waiting = waiting.filter(workspace=one)
        void_months = [void_month_json(each) for each in waiting.select_related("workspace").order_by("period_start", "pk")]
        return answer | ({"waiting_for_reissue": void_months} if void_months else {})


def closed_invoice(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.public_id,
        "number": invoice.number,
        "workspace_id": invoice.workspace.public_id,
        "status": invoice.status,
        "total": cents_text(invoice.total),
    }
