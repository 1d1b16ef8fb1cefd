from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.journal.export import CSV, FORMATS, exported
from metering.periods import Period, month_of, parse_month
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import FIRST_INSTANT
from workspaces import audit


class Command(JsonCommand):
    help = "The entries of the journal by the day of the act, as text: CSV, or a ledger of Beancount."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="first", metavar="YYYY-MM", help="default: from the first entry on")
        parser.add_argument("--to", dest="last", metavar="YYYY-MM", help="that month included; default: the running one")
        parser.add_argument("--format", dest="file_format", default=CSV, metavar="F", help=", ".join(FORMATS))

    def act(self, *, first: str | None, last: str | None, file_format: str, **options: Any) -> dict[str, Any]:
        if file_format not in FORMATS:
            raise InvalidParameter(f"The journal is exported as one of {', '.join(FORMATS)}.", param="format")
        start = FIRST_INSTANT if first is None else parse_month(first).start
        end = (month_of(timezone.now()) if last is None else parse_month(last)).end
        if start >= end:
            raise InvalidParameter("The first month is after the last one.", param="from")
        now, months = timezone.now(), {"from": first, "to": last}
        audit.record(command_actor("export_journal"), "export.downloaded", "journal", None, now=now, **months)
        return {"text": "".join(exported(Period(start, end), file_format)).rstrip("\n")}

    def text_of(self, result: dict[str, Any]) -> str:
        return str(result["text"])
