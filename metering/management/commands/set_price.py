from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.catalogue.set_price import describe, parse_factor, parse_open_rates, parse_rate, set_factor, set_price
from metering.components import BY_NAME, COMPONENTS, NAMES, Component
from metering.revisions.rerating.rated import rated_since
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import parse_instant
from workspaces.management.named import workspace_named


class Command(JsonCommand):
    help = "Sets a price: adds a version that succeeds the one in force."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model")
        for component in sorted(COMPONENTS, key=lambda each: bool(each.fallback)):
            parser.add_argument(option(component), metavar="R", help=rate_help(component))
        parser.add_argument("--factor", metavar="F", help="instead of rates: so many times the default tier's price")
        parser.add_argument(
            "--rate",
            action="append",
            default=[],
            metavar="COMPONENT=R",
            help="of another component, such as audio_input=40, web_search=0.01 or image/high/1024x1024=0.167; repeatable",
        )
        parser.add_argument("--tier", default="default")
        parser.add_argument("--above-input-tokens", type=int, default=0, metavar="N")
        parser.add_argument("--workspace", metavar="ID", help="only for this workspace")
        parser.add_argument("--effective-from", metavar="ISO", help="default: now")
        parser.add_argument("--correct", action="store_true", help="replace a version that begins at the same time")

    def act(self, **options: Any) -> dict[str, Any]:
        known = LanguageModel.objects.filter(slug=options["model"]).exists()
        version = _derived(options) if options["factor"] is not None else _explicit(options)
        printed = ("price_id", "model", "service_tier", "effective_from", *NAMES, *version.open_rates)
        described = describe(version)
        printed += ("factor",) if "factor" in described else ()
        if not known:
            self.stderr.write(f"There was no model {version.model.slug}: it was made, unlisted.")
        if kept := rated_since(version):
            only = f" --workspace {version.workspace.public_id}" if version.workspace else ""
            are = (
                "request since then is rated already and keeps its"
                if kept == 1
                else "requests since then are rated already and keep their"
            )
            self.stderr.write(
                f"{kept:,} {are} price; this one prices the others. "
                f"To rate them again: manage.py rerate {version.model.slug} --from {described['effective_from']}{only}"
            )
        return {name: described[name] for name in printed}


def _explicit(options: dict[str, Any]) -> PriceVersion:
    needed = [option(each) for each in COMPONENTS if not each.fallback and options[each.name] is None]
    if needed:
        raise CommandError(f"the following arguments are required: {', '.join(needed)}")
    rates: dict[str, Any] = {each.name: optional_rate(options[each.name], option(each)) for each in COMPONENTS}
    rates |= parse_open_rates(options["rate"])
    return set_price(
        options["model"],
        **rates,
        service_tier=options["tier"],
        above_input_tokens=options["above_input_tokens"],
        correct=options["correct"],
        **_whose_and_when(options),
    )


def _derived(options: dict[str, Any]) -> PriceVersion:
    """The version without a threshold; those above thresholds are made as well."""
    stated = [option(each) for each in COMPONENTS if options[each.name] is not None] + ["--rate"] * bool(options["rate"])
    if stated:
        raise CommandError(f"--factor stands for all rates: leave out {', '.join(stated)}.")
    factor = parse_factor(options["factor"])
    versions = set_factor(options["model"], options["tier"], factor, **_whose_and_when(options))
    return next(each for each in versions if each.above_input_tokens == 0)


def _whose_and_when(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "workspace": workspace_named(options["workspace"]),
        "effective_from": None if options["effective_from"] is None else parse_instant(options["effective_from"]),
        "actor": command_actor("set_price"),
        "now": timezone.now(),
    }


def option(component: Component) -> str:
    return f"--{component.name.replace('_', '-')}"


def rate_help(component: Component) -> str:
    if component.fallback:
        return f"as {option(BY_NAME[component.fallback])}; left out: the {component.fallback_label} rate applies"
    return f"USD per million {component.unit}s, at most six decimals"


def optional_rate(text: str | None, name: str) -> Decimal | None:
    return None if text is None else parse_rate(text, name)
