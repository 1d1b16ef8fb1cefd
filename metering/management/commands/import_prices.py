import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from metering.catalogue.imports.apply import apply_import, file_text, new_import
from metering.catalogue.imports.cards import parse_markup
from metering.catalogue.imports.models import PriceImport
from metering.catalogue.imports.plan import import_json, plan_import
from metering.errors import InvalidPrice
from omixa_billing.command_actor import command_actor
from omixa_billing.commands import JsonCommand
from omixa_billing.instants import parse_instant


class Command(JsonCommand):
    help = "Reads a file of prices and says what it would change; with --apply, sets them in one transaction."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="-: standard input")
        formats = "|".join(PriceImport.Format.values)
        parser.add_argument(
            "--format", dest="file_format", default="", metavar=formats, help="default: what the file looks like"
        )
        parser.add_argument("--markup", metavar="20%%", help="on every rate, rounded half up to the decimals that it has")
        parser.add_argument("--only", default="", metavar="PATTERN", help="such as 'gpt-*,azure/*': only these models")
        parser.add_argument("--provider-cost", action="store_true", help="what providers charge us, not what customers pay")
        parser.add_argument("--effective-from", metavar="ISO", help="default: now")
        parser.add_argument("--apply", action="store_true", help="without it, nothing is changed")

    def act(self, **options: Any) -> dict[str, Any]:
        now = timezone.now()
        file_format = options["file_format"]
        if file_format and file_format not in PriceImport.Format.values:
            raise InvalidPrice(f"The format is one of {', '.join(PriceImport.Format.values)}.", param="format")
        asked = new_import(
            _read(options["file"]),
            actor=command_actor("import_prices"),
            now=now,
            name=Path(options["file"]).name,
            file_format=file_format,
            markup=parse_markup(options["markup"]),
            only=options["only"],
            provider_cost=options["provider_cost"],
            effective_from=None if options["effective_from"] is None else parse_instant(options["effective_from"]),
        )
        plan = apply_import(asked, now) if options["apply"] else plan_import(asked, now)
        return import_json(plan, applied=options["apply"])


def _read(path: str) -> str:
    """Raises InvalidPrice."""
    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InvalidPrice(f"{path} cannot be read: {error.strerror or error}.", param="file") from None
    return file_text(content)
