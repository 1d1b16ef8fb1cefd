from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.journal.lock import lock_period
from metering.periods import parse_month
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text


class Command(JsonCommand):
    help = "Locks the books of a month and of all before it: nothing is posted into them any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("month", metavar="YYYY-MM")

    def act(self, *, month: str, **options: Any) -> dict[str, Any]:
        locked = lock_period(parse_month(month), command_actor("lock_period"), timezone.now())
        return {
            "month": str(locked),
            "locked_at": instant_text(locked.locked_at),
            "entries": locked.entries,
            "sha256": locked.sha256,
        }
