from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.catalogue.set_price import describe, parse_rate, set_price
from metering.errors import InvalidParameter, NotFound
from metering.periods import parse_instant
from omixa_billing.commands import JsonCommand
from workspaces.models import Workspace


class Command(JsonCommand):
    help = "Sets a price: adds a version that succeeds the one in force."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model")
        for name in ("--input", "--output"):
            parser.add_argument(name, required=True, metavar="R", help="USD per million tokens, at most six decimals")
        for name in ("--cached-input", "--cache-write"):
            parser.add_argument(name, metavar="R", help="as --input; left out: the input rate applies")
        parser.add_argument("--tier", default="default")
        parser.add_argument("--above-input-tokens", type=int, default=0, metavar="N")
        parser.add_argument("--workspace", metavar="ID", help="only for this workspace")
        parser.add_argument("--effective-from", metavar="ISO", help="default: now")

    def act(self, **options: Any) -> dict[str, Any]:
        version = set_price(
            options["model"],
            input=parse_rate(options["input"], "--input"),
            output=parse_rate(options["output"], "--output"),
            cached_input=parse_rate(options["cached_input"], "--cached-input") if options["cached_input"] else None,
            cache_write=parse_rate(options["cache_write"], "--cache-write") if options["cache_write"] else None,
            service_tier=options["tier"],
            above_input_tokens=options["above_input_tokens"],
            workspace=workspace_named(options["workspace"]),
            effective_from=instant_named(options["effective_from"]),
            actor="command set_price",
            now=timezone.now(),
        )
        shown = (
            "price_id",
            "model",
            "service_tier",
            "effective_from",
            "input",
            "cached_input",
            "cache_write",
            "output",
        )
        described = describe(version)
        return {name: described[name] for name in shown}


def workspace_named(public_id: str | None) -> Workspace | None:
    if public_id is None:
        return None
    workspace = Workspace.objects.filter(public_id=public_id).first()
    if workspace is None:
        raise NotFound(f"There is no workspace {public_id}.")
    return workspace


def instant_named(text: str | None) -> Any:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise InvalidParameter(str(error)) from None
