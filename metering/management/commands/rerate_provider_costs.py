from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.catalogue.models import LanguageModel
from metering.ingest.formats.events import MAX_AHEAD
from metering.revisions.work_out_costs import work_out_costs
from omixa_billing.api.errors import InvalidParameter
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import parse_instant


class Command(JsonCommand):
    help = "Works out again what recorded requests cost us, by the provider costs as they are set now. Prices stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", nargs="?", metavar="MODEL", help="with its aliases; left out: every model")
        parser.add_argument("--from", dest="start", required=True, metavar="ISO")
        parser.add_argument("--to", dest="end", metavar="ISO", help="not included; default: everything so far")

    def act(self, *, model: str | None, start: str, end: str | None, **options: Any) -> dict[str, Any]:
        now = timezone.now()
        found = None if model is None else LanguageModel.objects.filter(slug=model).first()
        if model is not None and found is None:
            raise InvalidParameter(f"There is no model {model!r}.", param="model")
        begin, until = parse_instant(start), now + MAX_AHEAD if end is None else parse_instant(end)
        if begin >= until:
            raise InvalidParameter("The end is not after the beginning.", param="--to")
        return work_out_costs(found, begin, until, command_actor("rerate_provider_costs"), now)
