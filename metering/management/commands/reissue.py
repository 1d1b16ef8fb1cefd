from decimal import Decimal
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.errors import InvoiceNotVoid
from metering.invoicing.lifecycle import void
from metering.invoicing.lifecycle.finalize import finalize
from metering.invoicing.models import Invoice
from metering.management.documents import document_json
from metering.periods import parse_month
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Makes the draft of a month whose invoice was voided: what the month should have been billed, as it is known now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("month", metavar="YYYY-MM")
        parser.add_argument("--finalize", action="store_true", help="Number the draft and freeze it.")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, period = workspace_named(options["workspace"]), parse_month(options["month"])
        actor, now = command_actor("reissue"), timezone.now()
        voided = Invoice.objects.filter(workspace=workspace, period_start=period.start, status=Invoice.Status.VOID)
        last = voided.order_by("-pk").first()
        if last is None:
            raise InvoiceNotVoid(f"{workspace.public_id} has no void invoice of {options['month']}.")
        made = void.reissue(last.pk, actor, now)
        if made is None:  # it comes to nothing, or to a credit: the next invoice bills what is left of it
            return document_json(None, None, "carried_over", Decimal("0.00"))
        if options["finalize"]:
            made = finalize(made.pk, actor, now)
        return document_json(made.public_id, made.number, made.status, made.total)
