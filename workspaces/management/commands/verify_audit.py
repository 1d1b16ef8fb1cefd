from typing import Any

from django.core.management.base import CommandParser

from omixa_billing.commands import JsonCommand
from workspaces.audit import chain


class Command(JsonCommand):
    help = "Proves that no entry of the audit trail was changed, removed, inserted or moved; exit code 1 if one was."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--head",
            metavar="POSITION:HASH",
            action="append",
            default=[],
            help="A head noted earlier, from a log of the nightly proof or an export: the trail still has to hold it.",
        )

    def act(self, *, head: list[str], **options: Any) -> dict[str, Any]:
        found = chain.verify(*map(chain.parse_head, head))
        self.exit_code = 0 if found["ok"] else 1
        return found
