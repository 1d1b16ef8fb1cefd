from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from omixa_billing.commands import JsonCommand
from workspaces import issue


class Command(JsonCommand):
    help = "Create a gateway that may send usage events, and print its token, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def act(self, *, name: str, **options: Any) -> dict[str, Any]:
        gateway, token = issue.create_gateway(name, "command create_gateway", timezone.now())
        return {"gateway_id": gateway.public_id, "token": token}
