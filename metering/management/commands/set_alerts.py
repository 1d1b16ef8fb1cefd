from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.alerts.models import AlertSettings
from metering.alerts.preferences import alert_settings_json, change_alert_settings
from metering.management.arguments import usd
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from workspaces.management.named import workspace_named


def _factor(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidParameter(f"--spike-factor is a number, such as 10, not {text!r}.", param="--spike-factor") from None


class Command(JsonCommand):
    help = "Changes what a workspace is alerted to; what is not named stays. Without options it shows the settings."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workspace", metavar="WORKSPACE")
        parser.add_argument(
            "--on-leaked-key", choices=AlertSettings.OnLeak.values, help="what becomes of a key that was found in public"
        )
        levels = parser.add_mutually_exclusive_group()
        levels.add_argument("--balance-level", action="append", metavar="USD", help="alert when the balance falls to it")
        levels.add_argument("--no-balance-levels", action="store_true", help="alert to no level of the balance")
        parser.add_argument("--spike-factor", metavar="N", help="an hour above so many times the usual one is a spike")
        parser.add_argument("--spike-least", metavar="USD", help="and above this")
        freezes = parser.add_mutually_exclusive_group()
        freezes.add_argument("--spike-freezes", action="store_const", const=True, help="a spike freezes the key")
        freezes.add_argument("--spike-alerts-only", action="store_const", const=False, dest="spike_freezes")
        prices = parser.add_mutually_exclusive_group()
        prices.add_argument("--mail-price-changes", action="store_const", const=True, dest="price_changes")
        prices.add_argument("--no-mail-of-price-changes", action="store_const", const=False, dest="price_changes")

    def act(self, **options: Any) -> dict[str, Any]:
        workspace = workspace_named(options["workspace"])
        changes: dict[str, Any] = {}
        for name in ("on_leaked_key", "spike_freezes", "price_changes"):
            if options[name] is not None:
                changes[name] = options[name]
        if options["spike_factor"] is not None:
            changes["spike_factor"] = _factor(options["spike_factor"])
        if options["spike_least"] is not None:
            changes["spike_least"] = usd(options["spike_least"], "--spike-least")
        if options["balance_level"] or options["no_balance_levels"]:
            changes["balance_levels"] = [usd(level, "--balance-level") for level in options["balance_level"] or ()]
        actor = command_actor("set_alerts")
        return alert_settings_json(change_alert_settings(workspace, changes, actor, timezone.now()))
