"""Commands that programs call: one JSON object on standard output, logs on standard error, refusals as one sentence."""

import contextlib
import json
import sys
from abc import abstractmethod
from types import TracebackType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from omixa_billing.api.errors import Refusal
from omixa_billing.outage import STORAGE_ERRORS
from workspaces.redaction import redact

OWN_PACKAGES = {"omixa_billing", "workspaces", "metering"}


class JsonCommand(BaseCommand):
    """A command whose `act` returns what is printed. `exit_code`, when `act` sets it, is the code after printing.

    A Refusal, a ValueError raised by our own code and a database that is away become one sentence on standard error and
    exit code 1; called from Python, a CommandError. Any other exception is a bug and keeps its traceback.
    """

    exit_code = 0
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """A wrong argument is a refusal too: without the usage, which `--help` shows, it is one sentence."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.print_usage = _print_nothing  # type: ignore[method-assign]
        return parser

    @abstractmethod
    def act(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Do it, and return what to print."""

    def text_of(self, result: dict[str, Any]) -> str:
        return json.dumps(result, ensure_ascii=False)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # whatever else prints must not spoil the one object
                result = self.act(**options)
        except Refusal as refusal:
            self._refuse(refusal.message)
        except STORAGE_ERRORS as error:
            self._refuse(f"The database did not answer: {_one_line(error)}")
        except ValueError as error:
            if not _is_ours(error):
                raise
            self._refuse(_one_line(error))
        self.stdout.write(self.text_of(result))
        if self.exit_code:
            sys.exit(self.exit_code)

    def _refuse(self, sentence: str) -> NoReturn:
        sentence = redact(sentence)
        if getattr(self, "_called_from_command_line", False):
            self.stderr.write(sentence)
            sys.exit(1)
        raise CommandError(sentence)


def _print_nothing(file: Any = None) -> None:
    pass


def _is_ours(error: ValueError) -> bool:
    """Whether our own code raised it, as a sentence for people; a library's is about something we did wrong."""
    where: TracebackType | None = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    name = "" if where is None else str(where.tb_frame.f_globals.get("__name__", ""))
    return type(error) is ValueError and name.partition(".")[0] in OWN_PACKAGES


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
