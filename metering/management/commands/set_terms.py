from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.invoicing.terms.change import save_terms
from metering.invoicing.terms.in_force import in_force, pricing_of
from metering.invoicing.terms.models import BillingTerms
from metering.management.arguments import usd
from metering.money import cents_text
from metering.periods import month_of
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Changes what is agreed with a workspace. What is not named stays as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--prepaid", dest="mode", action="store_const", const=BillingTerms.Mode.PREPAID)
        mode.add_argument("--postpaid", dest="mode", action="store_const", const=BillingTerms.Mode.POSTPAID)
        parser.add_argument("--payment-days", type=int, metavar="N")
        parser.add_argument("--discount", metavar="PERCENT", help="off list prices, from this month on")
        parser.add_argument("--minimum", metavar="USD", help="the least that a month costs, from this month on")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace, now = workspace_named(options["workspace"]), timezone.now()
        said = {name: options[name] for name in ("mode", "payment_days") if options[name] is not None}
        if options["discount"] is not None:
            said["discount_percent"] = usd(options["discount"], "--discount")
        if options["minimum"] is not None:
            said["minimum_commitment"] = usd(options["minimum"], "--minimum")
        terms = save_terms(workspace, said, None, command_actor("set_terms"), now)
        agreed = in_force(pricing_of(workspace), month_of(now).start)
        least = agreed.minimum_commitment
        return {
            "workspace_id": workspace.public_id,
            "mode": terms.mode,
            "payment_days": terms.payment_days,
            "discount_percent": f"{agreed.discount_percent.normalize():f}",
            "minimum_commitment": None if least is None else cents_text(least),
        }
