from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from metering.catalogue.providers.set_provider_price import describe_provider_price, set_provider_price
from metering.catalogue.set_price import parse_open_rates
from metering.components import COMPONENTS
from metering.management.commands.set_price import option, optional_rate, rate_help
from metering.revisions.provider_costs import recorded_since
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import instant_text, parse_instant


class Command(JsonCommand):
    help = "Sets what a provider charges us for a model: adds a version that succeeds the one in force."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="as events name it")
        parser.add_argument("model", help="as events name it")
        for component in sorted(COMPONENTS, key=lambda each: bool(each.fallback)):
            parser.add_argument(option(component), metavar="R", help=rate_help(component))
        parser.add_argument(
            "--rate",
            action="append",
            default=[],
            metavar="COMPONENT=R",
            help="of another component, such as audio_input=40 or web_search=0.01; repeatable",
        )
        parser.add_argument("--route", default="", help="as events name it; default: every route")
        parser.add_argument("--tier", default="default")
        parser.add_argument("--above-input-tokens", type=int, default=0, metavar="N")
        parser.add_argument("--effective-from", metavar="ISO", help="default: now")
        parser.add_argument("--correct", action="store_true", help="replace a version that begins at the same time")

    def act(self, *, provider: str, model: str, **options: Any) -> dict[str, Any]:
        needed = [option(each) for each in COMPONENTS if not each.fallback and options[each.name] is None]
        if needed:
            raise CommandError(f"the following arguments are required: {', '.join(needed)}")
        now = timezone.now()
        version = set_provider_price(
            provider,
            model,
            **{each.name: optional_rate(options[each.name], option(each)) for each in COMPONENTS},
            **parse_open_rates(options["rate"]),
            route=options["route"],
            service_tier=options["tier"],
            above_input_tokens=options["above_input_tokens"],
            effective_from=None if options["effective_from"] is None else parse_instant(options["effective_from"]),
            correct=options["correct"],
            actor=command_actor("set_provider_cost"),
            now=now,
        )
        if version.effective_from < now and (recorded := recorded_since(version)):
            self.stderr.write(
                f"{recorded:,} requests of its time were recorded before, with another cost or none. To work it out: "
                f"manage.py rerate_provider_costs {version.model.slug} --from {instant_text(version.effective_from)}"
            )
        return describe_provider_price(version)
