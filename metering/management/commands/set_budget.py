from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.limits.budgets.as_json import budget_json
from metering.limits.budgets.change import set_budget
from metering.limits.models import Budget
from metering.management.arguments import usd
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Sets a budget: a new one, or the limit of the one for the same scope, window and mode."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument("--scope", required=True, metavar="S", help=", ".join(Budget.Scope.values))
        parser.add_argument("--scope-id", metavar="X", help="a key's id, a model or an end user; * for each model or user")
        parser.add_argument("--window", required=True, metavar="W", help=", ".join(Budget.Window.values))
        parser.add_argument("--limit", required=True, metavar="USD")
        parser.add_argument("--mode", default=Budget.Mode.HARD, metavar="M", help=", ".join(Budget.Mode.values))
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="such as Europe/Berlin; default: UTC")

    def act(self, **options: Any) -> dict[str, Any]:
        now = timezone.now()
        budget = set_budget(
            workspace_named(options["workspace"]),
            options["scope"],
            options["scope_id"],
            options["window"],
            usd(options["limit"], "--limit"),
            mode=options["mode"],
            time_zone=options["time_zone"],
            actor=command_actor("set_budget"),
            now=now,
        )
        return budget_json(budget, now)
