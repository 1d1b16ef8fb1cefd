#!/usr/bin/env python
"""Django's commands and the product's own, on the database that `make run` uses, whether that runs or not."""

import os
import sys

from omixa_billing.supervision.commands import database_for


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")
    from django.core.management import execute_from_command_line

    with database_for(sys.argv):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
