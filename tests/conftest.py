"""What every test starts from."""

import pytest
from django.db import connection
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from metering.pricing import current
from tests import factories


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Django empties the tables after a test that commits. Only this database allows it, to all who connect from now on."""
    with django_db_blocker.unblock():
        name = sql.Identifier(str(connection.settings_dict["NAME"]))
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} SET omixa.may_truncate = 'on'").format(name))
        connection.close()


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """A process remembers ids and rates between transactions; tests roll the database back under it."""
    factories.forget_names()
    current.forget()
