from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.periods import parse_month
from metering.reconcile.everything import everything
from metering.reconcile.with_stripe import against_stripe
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Proves that events, rollups, invoices, payments and credits agree to the last digit; exit code 1 if not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", metavar="YYYY-MM", help="default: every month that has usage")
        parser.add_argument("--stripe", action="store_true", help="also compare the last weeks' payments with Stripe's")

    def act(self, **options: Any) -> dict[str, Any]:
        found = everything(parse_month(options["month"]) if options["month"] else None)
        if options["stripe"]:
            found["differences"] += against_stripe(timezone.now())
            found["ok"] = not found["differences"]
        self.exit_code = 0 if found["ok"] else 1
        return found
