from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.names import is_storable
from workspaces.operators.keys import revoke_operator_key
from workspaces.operators.models import OperatorKey


class Command(JsonCommand):
    help = "Revokes a key of operators: it stops now, for good."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", metavar="KEY", help="its id")

    def act(self, *, key: str, **options: Any) -> dict[str, Any]:
        found = OperatorKey.objects.filter(public_id=key).first() if is_storable(key) else None
        if found is None:
            raise InvalidParameter(f"There is no key of operators {key!r}.", param="key")
        revoked = revoke_operator_key(found, command_actor("revoke_operator_key"), timezone.now())
        return {"key_id": found.public_id, "revoked": revoked}
