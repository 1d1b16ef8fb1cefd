from typing import Any

from django.core.management.base import CommandParser

from metering.catalogue.litellm import litellm_models
from omixa_billing.commands import JsonCommand


class Command(JsonCommand):
    help = "Prints the catalogue as LiteLLM's model_list, in JSON, which LiteLLM reads as YAML."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--echo", metavar="URL", help="use this echo if we have no provider's keys")
        parser.add_argument("--have", action="append", default=[], metavar="NAME", help="a provider's variable that is set")

    def act(self, *, echo: str | None, have: list[str], **options: Any) -> dict[str, Any]:
        return {"model_list": litellm_models(echo, have)}
