from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.periods import month_of, parse_month
from metering.reports.margins import MARGIN_GROUPS, margin_json, margins, total_of
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "What is left of what customers pay for usage after what providers charge, of a month."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", metavar="YYYY-MM", help="default: the running one")
        parser.add_argument("--by", default="model", metavar="GROUPS", help=f"any of {','.join(MARGIN_GROUPS)}; default: model")

    def act(self, *, month: str | None, by: str, **options: Any) -> dict[str, Any]:
        period = month_of(timezone.now()) if month is None else parse_month(month)
        rows = margins(period, [each.strip() for each in by.split(",") if each.strip()])
        return {
            "month": f"{period.start:%Y-%m}",
            "rows": [margin_json(row) for row in rows],
            "total": margin_json(total_of(rows)),
        }
