"""`manage.py` uses the database of `make run`, and brings it up for itself when nothing runs."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from metering.doctor.findings import ERROR, Finding, printed, report
from omixa_billing.embedded import closing, postgres
from omixa_billing.embedded.account import NoAccount
from omixa_billing.embedded.cluster import CannotStart
from omixa_billing.embedded.home import uses_embedded_postgres
from omixa_billing.embedded.sockets import UnsafeFolder
from omixa_billing.environment import Fault, SettingsRefused

WITHOUT_DATABASE = {
    "",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "makemigrations",
    "spectacular",
    "sqlmigrate",
    "version",
}
# These look at the database as it is, or change its tables themselves.
AS_IT_IS = {"check", "dbshell", "doctor", "flush", "migrate", "showmigrations", "test"}
# This one says itself what is wrong with settings and database.
DOCTOR = "doctor"


@contextmanager
def database_for(arguments: list[str]) -> Iterator[None]:
    """The database, up and migrated, for as long as this command line needs it."""
    command = next((word for word in arguments[1:] if not word.startswith("-")), "")
    if command in WITHOUT_DATABASE or {"-h", "--help", "--version"} & set(arguments):
        yield
        return
    os.umask(closing.UMASK)  # for what a command leaves in the home
    if command == DOCTOR:
        _report_unreadable_settings()
    with ExitStack() as stack:
        if uses_embedded_postgres():
            signal.signal(signal.SIGTERM, _leave_in_order)
            try:
                stack.enter_context(postgres.ensure_running())
            except (CannotStart, NoAccount, UnsafeFolder) as error:
                if command != DOCTOR:
                    sys.exit(str(error))
                print(error, file=sys.stderr)
        if command == "migrate":
            _look(_with_todays_history)
        elif command not in AS_IT_IS:
            _look(_prepare)
        yield


def _report_unreadable_settings() -> None:
    """With settings that refuse to start, no command of Django's runs: their faults are then all that is found."""
    try:
        import omixa_billing.settings  # noqa: F401
    except ImproperlyConfigured as error:
        faults = error.faults if isinstance(error, SettingsRefused) else [Fault(str(error), "Correct it.")]
        found = report(Finding("settings", ERROR, fault.message, fault.fix) for fault in faults)
        print(printed(found, for_people=sys.stdout.isatty()))
        sys.exit(1)


def _look(act: Callable[[], None]) -> None:
    """Does it with Django set up; what keeps it from being done ends the command with a sentence."""
    import django
    from django.db import OperationalError

    django.setup()
    from .history import HistoryRefused

    try:
        act()
    except OperationalError as error:
        sys.exit(f"The database does not answer: {error}")
    except HistoryRefused as error:
        sys.exit(str(error))


def _with_todays_history() -> None:
    from . import database

    with database.only_one_at_a_time():
        database.bring_history_up_to_date()


def _prepare() -> None:
    from . import database

    # A server of the user's is migrated by `make run` or by hand, unless nothing was ever there.
    if database.is_behind() if uses_embedded_postgres() else database.is_untouched():
        database.bring_up_to_date()


def _leave_in_order(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)
