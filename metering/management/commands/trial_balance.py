from typing import Any

from django.core.management.base import CommandParser

from metering.journal.balances import trial_balance
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import parse_instant


class Command(JsonCommand):
    help = "What every account of the journal comes to, debits above zero and credits below; exit code 1 if they do not add up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at", metavar="ISO", help="of what happened until then; default: all of it")

    def act(self, *, at: str | None, **options: Any) -> dict[str, Any]:
        found = trial_balance(None if at is None else parse_instant(at))
        self.exit_code = 0 if found["ok"] else 1
        return found
