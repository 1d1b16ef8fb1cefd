from decimal import Decimal
from typing import Any

from django.core.management.base import CommandParser

from metering.invoicing import reconcile as invoices
from metering.money import exact_text
from metering.periods import parse_month
from metering.rollups.compare import GRAINS, SUMS, differences, event_totals, months_with_usage, rollup_totals
from metering.rollups.singly import event_differences
from metering.rollups.trace import trail_differences
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Proves that events, their trail, rollups and invoice lines agree to the last digit; exit code 1 if not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", metavar="YYYY-MM", help="default: every month that has usage")

    def act(self, **options: Any) -> dict[str, Any]:
        period = parse_month(options["month"]) if options["month"] else None
        months = [period] if period else months_with_usage()
        found = [each for month in months for grain in GRAINS for each in differences(grain, month).first]
        found += [each for month in months for each in event_differences(month)]
        found += trail_differences(period)
        billed = invoices.check(period)
        found += billed.differences
        self.exit_code = 1 if found else 0
        return {
            "ok": not found,
            "differences": found,
            "events": summed([event_totals(month) for month in months]),
            "rollups": summed([rollup_totals(month) for month in months]),
            "invoiced": billed.invoiced,
        }


def summed(totals: list[dict[str, Any]]) -> dict[str, Any]:
    """Monthly sums added up, with the cost as text."""
    counts = {name: sum(each[name] for each in totals) for name in SUMS if name != "cost"}
    return {**counts, "cost": exact_text(sum((each["cost"] for each in totals), Decimal(0)))}
