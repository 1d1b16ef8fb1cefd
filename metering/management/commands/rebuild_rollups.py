from collections import Counter
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from metering.periods import parse_month
from metering.rollups.compare import months_with_usage
from metering.rollups.rebuild import rebuild
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces import audit


class Command(JsonCommand):
    help = "Makes the rollups again from the events, and says how many rows were wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", metavar="YYYY-MM", help="default: every month that has usage")

    def act(self, **options: Any) -> dict[str, Any]:
        months = [parse_month(options["month"])] if options["month"] else months_with_usage()
        done = Counter({"hours": 0, "changed": 0})
        for month in months:
            with transaction.atomic():
                made: dict[str, Any] = rebuild(month)
                name = f"{month.start:%Y-%m}"
                audit.record(command_actor("rebuild_rollups"), "rollups.rebuilt", name, now=timezone.now(), **made)
            done.update(made)
        return dict(done)
