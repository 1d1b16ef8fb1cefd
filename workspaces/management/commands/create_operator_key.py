from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text, parse_instant
from workspaces.operators.keys import USUAL_DAYS, create_operator_key
from workspaces.operators.models import OperatorKey


class Command(JsonCommand):
    help = "Creates a key for /api/v1/operator/, and prints its secret, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=OperatorKey.Scope.values,
            help="what it may do; may be given several times; default: read",
        )
        parser.add_argument("--expires", metavar="ISO", help=f"at most a year ahead; default: after {USUAL_DAYS} days")

    def act(self, *, name: str, scope: list[str], expires: str | None, **options: Any) -> dict[str, Any]:
        ends = None if expires is None else parse_instant(expires)
        scopes = scope or [OperatorKey.Scope.READ.value]
        key, secret = create_operator_key(name, scopes, ends, command_actor("create_operator_key"), timezone.now())
        return {
            "key_id": key.public_id,
            "name": key.name,
            "scopes": key.scopes,
            "expires_at": instant_text(key.expires_at),
            "secret": secret,
        }
