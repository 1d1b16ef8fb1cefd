from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.limits.budgets.compare import rebuild_budgets
from metering.limits.models import Budget, LimitAccount
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces import audit
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Makes what budgets have spent and held again, from events and live holds, and says what was different."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", metavar="ID", help="default: every workspace that has a budget")

    def act(self, **options: Any) -> dict[str, Any]:
        only, now = workspace_named(options["workspace"]), timezone.now()
        accounts = LimitAccount.objects.order_by("pk") if only is None else LimitAccount.objects.filter(pk=only.pk)
        differences = [each for pk in list(accounts.values_list("pk", flat=True)) for each in rebuild_budgets(pk, now)]
        budgets = Budget.objects.filter(workspace__in=accounts).count()
        audit.record(
            command_actor("rebuild_budgets"), "budgets.rebuilt", "", only, now=now, budgets=budgets, changed=len(differences)
        )
        return {"budgets": budgets, "changed": len(differences), "differences": differences}
