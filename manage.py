#!/usr/bin/env python
"""Django's commands and the product's own, on the database that `make run` uses, whether that runs or not."""

import os
import sys

from omixa_billing.supervision.commands import database_for


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    from django.core.management import execute_from_command_line

    with database_for(sys.argv):
        name_command()
        execute_from_command_line(sys.argv)


def name_command() -> None:
    """So that the audit trail says who acted: this command, and the account that runs it."""
    from omixa_billing.command_actor import running_command

    running_command(sys.argv[1] if len(sys.argv) > 1 else "help")


if __name__ == "__main__":
    main()
