"""Before the application starts: static files are collected, the database answers, is migrated, and on the first start
has a demo workspace.

Standard output is the terminal of `make run`; standard error is `log/prepare.log`.
"""

import os
import sys
import traceback
from contextlib import nullcontext

from omixa_billing.embedded import postgres
from omixa_billing.embedded.home import home_folder, uses_embedded_postgres
from omixa_billing.environment import SettingsRefused

from .history import HistoryRefused

SECONDS_FOR_THE_DATABASE = 30
NO_MAIL = """\
No mail can be sent, since EMAIL_URL is not set: invitations, password resets and invoices reach nobody.
`manage.py password_link EMAIL` prints a link that sets a person's password."""


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    try:
        import django

        django.setup()  # settings that it cannot start with are reported before anything is made
        # As a user of the server beside its launcher, so that the reason why it cannot start is printed here.
        with postgres.ensure_running() if uses_embedded_postgres() else nullcontext():
            prepare()
    except Exception as error:
        traceback.print_exc()
        named = "" if isinstance(error, SettingsRefused | HistoryRefused) else f"{type(error).__name__}: "
        print(f"{named}{error}", flush=True)
        return 1
    return 0


def prepare() -> None:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from omixa_billing.command_actor import running_command
    from omixa_billing.static_files.collect import collect
    from workspaces.audit.settings_changed import note_settings
    from workspaces.mails.outgoing import sends_mail

    from . import database

    running_command("start")
    if not settings.DEBUG:  # pages use plain names then
        collect()
    database.wait_until_it_answers(SECONDS_FOR_THE_DATABASE)
    database.bring_up_to_date()
    started_before = home_folder() / "started_before"
    if not started_before.exists() and not settings.PRODUCTION:
        call_command("create_demo", stdout=sys.stdout)
    started_before.touch()
    note_settings(settings.SETTINGS_READ, timezone.now())
    if not sends_mail():
        print(NO_MAIL, flush=True)
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
