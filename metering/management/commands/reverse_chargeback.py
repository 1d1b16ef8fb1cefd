from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.operator_api.answers import chargebacks_json
from metering.payments.disputes.chargebacks import chargeback_with, reverse_chargeback
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Records that a bank paid again what `charge_back` had recorded: what it paid is owed no more. The bank's fee stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("chargeback", metavar="CHARGEBACK", help="its id, as `charge_back` printed it")
        parser.add_argument("--reason", required=True, metavar="R")

    def act(self, *, chargeback: str, reason: str, **options: Any) -> dict[str, Any]:
        found = chargeback_with(chargeback)
        return chargebacks_json(reverse_chargeback(found.pk, reason, command_actor("reverse_chargeback"), timezone.now()))
